//! The redb file behind the cache: built anew when it is damaged, closed when it fails, opened again. Called by `cache.rs`.

use std::fs;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use redb::{Database, Error, ReadableDatabase, ReadableTable};

use super::{CacheError, DERIVED, FILES, METADATA};
use crate::lock::lock;
use crate::store::{is_full, remove_if_there};

/// redb's page cache; its default of 1 GiB is not for a Raspberry Pi.
const PAGE_CACHE_BYTES: usize = 1 << 20;

/// A database that is closed as soon as it fails.
#[derive(Debug)]
pub(super) struct Guarded {
    path: PathBuf,
    database: RwLock<Option<Database>>,
    /// Held while it is opened again: redb opens a file once.
    opening: Mutex<()>,
}

impl Guarded {
    /// Opens the database in this file; makes it when it is missing, and anew when it is damaged. On a full disk, where it
    /// cannot be made, it stays closed for now: what is there can be served without.
    pub(super) fn open(path: PathBuf) -> Result<Self, CacheError> {
        let database = match open(&path) {
            Err(CacheError::Io { source, .. }) if is_full(&source) => None,
            opened => Some(opened?),
        };
        Ok(Self {
            database: RwLock::new(database),
            path,
            opening: Mutex::default(),
        })
    }

    /// Opens it again, where it has failed. Whoever reads meanwhile does not wait.
    pub(super) fn reopen(&self) -> Result<(), CacheError> {
        let _opening = lock(&self.opening);
        if self.read().is_none() {
            let database = open(&self.path)?;
            *self.write() = Some(database);
        }
        Ok(())
    }

    /// Works on the database, and closes it where that fails: after a full disk redb does nothing more for anybody, and it
    /// panics on pages that something else has written over.
    pub(super) fn work<T>(&self, work: impl FnOnce(&Database) -> Result<T, Error>) -> Result<T, CacheError> {
        let outcome = {
            let database = self.read();
            let database = database.as_ref().ok_or(CacheError::Closed)?;
            calmly(|| work(database))
        };
        outcome.map_err(|error| {
            self.close(&error);
            error.into()
        })
    }

    fn close(&self, error: &Error) {
        // Held until it is closed: before that, it cannot be opened again.
        let mut database = self.write();
        let Some(failed) = database.take() else { return };
        if is_damage(error) {
            // Whoever opens it next makes it anew.
            fs::remove_file(&self.path).ok();
        }
        // Closing works on its pages, too; there is nobody to tell that it failed once more.
        catch_unwind(AssertUnwindSafe(|| drop(failed))).ok();
    }

    fn read(&self) -> RwLockReadGuard<'_, Option<Database>> {
        self.database.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Option<Database>> {
        self.database.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open(path: &Path) -> Result<Database, CacheError> {
    let directory = path.parent().unwrap_or(path);
    let unusable = |source| CacheError::Io {
        path: directory.to_owned(),
        source,
    };
    fs::create_dir_all(directory).map_err(unusable)?;
    let opened = match calmly(|| open_sound(path)) {
        Err(error) if is_damage(&error) => {
            tracing::warn!(file = %path.display(), reason = %error, "the cache is damaged and is built anew");
            remove_if_there(path).map_err(unusable)?;
            calmly(|| open_sound(path))
        }
        opened => opened,
    };
    opened.map_err(|error| match error {
        Error::DatabaseAlreadyOpen => CacheError::InUse(path.to_owned()),
        Error::Io(source) => unusable(source),
        error => error.into(),
    })
}

fn open_sound(path: &Path) -> Result<Database, Error> {
    let database = Database::builder().set_cache_size(PAGE_CACHE_BYTES).create(path)?;
    // All tables exist from the first moment on, so that readers need not tell "empty" from "missing".
    let transaction = database.begin_write()?;
    transaction.open_table(FILES)?;
    transaction.open_table(METADATA)?;
    transaction.open_table(DERIVED)?;
    transaction.commit()?;
    // redb notices only now what something else has written over.
    for row in database.begin_read()?.open_table(FILES)?.iter()? {
        row?;
    }
    Ok(database)
}

/// Whether only a new file helps, and not more space, or the end of another process.
fn is_damage(error: &Error) -> bool {
    match error {
        Error::Io(error) => error.kind() == ErrorKind::InvalidData,
        Error::PreviousIo | Error::DatabaseAlreadyOpen => false,
        _ => true,
    }
}

/// redb panics where pages make no sense to it.
fn calmly<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Error::Corrupted("its pages cannot be read".to_owned())))
}
