//! Replaces a file atomically and durably, one process at a time. Called by `passwd`.

use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::process::geteuid;
use tempfile::Builder;

use super::PasswdError;
use crate::durable::{self, directory_of};

/// As many symbolic links as Linux follows.
const MAX_LINKS: usize = 40;

/// The name of a new password file until it is whole.
const NEW: &str = ".micropypi-passwd";

/// Replaces the content of `path` by what `edit` makes of it (`None` when there is no file). A reader sees the old
/// content or the new, also after a power cut; the mode and the owner stay; a new file has mode 0600. A second process
/// waits. A symbolic link stays one, and the file that it leads to is replaced.
pub(super) fn update(
    path: &Path,
    edit: impl FnOnce(Option<&[u8]>) -> Result<Vec<u8>, PasswdError>,
) -> Result<(), PasswdError> {
    let path = follow_links(path)?;
    let directory = directory_of(&path);
    let lock = lock(directory)?;
    let old = read(&path)?;
    let new = edit(old.as_ref().map(|(bytes, _)| bytes.as_slice()))?;
    let owner = old.as_ref().map(|(_, metadata)| metadata);
    write(directory, &path, &new, owner).map_err(|error| match error.kind() {
        io::ErrorKind::ResourceBusy => PasswdError::Mounted(path.clone()),
        _ => in_file("write", &path)(error),
    })?;
    lock.sync_all().map_err(in_file("sync", directory))
}

/// Makes the directories above `path`.
pub(super) fn make_directory_of(path: &Path) -> Result<(), PasswdError> {
    let directory = directory_of(path);
    durable::make_directory(directory).map_err(in_file("make the directory", directory))
}

/// Where `path` leads; the file at the end need not exist.
fn follow_links(path: &Path) -> Result<PathBuf, PasswdError> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::read_link(&path) {
            Ok(target) => path = directory_of(&path).join(target),
            // EINVAL: a file, not a link. Whatever else is wrong shows when the file is opened.
            Err(_) => return Ok(path),
        }
    }
    Err(in_file("follow the links of", &path)(Errno::LOOP.into()))
}

/// Locks the directory, because a lock of the file itself goes with the file that is replaced.
fn lock(directory: &Path) -> Result<File, PasswdError> {
    let handle = File::open(directory).map_err(in_file("open the directory", directory))?;
    handle.lock().map_err(in_file("lock the directory", directory))?;
    Ok(handle)
}

fn read(path: &Path) -> Result<Option<(Vec<u8>, Metadata)>, PasswdError> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(in_file("read", path)(error)),
    };
    // A pipe would block, and /dev/null would be replaced.
    if !metadata.is_file() {
        return Err(PasswdError::NotAFile(path.to_owned()));
    }
    let bytes = fs::read(path).map_err(in_file("read", path))?;
    Ok(Some((bytes, metadata)))
}

fn write(directory: &Path, path: &Path, bytes: &[u8], old: Option<&Metadata>) -> io::Result<()> {
    // What a kill or a power cut has left of an earlier one: nobody else writes here now.
    if let Err(error) = fs::remove_file(directory.join(NEW))
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    // Made with mode 0600.
    let mut file = Builder::new().prefix(NEW).rand_bytes(0).tempfile_in(directory)?;
    file.write_all(bytes)?;
    if let Some(old) = old {
        keep_owner_and_mode(file.as_file(), old)?;
    }
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

fn keep_owner_and_mode(file: &File, old: &Metadata) -> io::Result<()> {
    let new = file.metadata()?;
    // The owner first: the mode may let a group read that is not yet the right one.
    if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
        fchown(file, Some(old.uid()), Some(old.gid()))?;
    }
    file.set_permissions(old.permissions())
}

fn in_file(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> PasswdError {
    let path = path.to_owned();
    move |source| match source.kind() {
        io::ErrorKind::PermissionDenied if !geteuid().is_root() => PasswdError::Denied { what, path, source },
        _ => PasswdError::File { what, path, source },
    }
}
