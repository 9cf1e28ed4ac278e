//! What an interrupted upload leaves behind, removed at the next start. Called by `store/mod.rs`.

use std::collections::HashSet;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// How the name of a staging file begins; the dot hides it from every listing.
pub(super) const STAGING_PREFIX: &str = ".micropypi-upload-";

/// Removes the staging files that nobody holds, in sub-folders too: what replaces a file on another disk is staged beside it.
/// An upload in progress, of another process too, holds a lock on its own.
pub(super) fn remove_litter(inbox: &Path) {
    remove_below(inbox, &mut HashSet::new());
}

/// `visited` has the device and inode of every directory, so that a circle of symbolic links ends.
fn remove_below(directory: &Path, visited: &mut HashSet<(u64, u64)>) {
    let is_new = |metadata: fs::Metadata| visited.insert((metadata.dev(), metadata.ino()));
    if !fs::metadata(directory).is_ok_and(is_new) {
        return;
    }
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let (name, path) = (entry.file_name(), entry.path());
        let name = name.as_encoded_bytes();
        if name.starts_with(STAGING_PREFIX.as_bytes()) {
            remove_abandoned(&path);
        } else if !name.starts_with(b".") && entry.file_type().is_ok_and(|kind| !kind.is_file()) && path.is_dir() {
            remove_below(&path, visited);
        }
    }
}

fn remove_abandoned(path: &Path) {
    let abandoned = File::open(path).is_ok_and(|file| file.try_lock().is_ok());
    if abandoned && fs::remove_file(path).is_ok() {
        tracing::info!(file = %path.display(), "removed what an interrupted upload left");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_holds_is_removed_in_sub_folders_too() {
        let inbox = tempfile::tempdir().unwrap();
        let sub = inbox.path().join("stick");
        fs::create_dir(&sub).unwrap();
        std::os::unix::fs::symlink(inbox.path(), sub.join("circle")).unwrap();
        let held = File::create(sub.join(format!("{STAGING_PREFIX}held"))).unwrap();
        held.lock().unwrap();
        for directory in [inbox.path(), &sub] {
            fs::write(directory.join(format!("{STAGING_PREFIX}left")), "").unwrap();
        }
        remove_litter(inbox.path());
        let names = |directory: &Path| fs::read_dir(directory).unwrap().flatten().count();
        assert_eq!(
            (names(inbox.path()), names(&sub)),
            (1, 2),
            "the held one and the circle stay"
        );
    }
}
