//! Brings the catalog in line with the directories: at start, after changes by hand, at SIGHUP. Called by `serve/`,
//! `follow.rs`, `readers.rs`, and whoever meets a file that is not as the catalog has it, where blocking is allowed.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

use super::learn::{Learnt, learn};
use super::{Catalog, Difference, File, Index, Survey};
use crate::chain::Chain;
use crate::cores::{self, on_all_cores};
use crate::dist::DistFilename;
use crate::lock::lock;
use crate::store::{CacheError, Found, Look, Stamp, Walked, Writer};

/// A broken archive that changed so recently is probably still being copied.
const YOUNG: Duration = Duration::from_secs(2);

/// What changed so recently may not be on the disk yet, which Linux lets wait for half a minute, and longer where the disk is slow.
const RECENT: Duration = Duration::from_mins(10);

/// How many files are synced one by one; of more, it is cheaper to sync whatever waits for their disk.
const FEW: usize = 100;

/// What to look at.
#[derive(Debug)]
pub enum Scope {
    /// Everything.
    All,
    /// These absolute paths: files, sidecars, directories.
    Paths(HashSet<PathBuf>),
}

/// Whether a file that is new or changed is whole, where no writer is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// It is: its writer closed it, or it lay there before the start. Only a broken archive that is young may be growing.
    Closed,
    /// Nobody can tell, but what is not young is.
    Quiet,
    /// Nobody can tell, so it must look the same twice.
    SeenTwice,
}

/// What a look has found that is new or has changed, to be read.
#[derive(Debug)]
pub(super) struct Unread {
    pub(super) found: Vec<Found>,
    pub(super) trust: Trust,
}

impl Index {
    /// The first look at the directories, before any request is answered. Blocks. `progress` is told how many files were
    /// read so far, each time one was.
    pub fn fill(&self, progress: &(dyn Fn(usize) + Sync)) {
        self.replace(&self.changes(Scope::All, Trust::Closed, progress));
    }

    /// Looks at the directories and swaps in what they hold now; the log tells of each file. Blocks, for minutes where there
    /// is much to read.
    pub fn refresh(&self, scope: Scope, trust: Trust) {
        let mut next = Some(scope);
        while let Some(scope) = next {
            let survey = self.survey();
            next = self.conclude(&survey, self.changes(scope, trust, &|_| ()));
        }
    }

    /// Swaps in what a survey has found, and tells of it. Gives what is to be looked at again.
    pub(super) fn conclude(&self, survey: &Survey<'_>, found: Difference) -> Option<Scope> {
        // In this order: what is a request's business no more has overtaken the survey, or was known before it.
        let requested = lock(&self.requested).clone();
        let before = self.catalog();
        let (done, overtaken) = self.replace_unless_overtaken(survey, found);
        Self::tell_of_changes(&requested, &before, &done);
        (!overtaken.is_empty()).then(|| Scope::Paths(overtaken))
    }

    /// A package's history in the log, as far as no request tells it.
    fn tell_of_changes(requested: &HashSet<Arc<str>>, before: &Catalog, done: &Difference) {
        let is_by_hand = |file: &&Arc<File>| !requested.contains(&file.path);
        for file in done.put.iter().filter(is_by_hand) {
            let Some(known) = before.file(&file.path) else {
                tell("added", file);
                continue;
            };
            // Else its owner, its links, another file beside it.
            if known.digests != file.digests {
                tell("replaced", file);
            }
            match (known.yanked.is_some(), file.yanked.is_some()) {
                (false, true) => tell("yanked", file),
                (true, false) => tell("no longer yanked", file),
                _ => {}
            }
        }
        let is_known = |file: &&Arc<File>| before.file(&file.path).is_some();
        for file in done.gone.iter().filter(is_by_hand).filter(is_known) {
            tell("removed", file);
        }
    }

    /// As [`Index::refresh`], but reads nothing: takes out what is gone, and gives what is whole and to be read. Blocks as long
    /// as the directories take to answer.
    pub(super) fn look(&self, scope: Scope, trust: Trust) -> Vec<Unread> {
        let (mut unread, mut next) = (Vec::new(), Some(scope));
        while let Some(scope) = next {
            let survey = self.survey();
            let (Unread { mut found, trust }, gone) = self.see(scope, trust);
            found.retain(|found| self.parse_name(found).is_some() && self.is_whole(found, trust));
            unread.push(Unread { found, trust });
            let put = Vec::new();
            next = self.conclude(&survey, Difference { put, gone });
        }
        unread
    }

    /// Where something lies that was found.
    pub(super) fn scope_of(&self, unread: &Unread) -> Scope {
        let found = unread.found.iter();
        Scope::Paths(found.map(|found| self.store.locate(found.root, &found.path)).collect())
    }

    /// What came or has changed, and what is gone.
    pub(super) fn changes(&self, scope: Scope, trust: Trust, progress: &(dyn Fn(usize) + Sync)) -> Difference {
        let (unread, gone) = self.see(scope, trust);
        let put = self.read(unread, progress);
        Difference { put, gone }
    }

    /// What is to be read, and what is gone.
    fn see(&self, scope: Scope, trust: Trust) -> (Unread, Vec<Arc<File>>) {
        let before = self.catalog();
        let (mut found, gone) = match scope {
            Scope::All => {
                let walked = self.store.walk();
                self.observed.tell_unseen(self.unseen(&walked));
                let gone = gone(&before, &walked);
                (walked.found, gone)
            }
            Scope::Paths(paths) => match self.look_at(&paths) {
                Some(found_and_gone) => found_and_gone,
                // What lies in a new folder may still be copied.
                None => return self.see(Scope::All, Trust::Quiet),
            },
        };
        found.retain(|found| {
            let is_known = self.is_known(found);
            if is_known {
                // Whatever grew beside it has gone again.
                self.observed.settle(&found.path);
            }
            !is_known
        });
        (Unread { found, trust }, gone)
    }

    /// Where files of these relative paths may lie.
    pub(super) fn places_of(&self, paths: &[Arc<str>]) -> impl Iterator<Item = PathBuf> {
        let roots = self.store.roots();
        paths
            .iter()
            .flat_map(|path| roots.iter().map(move |root| root.join(&**path)))
    }

    /// None when a directory is among the paths: then everything must be walked.
    fn look_at(&self, paths: &HashSet<PathBuf>) -> Option<(Vec<Found>, Vec<Arc<File>>)> {
        let catalog = self.catalog();
        let mut found = HashMap::new();
        let mut gone = Vec::new();
        for path in paths {
            match self.store.look(path) {
                Look::There(file) => _ = found.insert(Arc::clone(&file.path), file),
                Look::Directory => return None,
                Look::Nothing => {}
                Look::Gone(gone_path) => {
                    // What is gone may have been a directory.
                    let directory = format!("{gone_path}/");
                    if catalog.has_below(&directory) {
                        return None;
                    }
                    tell_of_lone_yank(path, &gone_path);
                    self.observed.settle(&gone_path);
                    gone.extend(catalog.file(&gone_path).cloned());
                }
            }
        }
        Some((found.into_values().collect(), gone))
    }

    /// The entries of files that are new or changed: from the cache, or by reading them on all cores.
    pub(super) fn read(&self, unread: Unread, progress: &(dyn Fn(usize) + Sync)) -> Vec<Arc<File>> {
        let Unread {
            found: mut changed,
            trust,
        } = unread;
        if changed.is_empty() {
            return Vec::new();
        }
        changed.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        let names = on_all_cores(&changed, |found| self.parse_name(found));
        let named = names
            .into_iter()
            .zip(changed)
            .filter_map(|(name, found)| Some((name?, found)));
        let (paths, mut files): (Vec<_>, Vec<_>) = named.map(|file| (Arc::clone(&file.1.path), Some(file))).unzip();
        let mut entries = Vec::with_capacity(files.len());
        let recalled = self.cache.recall(&paths, |at, facts| {
            let is_as_known = |(_, found): &mut (_, Found)| facts.stamps == found.stamps();
            // Beside it, something may be growing.
            if let Some((name, found)) = files[at]
                .take_if(is_as_known)
                .filter(|(_, found)| self.is_whole(found, Trust::Closed))
            {
                entries.push(Arc::new(self.entry(&found, name, facts)));
            }
        });
        match recalled {
            // What closed it was told.
            Ok(()) | Err(CacheError::Closed) => {}
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "the cache cannot be read; the files are read again");
            }
        }
        entries.extend(self.read_unknown(files.into_iter().flatten().collect(), trust, progress));
        entries
    }

    fn read_unknown(
        &self,
        unknown: Vec<(DistFilename, Found)>,
        trust: Trust,
        progress: &(dyn Fn(usize) + Sync),
    ) -> Vec<Arc<File>> {
        let cores = cores::count().min(unknown.len());
        let done = AtomicUsize::new(0);
        let are_few = unknown.iter().filter(|(_, found)| is_recent(found)).count() <= FEW;
        let synced = !are_few && self.store.sync_all().is_ok();
        let work = Mutex::new(unknown.into_iter());
        let next = || lock(&work).next();
        let worker = || {
            let mut entries = Vec::new();
            while let Some((name, found)) = next() {
                entries.extend(self.read_one(&found, name, trust, synced).map(Arc::new));
                progress(done.fetch_add(1, Ordering::Relaxed) + 1);
            }
            entries
        };
        if cores <= 1 {
            return worker();
        }
        thread::scope(|scope| {
            let workers: Vec<_> = (0..cores).map(|_| scope.spawn(worker)).collect();
            workers
                .into_iter()
                .flat_map(|worker| worker.join().expect("reading a file does not panic"))
                .collect()
        })
    }

    /// Whether nobody writes a file, or beside it, any more.
    fn is_whole(&self, found: &Found, trust: Trust) -> bool {
        let writer = self.store.writer(found);
        let may_grow = match trust {
            _ if writer != Writer::Gone => true,
            Trust::Closed => false,
            _ if self.is_unwritten(found) => false,
            Trust::Quiet => is_young(found.stamp),
            Trust::SeenTwice => true,
        };
        // Asked of a busy one, too: it is looked at again until it is closed, in case nobody hears that.
        let is_settled = !may_grow || self.observed.is_settled(found, self.options.settle);
        is_settled && writer != Writer::Busy
    }

    /// Whether nobody has written since the catalog came to know it: another link, owner or mode changes the inode alone.
    fn is_unwritten(&self, found: &Found) -> bool {
        self.catalog.load().file(&found.path).is_some_and(|file| {
            let stamp = Stamp {
                changed: file.stamp.changed,
                ..found.stamp
            };
            file.is(&Found { stamp, ..found.clone() })
        })
    }

    /// None while the file may still be growing, when it has changed since it was found, or when it cannot be read.
    fn read_one(&self, found: &Found, name: DistFilename, trust: Trust, synced: bool) -> Option<File> {
        if !self.is_whole(found, trust) {
            return None;
        }
        // Then what is written from now on has another stamp, and does not go unnoticed.
        thread::sleep(found.stamp.blur(SystemTime::now()));
        let project = name.project().as_str();
        let learnt = learn(&self.store, found, &name, &self.options.limits);
        let Learnt { facts, metadata, stamp } = learnt
            .inspect_err(|error| self.observed.tell_unreadable(found, project, error))
            .ok()?;
        // Of what is written over while it is read, a digest is that of nothing.
        if stamp != found.stamp {
            self.observed.unsettle(found);
            return None;
        }
        if let Some(defect) = &facts.defect {
            if is_young(found.stamp) && !self.observed.is_settled(found, 2 * self.options.settle) {
                return None;
            }
            tracing::warn!(project, file = %found.path, defect, "listed without metadata");
        }
        self.observed.settle(&found.path);
        // A power cut that the cache outlives and the file does not may leave zeros, of the same length and date.
        if synced || self.is_on_disk(found) {
            self.cache.remember(&found.path, &facts, metadata);
        }
        Some(self.entry(found, name, facts))
    }

    /// Whether a file and what is known of it survive a power cut alike.
    fn is_on_disk(&self, found: &Found) -> bool {
        !is_recent(found) || self.store.sync(found.root, &found.path).is_ok()
    }

    /// The directories that could not be looked at.
    fn unseen(&self, walked: &Walked) -> HashSet<PathBuf> {
        let unseen = walked.unseen.iter();
        unseen.map(|(root, below)| self.store.locate(*root, below)).collect()
    }

    fn parse_name(&self, found: &Found) -> Option<DistFilename> {
        let parsed = DistFilename::parse(found.file_name());
        parsed
            .inspect_err(|error| self.observed.tell_ignored(found, error))
            .ok()
    }
}

/// The files that are there no more.
fn gone(before: &Catalog, walked: &Walked) -> Vec<Arc<File>> {
    if before.file_count() == 0 {
        return Vec::new();
    }
    let seen: HashSet<&str> = walked.found.iter().map(|found| &*found.path).collect();
    // A folder that cannot be listed for a moment is no empty folder.
    let is_gone = |file: &&Arc<File>| !seen.contains(&*file.path) && !walked.may_hold(file.root, &file.path);
    before.files().filter(is_gone).map(Arc::clone).collect()
}

fn tell(change: &str, file: &File) {
    let project = file.name.project().as_str();
    tracing::info!(project, file = %file.path, "{change} in the packages directory");
}

fn is_young(stamp: Stamp) -> bool {
    has_changed_within(YOUNG, stamp)
}

fn is_recent(found: &Found) -> bool {
    has_changed_within(RECENT, found.stamp)
}

fn has_changed_within(time: Duration, stamp: Stamp) -> bool {
    let changed = SystemTime::UNIX_EPOCH + Duration::from_nanos(u64::try_from(stamp.changed).unwrap_or(0));
    // A time to come counts, too: the clock of a Raspberry Pi starts in the past.
    SystemTime::now().duration_since(changed).map_or(true, |age| age < time)
}

/// Beside no file, as where the ending of the name was left out, `.yanked` does nothing.
fn tell_of_lone_yank(path: &Path, file: &str) {
    if path.extension().is_some_and(|extension| extension == "yanked") && path.exists() {
        tracing::warn!(
            file,
            "yanks nothing: a yank is named by a whole file that is here, as a-1.0.tar.gz.yanked"
        );
    }
}
