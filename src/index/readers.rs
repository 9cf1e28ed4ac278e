//! Reads what looks have found, beside the next looks: one large file takes minutes, and so do many small ones. Called by
//! `follow.rs`.

use std::collections::{HashMap, HashSet};
use std::future::pending;
use std::mem;
use std::sync::Arc;

use tokio::task::{JoinSet, spawn_blocking};

use super::scan::Unread;
use super::{Index, Scope};
use crate::store::Found;

/// From how many bytes on a file is large: a Raspberry Pi reads this in a tenth of a second.
const LARGE: u64 = 1 << 20;

/// How many large files are read at once, each beside the others.
const LARGE_AT_ONCE: usize = 3;

/// How many small files are read before any of them shows.
const BATCH: usize = 500;

/// Two lanes, so that small files wait for no large one. What waits or is read in either is passed over by the looks
/// meanwhile, and looked at again when it was read.
#[derive(Debug)]
pub(super) struct Readers {
    index: Arc<Index>,
    small: Lane,
    large: Lane,
    /// The paths of what waits or is read.
    busy: HashSet<Arc<str>>,
    /// As it was found before it was read, until somebody has looked at it again.
    done: HashMap<Arc<str>, Found>,
}

impl Readers {
    pub(super) fn new(index: Arc<Index>) -> Self {
        Self {
            index,
            small: Lane::new(1, BATCH),
            large: Lane::new(LARGE_AT_ONCE, 1),
            busy: HashSet::new(),
            done: HashMap::new(),
        }
    }

    /// Takes what a look has found, but for what is as it was when it was read, in vain.
    pub(super) fn take(&mut self, unread: Vec<Unread>) {
        let done = mem::take(&mut self.done);
        for Unread { mut found, trust } in unread {
            // Those of a project follow each other, and change it once.
            found.sort_unstable_by(|a, b| a.path.cmp(&b.path));
            found.retain(|found| done.get(&found.path) != Some(found) && self.busy.insert(Arc::clone(&found.path)));
            let (large, small) = found.into_iter().partition(|found| found.stamp.size >= LARGE);
            self.small.push(Unread { found: small, trust });
            self.large.push(Unread { found: large, trust });
        }
        self.small.start(&self.index);
        self.large.start(&self.index);
    }

    /// Waits until something was read, and gives what is to be looked at again. Cancel-safe.
    pub(super) async fn done(&mut self) -> Scope {
        let read = tokio::select! {
            Some(Ok(read)) = self.small.running.join_next() => read,
            Some(Ok(read)) = self.large.running.join_next() => read,
            else => pending().await,
        };
        let again = self.index.scope_of(&read);
        for found in read.found {
            self.busy.remove(&found.path);
            self.done.insert(Arc::clone(&found.path), found);
        }
        again
    }

    /// Whether the file of this relative path waits, or is being read.
    pub(super) fn have(&self, path: &str) -> bool {
        self.busy.contains(path)
    }

    /// Whether everything was read.
    pub(super) fn are_idle(&self) -> bool {
        self.busy.is_empty()
    }
}

/// What is read one after another, or so many at once.
#[derive(Debug)]
struct Lane {
    at_once: usize,
    /// The most files that are read together.
    batch: usize,
    /// The newest last: it is read first, so that nobody who copies one file waits for somebody's thousands.
    waiting: Vec<Unread>,
    running: JoinSet<Unread>,
}

impl Lane {
    fn new(at_once: usize, batch: usize) -> Self {
        Self {
            at_once,
            batch,
            waiting: Vec::new(),
            running: JoinSet::new(),
        }
    }

    fn push(&mut self, unread: Unread) {
        if !unread.found.is_empty() {
            self.waiting.push(unread);
        }
    }

    fn start(&mut self, index: &Arc<Index>) {
        while self.running.len() < self.at_once
            && let Some(batch) = self.next()
        {
            self.running.spawn(read(Arc::clone(index), batch));
        }
    }

    fn next(&mut self) -> Option<Unread> {
        let Unread { mut found, trust } = self.waiting.pop()?;
        let joins =
            |found: &[Found], older: &Unread| older.trust == trust && found.len() + older.found.len() <= self.batch;
        while let Some(older) = self.waiting.pop_if(|older| joins(&found, older)) {
            found.extend(older.found);
        }
        let rest = found.split_off(found.len().min(self.batch));
        self.push(Unread { found: rest, trust });
        Some(Unread { found, trust })
    }
}

/// Reads what was found, as it is by now. Gives it back.
async fn read(index: Arc<Index>, unread: Unread) -> Unread {
    let (scope, trust) = (index.scope_of(&unread), unread.trust);
    let work = spawn_blocking(move || {
        index.refresh(scope, trust);
        // What comes to stand beside a file does not have it read again, if the cache knows it.
        index.tidy();
    });
    if let Err(error) = work.await {
        tracing::error!(%error, "reading what lies in the packages directory failed");
    }
    unread
}

#[cfg(test)]
mod tests {
    use super::super::Trust;
    use super::*;
    use crate::store::{Sidecars, Stamp};

    fn unread(paths: &[&str]) -> Unread {
        let found = |path: &&str| Found {
            root: 0,
            path: Arc::from(*path),
            stamp: Stamp::default(),
            sidecars: Sidecars::default(),
        };
        Unread {
            found: paths.iter().map(found).collect(),
            trust: Trust::Closed,
        }
    }

    #[test]
    fn what_came_last_is_read_first_and_not_together_with_many() {
        let mut lane = Lane::new(1, 3);
        let next = |lane: &mut Lane| {
            let batch = lane.next().into_iter().flat_map(|batch| batch.found);
            batch.map(|found| found.path.to_string()).collect::<String>()
        };
        lane.push(unread(&["a", "b", "c", "d", "e", "f"]));
        assert_eq!(next(&mut lane), "abc");
        lane.push(unread(&["x"]));
        lane.push(unread(&["y"]));
        assert_eq!(next(&mut lane), "yx");
        assert_eq!(next(&mut lane), "def");
        assert_eq!(next(&mut lane), "");
    }
}
