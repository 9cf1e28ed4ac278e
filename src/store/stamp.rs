//! What tells two states of a file apart without reading it. Called by `walk.rs` and whoever opens a file that it found.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// Nanoseconds in a second.
const SECOND: i64 = 1_000_000_000;

/// How seldom clocks of file systems tick: of those that count whole seconds, FAT counts every other; of the rest, some go
/// by the kernel's timer.
const SECONDS_TICK: Duration = Duration::from_secs(2);
const TIMER_TICK: Duration = Duration::from_millis(20);

/// What tells two states of a file apart without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Stamp {
    /// Bytes.
    pub size: u64,
    /// Nanoseconds since 1970 of the last change of the content.
    pub modified: i64,
    /// Nanoseconds since 1970 of the last change of the inode: tells a copy with the old date (`rsync -t`) from the original.
    pub changed: i64,
    /// The inode: tells two files that took one name within a tick of the clock.
    pub inode: u64,
}

impl Stamp {
    /// Reads a stamp off stat(2)'s answer.
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            size: metadata.len(),
            modified: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
        }
    }

    /// How long the next change may still leave this stamp as it is: until the clock of the file system ticks. A change after
    /// `now` is that of a clock that nobody can tell.
    pub fn blur(&self, now: SystemTime) -> Duration {
        let tick = if self.changed % SECOND == 0 {
            SECONDS_TICK
        } else {
            TIMER_TICK
        };
        let changed = SystemTime::UNIX_EPOCH + Duration::from_nanos(u64::try_from(self.changed).unwrap_or(0));
        let age = now.duration_since(changed);
        age.map_or(Duration::ZERO, |age| tick.saturating_sub(age))
    }
}

/// The states of a file and of its core metadata: of all that is read to know it.
pub type Stamps = (Stamp, Option<Stamp>);

fn nanoseconds(seconds: i64, rest: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_blurred_until_the_clock_ticks() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(100_500);
        let blur = |changed: i64| {
            let stamp = Stamp {
                changed: changed * 1_000_000,
                ..Stamp::default()
            };
            stamp.blur(now).as_millis()
        };
        for (changed, rest) in [
            (100_500, 20),
            (100_499, 19),
            (100_480, 0),
            (100_000, 1_500),
            (99_000, 500),
            (98_000, 0),
            (101_000, 0),
        ] {
            assert_eq!(blur(changed), rest, "{changed}");
        }
    }
}
