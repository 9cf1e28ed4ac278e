//! What an interrupted upload leaves behind, removed at the next start. Called by `store/mod.rs`.

use std::fs::{self, File};
use std::path::Path;

/// How the name of a staging file begins; the dot hides it from every listing.
pub(super) const STAGING_PREFIX: &str = ".micropypi-upload-";

/// Removes the staging files that nobody holds. An upload in progress, of another process too, holds a lock on its own.
pub(super) fn remove_litter(inbox: &Path) {
    let Ok(entries) = fs::read_dir(inbox) else { return };
    for entry in entries.flatten() {
        if !entry.file_name().to_string_lossy().starts_with(STAGING_PREFIX) {
            continue;
        }
        let path = entry.path();
        let abandoned = File::open(&path).is_ok_and(|file| file.try_lock().is_ok());
        if abandoned && fs::remove_file(&path).is_ok() {
            tracing::info!(file = %path.display(), "removed what an interrupted upload left");
        }
    }
}
