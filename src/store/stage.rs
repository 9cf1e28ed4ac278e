//! An upload on its way: a hidden file beside its destination, hashed as it is written, that becomes visible at once
//! and durably, or leaves nothing. Called by `index/` and `http/form.rs`.

use std::fs::{File, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile, PersistError};

use super::clean::STAGING_PREFIX;
use super::sync::sync_names;
use super::{Stamp, StoreError};
use crate::dist::{Digests, Hasher};

/// What to do when the name is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placing {
    /// Refuse.
    New,
    /// Replace the old file atomically.
    Replace,
}

/// A file that is being received. Dropped, it leaves nothing.
#[derive(Debug)]
pub struct Staged {
    file: NamedTempFile,
    hasher: Hasher,
    inbox: PathBuf,
}

impl Staged {
    pub(super) fn new(inbox: &Path) -> Result<Self, StoreError> {
        Ok(Self {
            file: make(inbox).map_err(|e| StoreError::new("write to", inbox, e))?,
            hasher: Hasher::default(),
            inbox: inbox.to_owned(),
        })
    }

    /// Appends a piece. Blocks.
    ///
    /// # Errors
    /// [`StoreError::Full`] when the disk is.
    pub fn write(&mut self, piece: &[u8]) -> Result<(), StoreError> {
        self.file
            .write_all(piece)
            .map_err(|e| StoreError::new("write to", &self.inbox, e))?;
        self.hasher.update(piece);
        Ok(())
    }

    /// A second handle on what was written, positioned at its start; for reading the archive.
    ///
    /// # Errors
    /// When the file cannot be opened again.
    pub fn reader(&self) -> Result<File, StoreError> {
        self.file.reopen().map_err(|e| StoreError::new("read", &self.inbox, e))
    }

    /// The digests of everything written.
    pub fn digests(&self) -> Digests {
        self.hasher.clone().finish()
    }

    /// Makes the content durable. The name is not yet.
    ///
    /// # Errors
    /// [`StoreError::Full`] and others, where the disk tells only now of what it could not write.
    pub fn sync(self) -> Result<Synced, StoreError> {
        let Self { file, inbox, .. } = self;
        match file.as_file().sync_all() {
            Ok(()) => Ok(Synced { file, inbox }),
            Err(error) => Err(StoreError::new("write to", &inbox, error)),
        }
    }
}

/// A file that is on the disk, and has no name yet. Dropped, it leaves nothing.
#[derive(Debug)]
pub struct Synced {
    file: NamedTempFile,
    inbox: PathBuf,
}

impl Synced {
    /// Gives the file its path below the upload directory, and tells how it is to be known again. When this returns, the file survives a power cut.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the name is taken and `placing` is [`Placing::New`]; the other file is untouched.
    pub fn place(self, path: &str, placing: Placing) -> Result<Stamp, StoreError> {
        let Self { file, inbox } = self;
        let target = inbox.join(path);
        let parent = target.parent().expect("a file lies in a directory");
        let persisted = persist(file, &target, placing).or_else(|PersistError { error, file }| match error.kind() {
            // The sub-folder is another disk's.
            ErrorKind::CrossesDevices => Ok(persist(copy(&file, parent)?, &target, placing)?),
            _ => Err(error),
        });
        match persisted {
            Ok(file) => sync_names(&inbox, path)
                .and_then(|()| Ok(Stamp::of(&file.metadata()?)))
                .map_err(|e| StoreError::new("sync", parent, e)),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Err(StoreError::Exists(path.to_owned())),
            Err(e) => Err(StoreError::new("write to", parent, e)),
        }
    }
}

/// A hidden, empty file in a directory.
fn make(directory: &Path) -> io::Result<NamedTempFile> {
    let file = Builder::new()
        .prefix(STAGING_PREFIX)
        // What the umask leaves of this is what any file of the folder would get; tempfile's own 0600 would hide the upload
        // from backups and other readers.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(directory)?;
    file.as_file().lock()?;
    Ok(file)
}

/// Gives a file its path, on its own disk.
fn persist(file: NamedTempFile, target: &Path, placing: Placing) -> Result<File, PersistError> {
    match placing {
        Placing::New => file.persist_noclobber(target),
        Placing::Replace => file.persist(target),
    }
}

/// A durable copy in a directory.
fn copy(file: &NamedTempFile, directory: &Path) -> io::Result<NamedTempFile> {
    let mut copy = make(directory)?;
    io::copy(&mut file.reopen()?, &mut copy)?;
    copy.as_file().sync_all()?;
    Ok(copy)
}
