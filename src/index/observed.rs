//! What one look at the directories remembers for the next: what may still be growing, and what was logged already.
//! Called by `scan.rs` and `follow.rs`.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::chain::Chain;
use crate::dist::FilenameError;
use crate::lock::lock;
use crate::store::{Found, Stamp, is_gone};

/// What was seen so far. Each lock is held for one step.
#[derive(Debug, Default)]
pub(super) struct Observed {
    /// Files that may still be growing, as they were last seen, and since when they have looked like that.
    unsettled: Mutex<HashMap<Arc<str>, (Found, Instant)>>,
    /// Files that are no distributions: each is logged once.
    ignored: Mutex<HashSet<Arc<str>>>,
    /// Files that could not be read, as they were then: each state is logged once.
    unreadable: Mutex<HashMap<Arc<str>, Stamp>>,
    /// Directories that could not be looked at: each is logged once.
    unseen: Mutex<HashSet<PathBuf>>,
}

impl Observed {
    /// Whether the file was seen before in just this state, so long ago; the state is remembered if not.
    pub(super) fn is_settled(&self, found: &Found, time: Duration) -> bool {
        match lock(&self.unsettled).entry(Arc::clone(&found.path)) {
            Entry::Occupied(seen) if seen.get().0 == *found => seen.get().1.elapsed() >= time,
            entry => {
                entry.insert_entry((found.clone(), Instant::now()));
                false
            }
        }
    }

    /// Remembers that the file may still be growing, whatever it was before.
    pub(super) fn unsettle(&self, found: &Found) {
        lock(&self.unsettled).insert(Arc::clone(&found.path), (found.clone(), Instant::now()));
    }

    /// Forgets that the file may still be growing.
    pub(super) fn settle(&self, path: &str) {
        lock(&self.unsettled).remove(path);
    }

    /// The files that may still be growing.
    pub(super) fn unsettled(&self) -> Vec<Arc<str>> {
        lock(&self.unsettled).keys().cloned().collect()
    }

    pub(super) fn tell_ignored(&self, found: &Found, error: &FilenameError) {
        if lock(&self.ignored).insert(Arc::clone(&found.path)) {
            tracing::info!(file = %found.path, reason = %Chain(error), "ignored: not a distribution");
        }
    }

    /// It is read again once it changes, its mode included.
    pub(super) fn tell_unreadable(&self, found: &Found, project: &str, error: &io::Error) {
        self.settle(&found.path);
        // It went away since it was found, and that is told otherwise.
        if is_gone(error) {
            return;
        }
        if lock(&self.unreadable).insert(Arc::clone(&found.path), found.stamp) != Some(found.stamp) {
            tracing::warn!(project, file = %found.path, %error, "cannot read this file");
        }
    }

    pub(super) fn tell_unseen(&self, directories: HashSet<PathBuf>) {
        let mut told = lock(&self.unseen);
        for directory in directories.difference(&told) {
            tracing::warn!(directory = %directory.display(), "cannot look at everything in this directory; may this server read it?");
        }
        *told = directories;
    }
}
