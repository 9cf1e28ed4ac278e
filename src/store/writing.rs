//! Which files somebody is writing right now, as far as inotify tells. Called by `store/mod.rs` and `watch.rs`.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use notify::Event;
use notify::event::{AccessKind, AccessMode, CreateKind, EventKind, ModifyKind, RenameMode};

use crate::lock::lock;

/// How long a write that nothing follows keeps a file back: longer than TCP keeps a connection whose other end is gone.
/// truncate(2) writes and closes nothing, and nobody must wait for that for good.
const STALL: Duration = Duration::from_hours(3);

/// What is known of a file's writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Writer {
    /// None, since the file was closed, moved here or never written to.
    Gone,
    /// There may be one, which nobody has seen writing.
    Unknown,
    /// One that has not closed the file yet.
    Busy,
}

/// What the events since a watcher began say of writers.
#[derive(Debug, Default)]
pub(super) struct Writing(Mutex<HashMap<PathBuf, Seen>>);

#[derive(Debug)]
enum Seen {
    /// It had content when its creation was told: linked whole, or written to since.
    Created,
    Written(Instant),
}

impl Writing {
    /// Of the file of this path.
    pub(super) fn writer(&self, path: &Path) -> Writer {
        match lock(&self.0).get(path) {
            None => Writer::Gone,
            Some(Seen::Written(last)) if last.elapsed() < STALL => Writer::Busy,
            Some(_) => Writer::Unknown,
        }
    }

    /// Takes note of an event. Tells whether what it is about is to be looked at: a file that is being written says
    /// nothing until it is closed.
    pub(super) fn heed(&self, event: &Event) -> bool {
        if event.need_rescan() {
            // Files may have been closed unheard, and would be kept back.
            lock(&self.0).clear();
            return true;
        }
        match event.kind {
            EventKind::Create(CreateKind::Folder) | EventKind::Modify(ModifyKind::Metadata(_)) => true,
            EventKind::Create(_) => event.paths.iter().any(|path| self.create(path)),
            EventKind::Modify(ModifyKind::Data(_)) => self.write(&event.paths),
            EventKind::Access(AccessKind::Close(AccessMode::Write)) | EventKind::Remove(_) => self.end(&event.paths),
            EventKind::Modify(ModifyKind::Name(RenameMode::From | RenameMode::To | RenameMode::Any)) => {
                self.end(&event.paths)
            }
            _ => false,
        }
    }

    /// A copy begins empty. What has content is a link, which is whole; or the writer was fast; or the name that it was
    /// linked from is gone already, as after the rename of sftp-server(8).
    fn create(&self, path: &Path) -> bool {
        let Ok(created) = fs::symlink_metadata(path) else {
            return false;
        };
        if created.is_symlink() || created.nlink() > 1 {
            return true;
        }
        let is_empty = created.len() == 0;
        let seen = if is_empty {
            Seen::Written(Instant::now())
        } else {
            Seen::Created
        };
        lock(&self.0).insert(path.to_owned(), seen);
        !is_empty
    }

    fn write(&self, paths: &[PathBuf]) -> bool {
        let now = Instant::now();
        let written = paths.iter().map(|path| (path.clone(), Seen::Written(now)));
        lock(&self.0).extend(written);
        false
    }

    /// What moves or goes may be a folder, with files in it that are closed where nobody hears it.
    fn end(&self, paths: &[PathBuf]) -> bool {
        lock(&self.0).retain(|file, _| !paths.iter().any(|path| file.starts_with(path)));
        true
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{DataChange, Flag, RemoveKind};

    use super::*;

    const WRITE: EventKind = EventKind::Modify(ModifyKind::Data(DataChange::Any));
    const CREATE: EventKind = EventKind::Create(CreateKind::File);
    const CLOSE: EventKind = EventKind::Access(AccessKind::Close(AccessMode::Write));
    const FILE: &str = "/nowhere/folder/a.egg";

    fn event(kind: EventKind, path: impl Into<PathBuf>) -> Event {
        Event::new(kind).add_path(path.into())
    }

    #[test]
    fn a_writer_is_busy_until_it_closes_its_file() {
        let writing = Writing::default();
        assert!(!writing.heed(&event(WRITE, FILE)));
        assert_eq!(writing.writer(FILE.as_ref()), Writer::Busy);
        assert_eq!(writing.writer("/nowhere/folder/b.egg".as_ref()), Writer::Gone);
        assert!(writing.heed(&event(CLOSE, FILE)));
        assert_eq!(writing.writer(FILE.as_ref()), Writer::Gone);
    }

    #[test]
    fn no_mark_outlives_what_it_is_about() {
        let moved = EventKind::Modify(ModifyKind::Name(RenameMode::From));
        let ends = [
            event(EventKind::Remove(RemoveKind::File), FILE),
            event(moved, FILE),
            event(moved, "/nowhere/folder"),
            event(EventKind::Remove(RemoveKind::Other), "/nowhere/folder"),
            Event::new(EventKind::Other).set_flag(Flag::Rescan),
        ];
        for end in ends {
            let writing = Writing::default();
            writing.heed(&event(WRITE, FILE));
            assert!(writing.heed(&end), "{end:?}");
            assert_eq!(writing.writer(FILE.as_ref()), Writer::Gone, "{end:?}");
        }
    }

    #[test]
    fn what_is_created_empty_has_a_writer_and_what_is_linked_may_have_none() {
        let dir = tempfile::tempdir().unwrap();
        let (empty, linked, twice) = (
            dir.path().join("empty"),
            dir.path().join("linked"),
            dir.path().join("twice"),
        );
        fs::write(&empty, "").unwrap();
        fs::write(&linked, "content").unwrap();
        let writing = Writing::default();
        assert!(!writing.heed(&event(CREATE, &empty)));
        assert_eq!(writing.writer(&empty), Writer::Busy);
        assert!(writing.heed(&event(CREATE, &linked)));
        assert_eq!(writing.writer(&linked), Writer::Unknown);
        fs::hard_link(&linked, &twice).unwrap();
        assert!(writing.heed(&event(CREATE, &twice)));
        assert_eq!(writing.writer(&twice), Writer::Gone);
    }
}
