//! What tells two states of a file apart without reading it. Called by `walk.rs` and whoever opens a file that it found.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use serde::{Deserialize, Serialize};

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
}

/// The states of a file and of its core metadata: of all that is read to know it.
pub type Stamps = (Stamp, Option<Stamp>);

fn nanoseconds(seconds: i64, rest: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}
