//! Makes durable what lies in the directories, whoever has put it there. Called by `index/` and `stage.rs`.

use std::fs::File;
use std::io;
use std::path::Path;

use super::{Store, StoreError};
use crate::durable;

impl Store {
    /// Makes a file durable that somebody else may have put there a moment ago.
    ///
    /// # Errors
    /// When it went away, or the disk fails.
    pub fn sync(&self, root: u8, path: &str) -> Result<(), StoreError> {
        let file = self.locate(root, path);
        durable::sync(&file)
            .and_then(|()| sync_names(&self.roots[usize::from(root)], path))
            .map_err(|e| StoreError::new("sync", &file, e))
    }

    /// As [`Store::sync`] for all files that are there, at the price of whatever else waits for the same disks.
    ///
    /// # Errors
    /// When a directory went away, or a disk fails.
    pub fn sync_all(&self) -> io::Result<()> {
        let mut roots = self.roots.iter();
        roots.try_for_each(|root| Ok(rustix::fs::syncfs(File::open(root)?)?))
    }
}

/// Makes the way from a packages directory to a file durable: sub-folders are made by hand.
pub(super) fn sync_names(root: &Path, path: &str) -> io::Result<()> {
    let mut folders = Path::new(path).ancestors().skip(1);
    folders.try_for_each(|folder| durable::sync(&root.join(folder)))
}
