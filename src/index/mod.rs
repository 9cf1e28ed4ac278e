//! The catalog and the use cases over it: publish, remove, rescan. Where store, catalog and dist meet. Called by `http/` and `serve/`.

mod boards;
mod catalog;
mod follow;
mod learn;
mod mip;
mod observed;
mod page;
mod project;
mod publish;
mod pypi_json;
mod readers;
mod scan;
mod simple;
mod sinks;
mod sweep;
mod turns;
mod upip;
mod views;
mod workshop;

use std::collections::{HashMap, HashSet};
use std::fs::File as FsFile;
use std::io;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

pub use boards::{Board, BoardFileError};
use catalog::Difference;
pub use catalog::{Catalog, Rules};
pub use follow::{Rescan, follow, keep, prepare};
use observed::Observed;
pub use page::{Depth, Format, Page, Template};
pub use project::{File, Project, Release};
pub use publish::{Outcome, PublishError, Upload};
pub use scan::{Scope, Trust};
pub use simple::anchor;
use turns::Turns;
pub use views::ViewError;
use workshop::Workshop;

use crate::board::Patterns;
use crate::board::mpy::MpyCross;
use crate::chain::Chain;
use crate::dist::{Limits, ProjectName, ReleaseVersion};
use crate::lock::lock;
use crate::store::{Cache, Contents, Found, Placing, SmallFiles, Stamp, Store, StoreError, is_gone};

/// How long a cache that cannot be written is left alone: to open it again may mean to read all of it.
const BETWEEN_TRIES: Duration = Duration::from_secs(5);

/// What decides how views are made, beside the packages themselves.
#[derive(Debug, Clone, Default)]
pub struct BoardOptions {
    /// Of the configuration.
    pub patterns: Patterns,
    /// The texts of the patterns, and which compiler it is.
    pub fingerprint: String,
    /// The compiler, where there is one.
    pub compiler: Option<MpyCross>,
    /// How long the compiler may work on one release: the next ones wait for it.
    pub compile_time: Duration,
}

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
    /// How long a file that nobody closes must look the same until it counts as whole.
    pub settle: Duration,
}

/// The index: an immutable catalog for readers, and one writer at a time that replaces it.
#[derive(Debug)]
pub struct Index {
    store: Store,
    cache: Cache,
    contents: Contents,
    small_files: SmallFiles,
    options: Options,
    catalog: ArcSwap<Catalog>,
    /// Held from reading the catalog to replacing it, never while a file is read.
    writer: Mutex<Changes>,
    observed: Observed,
    /// Paths that a request is changing right now.
    requested: Mutex<HashSet<Arc<str>>>,
    workshop: Workshop,
    turns: Turns,
    /// When the cache could not be written at the last try.
    unwritten: Mutex<Option<Instant>>,
}

impl Index {
    /// An index that knows nothing yet; [`Index::refresh`] fills it.
    pub fn new(store: Store, cache: Cache, options: Options) -> Self {
        let catalog = ArcSwap::from_pointee(Catalog::new(options.rules));
        Self {
            store,
            contents: Contents::new(cache.directory().join("files")),
            small_files: SmallFiles::default(),
            cache,
            options,
            catalog,
            writer: Mutex::default(),
            observed: Observed::default(),
            requested: Mutex::default(),
            workshop: Workshop::default(),
            turns: Turns::default(),
            unwritten: Mutex::default(),
        }
    }

    /// The catalog as it is now. Never waits.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.catalog.load_full()
    }

    /// As [`Index::catalog`], to be dropped before anything is awaited: it counts no reference, so threads that look it
    /// up do not get in each other's way.
    pub fn peek(&self) -> impl Deref<Target = Arc<Catalog>> {
        self.catalog.load()
    }

    /// The packages directories.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The core metadata of a file, from the cache, or else from the file itself. None: it has none, or went away. Reads the
    /// disk.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn core_metadata(&self, file: &File) -> io::Result<Option<Vec<u8>>> {
        let Some(known) = &file.metadata else { return Ok(None) };
        if let Ok(Some(bytes)) = self.cache.metadata(&known.sha256) {
            return Ok(Some(bytes));
        }
        let learnt = match learn::learn(&self.store, &file.found(), &file.name, &self.options.limits) {
            Err(error) if is_gone(&error) => return Ok(None),
            learnt => learnt?,
        };
        let is_known = learnt.facts.metadata.is_some_and(|found| found.sha256 == known.sha256);
        Ok(learnt.metadata.filter(|_| is_known))
    }

    /// Opens a file of the catalog. None: it went away, or another has taken its name.
    ///
    /// # Errors
    /// The system's.
    fn open(&self, file: &File) -> io::Result<Option<FsFile>> {
        let opened = match self.store.open_file(file.root, &file.path) {
            Err(error) if is_gone(&error) => return Ok(None),
            opened => opened?,
        };
        let is_known = Stamp::of(&opened.metadata()?) == file.stamp;
        Ok(Some(opened).filter(|_| is_known))
    }

    /// Removes the files of a release, or of all releases, and tells the log of each. Blocks. Gives the paths of what was
    /// removed; none when there was nothing.
    ///
    /// # Errors
    /// When the directory cannot be written; what was removed until then stays removed.
    pub fn remove(&self, project: &ProjectName, version: Option<&ReleaseVersion>) -> Result<Vec<Arc<str>>, StoreError> {
        let _alone = self.alone_with(project);
        let catalog = self.catalog();
        let Some(project) = catalog.project(project) else {
            return Ok(Vec::new());
        };
        let mut files = project
            .files()
            .chain(project.hidden())
            .filter(|file| version.is_none_or(|version| version == file.name.version()));
        let (mut removed, mut requests) = (Difference::default(), Vec::new());
        let outcome = files.try_for_each(|file| {
            requests.push(self.request(&file.path));
            self.store.remove(&file.path)?;
            tracing::info!(project = project.name().as_str(), file = %file.path, "removed as a request asks");
            removed.gone.push(Arc::clone(file));
            Ok(())
        });
        self.replace(&removed);
        outcome.map(|()| removed.gone.iter().map(|file| Arc::clone(&file.path)).collect())
    }

    /// Tells that a content is missing that a manifest may have named; what is lost is made again in a moment.
    pub fn miss_content(&self) {
        self.workshop.lose_content();
    }

    /// Mends what was missed, and writes what was learnt, unless that has just failed. Blocks. Cheap when there is nothing to do.
    fn tidy(&self) {
        if self.workshop.take_loss() {
            self.forget_lost_views();
        }
        self.workshop.try_again(BETWEEN_TRIES);
        self.renew();
        let has_just_failed = lock(&self.unwritten).is_some_and(|tried| tried.elapsed() < BETWEEN_TRIES);
        if !has_just_failed {
            self.flush();
        }
    }

    /// The contents that manifests name.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// Small files that were asked for lately.
    pub fn small_files(&self) -> &SmallFiles {
        &self.small_files
    }

    /// Writes what was learnt into the cache. Tells when it no longer can, and when it can again. Blocks.
    pub fn flush(&self) {
        let flushed = self.cache.flush();
        let mut unwritten = lock(&self.unwritten);
        match flushed {
            Ok(false) => {}
            Ok(true) => {
                if unwritten.take().is_some() {
                    tracing::info!("the cache can be written again");
                }
            }
            Err(error) => {
                if unwritten.replace(Instant::now()).is_none() {
                    tracing::warn!(
                        error = %Chain(&error),
                        "the cache could not be written; that is tried again every few seconds"
                    );
                }
            }
        }
    }

    /// Puts files into the catalog and takes others out, in one step for all readers.
    fn replace(&self, difference: &Difference) {
        self.replace_under(&mut lock(&self.writer), difference);
    }

    /// As [`Index::replace`], except for what somebody else has changed since the survey began, of which it saw an
    /// older state. Gives what was done, and the places to look at again.
    fn replace_unless_overtaken(&self, survey: &Survey<'_>, difference: Difference) -> (Difference, HashSet<PathBuf>) {
        let mut changes = lock(&self.writer);
        let is_current = |file: &Arc<File>| changes.last.get(&file.path).is_none_or(|last| *last <= survey.begin);
        let (put, stale_put) = difference.put.into_iter().partition(is_current);
        let (gone, stale_gone) = difference.gone.into_iter().partition(is_current);
        let (current, stale) = (Difference { put, gone }, [stale_put, stale_gone].concat());
        self.replace_under(&mut changes, &current);
        let overtaken = stale.iter().map(|file| self.store.locate(file.root, &file.path));
        (current, overtaken.collect())
    }

    fn replace_under(&self, changes: &mut Changes, difference: &Difference) {
        if difference.is_empty() {
            return;
        }
        let catalog = self.catalog();
        let is_replaced = |file: &Arc<File>| catalog.file(&file.path).is_some();
        if !difference.gone.is_empty() || difference.put.iter().any(is_replaced) {
            self.workshop.litter();
        }
        changes.note(difference.files());
        let next = Arc::new(catalog.with(difference));
        self.catalog.store(Arc::clone(&next));
        // Of a release that has lost a file, boards may get another.
        let left = |gone: &Arc<File>| {
            let project = next.project(gone.name.project())?;
            project.release(gone.name.version())?.describing().cloned()
        };
        let left = difference.gone.iter().filter_map(left);
        // Last: whoever prepares them looks them up in the catalog.
        self.workshop.order(difference.put.iter().cloned().chain(left));
    }

    /// Discards what was rendered of projects of which more is known now: which of their releases are for boards.
    fn renew(&self) {
        // First: who finds nothing to do here finds it done.
        let _changes = lock(&self.writer);
        let outdated = self.workshop.take_outdated();
        if !outdated.is_empty() {
            self.catalog.store(Arc::new(self.catalog().renewed(&outdated)));
        }
    }

    /// Begins a look at the directories, which others may change in the meantime.
    fn survey(&self) -> Survey<'_> {
        let mut changes = lock(&self.writer);
        changes.surveys += 1;
        Survey {
            index: self,
            begin: changes.count,
        }
    }

    /// Marks a path as being changed by a request, until what is returned is dropped.
    fn request(&self, path: &Arc<str>) -> Requested<'_> {
        lock(&self.requested).insert(Arc::clone(path));
        Requested {
            index: self,
            path: Arc::clone(path),
        }
    }

    fn is_known(&self, found: &Found) -> bool {
        self.catalog.load().file(&found.path).is_some_and(|file| file.is(found))
    }
}

/// What has changed in the catalog while anybody looks at the directories.
#[derive(Debug, Default)]
struct Changes {
    surveys: usize,
    count: u64,
    /// Which change of all was the last of a path.
    last: HashMap<Arc<str>, u64>,
}

impl Changes {
    fn note<'a>(&mut self, files: impl Iterator<Item = &'a Arc<File>>) {
        if self.surveys > 0 {
            self.count += 1;
            let paths = files.map(|file| Arc::clone(&file.path));
            self.last.extend(paths.map(|path| (path, self.count)));
        }
    }
}

/// A look at the directories, from before it begins until the catalog knows what it saw.
struct Survey<'a> {
    index: &'a Index,
    /// How many changes there were before.
    begin: u64,
}

impl Drop for Survey<'_> {
    fn drop(&mut self) {
        let mut changes = lock(&self.index.writer);
        changes.surveys -= 1;
        if changes.surveys == 0 {
            changes.last = HashMap::new();
        }
    }
}

/// A path that a request is changing: the log of requests tells of it, and the follower need not.
struct Requested<'a> {
    index: &'a Index,
    path: Arc<str>,
}

impl Drop for Requested<'_> {
    fn drop(&mut self) {
        lock(&self.index.requested).remove(&self.path);
    }
}

#[cfg(test)]
mod tests;
