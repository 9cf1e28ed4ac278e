//! The catalog and the use cases over it: publish, remove, rescan. Where store, catalog and dist meet. Called by `http/` and `serve.rs`.

mod boards;
mod catalog;
mod follow;
mod learn;
mod mip;
mod page;
mod publish;
mod pypi_json;
mod scan;
mod simple;
mod upip;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

pub use boards::{Board, BoardFileError, BoardOptions};
pub use catalog::{Catalog, File, Project, Release, Rules};
pub use follow::follow;
pub use page::{Depth, Format, Page, Template};
pub use publish::{Outcome, PublishError, Upload};
pub use scan::{Scope, Trust};

use crate::dist::{Limits, ProjectName, ReleaseVersion};
use crate::store::{Cache, CacheError, Contents, Found, Placing, Stamp, Store, StoreError};

/// What the index needs to know beside its folders.
#[derive(Debug, Clone)]
pub struct Options {
    /// What archives may hold.
    pub limits: Limits,
    /// Whether an upload may replace a file.
    pub placing: Placing,
    /// What the operator decided about the answers.
    pub rules: Rules,
    /// How board files are made.
    pub boards: BoardOptions,
}

/// The index: an immutable catalog for readers, and one writer at a time that replaces it.
#[derive(Debug)]
pub struct Index {
    store: Store,
    cache: Cache,
    contents: Contents,
    options: Options,
    catalog: ArcSwap<Catalog>,
    /// Held from reading the catalog to replacing it, never while a file is read.
    writer: Mutex<()>,
    /// Files that are no distributions: each is logged once.
    ignored: Mutex<HashSet<Arc<str>>>,
    /// Files that may still be growing, as they were last seen.
    unsettled: Mutex<HashMap<Arc<str>, Stamp>>,
    /// Files whose board views may be missing.
    unprepared: Mutex<Vec<Arc<File>>>,
}

impl Index {
    /// An index that knows nothing yet; [`Index::refresh`] fills it.
    pub fn new(store: Store, cache: Cache, options: Options) -> Self {
        let catalog = ArcSwap::from_pointee(Catalog::new(options.rules));
        Self {
            store,
            contents: Contents::new(cache.directory().join("files")),
            cache,
            options,
            catalog,
            writer: Mutex::default(),
            ignored: Mutex::default(),
            unsettled: Mutex::default(),
            unprepared: Mutex::default(),
        }
    }

    /// The catalog as it is now. Never waits.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.catalog.load_full()
    }

    /// The folders.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The core metadata of a file as it is served (PEP 658). Reads the disk.
    ///
    /// # Errors
    /// When the cache cannot be read.
    pub fn core_metadata(&self, file: &File) -> Result<Option<Vec<u8>>, CacheError> {
        match &file.metadata {
            Some(known) => self.cache.metadata(&known.sha256),
            None => Ok(None),
        }
    }

    /// Removes the files of a release, or of all releases. Blocks. Gives the paths of what was removed; none when
    /// there was nothing.
    ///
    /// # Errors
    /// When the directory cannot be written; what was removed until then stays removed.
    pub fn remove(&self, project: &ProjectName, version: Option<&ReleaseVersion>) -> Result<Vec<Arc<str>>, StoreError> {
        let catalog = self.catalog();
        let Some(project) = catalog.project(project) else {
            return Ok(Vec::new());
        };
        let releases = project
            .releases()
            .iter()
            .filter(|r| version.is_none_or(|v| *v == r.version));
        let mut removed = Vec::new();
        let outcome = releases.flat_map(|r| &r.files).try_for_each(|file| {
            self.store.remove(file.root, &file.path)?;
            removed.push(Arc::clone(&file.path));
            Ok(())
        });
        self.replace(Vec::new(), &removed);
        outcome.map(|()| removed)
    }

    /// Writes what was learnt into the cache. Blocks.
    pub fn flush(&self) {
        if let Err(error) = self.cache.flush() {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the cache could not be written"
            );
        }
    }

    /// Puts files into the catalog and takes others out, in one step for all readers.
    fn replace(&self, put: Vec<Arc<File>>, gone: &[Arc<str>]) {
        if put.is_empty() && gone.is_empty() {
            return;
        }
        for path in gone {
            self.cache.forget(path);
        }
        lock(&self.unprepared).extend(put.iter().cloned());
        let _writer = lock(&self.writer);
        let next = self.catalog.load().with(put, gone);
        self.catalog.store(Arc::new(next));
    }

    fn is_known(&self, found: &Found) -> bool {
        self.catalog.load().file(&found.path).is_some_and(|file| file.is(found))
    }
}

/// A panic under one of these locks leaves maps that are whole: each change is one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
