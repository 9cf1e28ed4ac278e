//! Files and names that survive a power cut: fsync(2) of the file, and of the directory that holds its name. Called by
//! `store/`, `auth/` and `commands/`.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;

/// Makes the content of a file durable, or the names in a directory.
///
/// # Errors
/// When it cannot be opened, or the disk fails.
pub fn sync(path: &Path) -> io::Result<()> {
    match File::open(path)?.sync_all() {
        // Of a file system that is only read, such as that of a DVD, nothing waits (fsync(2), EINVAL).
        Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(()),
        synced => synced,
    }
}

/// Makes a directory and those above it, as far as they are missing. What they will hold is as durable as their own names.
///
/// # Errors
/// As [`fs::create_dir_all`], and when the disk fails.
pub fn make_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = directory_of(path);
    make_directory(parent)?;
    match fs::create_dir(path) {
        // Somebody else was faster.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => {}
        made => made?,
    }
    sync(parent)
}

/// The directory that holds a name.
pub fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_made_and_what_is_there_stays() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b/c");
        for _ in 0..2 {
            make_directory(&deep).unwrap();
            assert!(deep.is_dir());
        }
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        for no_place in [file.clone(), file.join("below")] {
            assert!(make_directory(&no_place).is_err(), "{}", no_place.display());
        }
    }

    #[test]
    fn the_directory_of_a_bare_name_is_the_current_one() {
        assert_eq!(directory_of(Path::new("data")), Path::new("."));
        assert_eq!(directory_of(Path::new("data/packages")), Path::new("data"));
        assert_eq!(directory_of(Path::new("/")), Path::new("."));
    }
}
