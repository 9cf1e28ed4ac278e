//! What is mounted at, below or above the packages directories; inotify says nothing of that. Called by `store/mod.rs`
//! and `watch.rs`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::lock::lock;

/// See proc_pid_mountinfo(5).
const TABLE: &str = "/proc/self/mountinfo";

/// A file system at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) point: PathBuf,
    /// Its number, its device, what of the file system is mounted.
    identity: String,
}

impl Mount {
    fn parse(line: &str) -> Option<Self> {
        let (identity, rest) = line.match_indices(' ').nth(3).map(|(at, _)| line.split_at(at))?;
        let point = rest.trim_start().split(' ').next()?;
        Some(Self {
            point: decode(point).into(),
            identity: identity.to_owned(),
        })
    }

    fn concerns(&self, place: &Path) -> bool {
        self.point.starts_with(place) || place.starts_with(&self.point)
    }
}

/// The kernel writes in octal what would end a field.
fn decode(field: &str) -> String {
    let field = field
        .replace(r"\040", " ")
        .replace(r"\011", "\t")
        .replace(r"\012", "\n");
    field.replace(r"\134", r"\")
}

/// The table of mounts, read again only when the kernel says that it has changed.
#[derive(Debug)]
pub(super) struct Mounts {
    /// poll(2) on it tells of changes. Without proc(5) nothing is known of mounts.
    changes: Option<File>,
    known: Mutex<Vec<Mount>>,
}

impl Mounts {
    pub(super) fn open() -> Self {
        // In this order, so that no change is missed between the two.
        let changes = File::open(TABLE).ok();
        Self {
            changes,
            known: Mutex::new(read().unwrap_or_default()),
        }
    }

    /// The mounts at, below and above these places.
    pub(super) fn around(&self, places: &[PathBuf]) -> Vec<Mount> {
        let mut known = lock(&self.known);
        if let Some(table) = self.have_changed().then(read).flatten() {
            *known = table;
        }
        let concerned = known
            .iter()
            .filter(|mount| places.iter().any(|place| mount.concerns(place)));
        concerned.cloned().collect()
    }

    /// Whether they have changed since the last time that this was asked.
    fn have_changed(&self) -> bool {
        let Some(changes) = &self.changes else { return false };
        let mut asked = [PollFd::new(changes, PollFlags::PRI)];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut asked, Some(&at_once)).is_ok_and(|changed| changed > 0)
    }
}

fn read() -> Option<Vec<Mount>> {
    let table = fs::read(TABLE).ok()?;
    Some(
        String::from_utf8_lossy(&table)
            .lines()
            .filter_map(Mount::parse)
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(line: &str) -> Mount {
        Mount::parse(line).unwrap()
    }

    #[test]
    fn a_mount_concerns_what_lies_below_and_above_it() {
        let stick = mount(r"36 35 8:1 / /data/my\040packages/stick rw,noatime shared:1 - vfat /dev/sda1 rw");
        assert_eq!(stick.point, Path::new("/data/my packages/stick"));
        assert!(stick.concerns("/data/my packages".as_ref()));
        assert!(stick.concerns("/data/my packages/stick/deep".as_ref()));
        assert!(!stick.concerns("/data/my packages/sti".as_ref()));
        assert_eq!(Mount::parse("36 35 8:1 /"), None);
    }

    #[test]
    fn two_sticks_at_one_place_differ_and_two_ways_to_mount_one_do_not() {
        let stick = mount("36 35 8:1 / /stick rw,noatime - vfat /dev/sda1 rw");
        assert_eq!(stick, mount("36 35 8:1 / /stick ro - vfat /dev/sda1 ro"));
        assert_ne!(stick, mount("36 35 8:17 / /stick rw,noatime - vfat /dev/sdb1 rw"));
        assert_ne!(stick, mount("37 35 8:1 / /stick rw,noatime - vfat /dev/sda1 rw"));
    }
}
