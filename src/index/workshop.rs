//! What is to be made for boards, what is to be swept up, and who may do so now. Called by `index/`.

use std::collections::HashSet;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::project::File;
use crate::dist::ProjectName;
use crate::lock::lock;

/// Where what boards get is made. Its lists are locked last, and only for one step.
#[derive(Debug, Default)]
pub(super) struct Workshop {
    /// Held while a view is made, and while a tarball is. Whoever holds both takes them in this order; nobody holds them and
    /// the index's writer.
    making: Mutex<()>,
    packing: Mutex<()>,
    /// Files whose board views may be missing.
    unprepared: Mutex<Vec<Arc<File>>>,
    /// Wakes whoever prepares them.
    arrival: Notify,
    /// When there was no room for what was to be made, at the last try.
    full: Mutex<Option<Instant>>,
    /// Projects of which other releases are for boards than was known when they were rendered.
    outdated: Mutex<HashSet<ProjectName>>,
    is_content_lost: AtomicBool,
    is_littered: AtomicBool,
}

impl Workshop {
    /// Lets one view be made after another.
    pub(super) fn making(&self) -> MutexGuard<'_, ()> {
        lock(&self.making)
    }

    /// Lets one tarball be made after another.
    pub(super) fn packing(&self) -> MutexGuard<'_, ()> {
        lock(&self.packing)
    }

    /// Lets no view and no tarball be made.
    pub(super) fn closed(&self) -> [MutexGuard<'_, ()>; 2] {
        [self.making(), self.packing()]
    }

    /// Asks for what boards get of these files to be made soon.
    pub(super) fn order(&self, files: impl IntoIterator<Item = Arc<File>>) {
        lock(&self.unprepared).extend(files);
        self.arrival.notify_one();
    }

    /// Waits until there is something to prepare.
    pub(super) async fn arrival(&self) {
        self.arrival.notified().await;
    }

    pub(super) fn next_unprepared(&self) -> Option<Arc<File>> {
        lock(&self.unprepared).pop()
    }

    /// Puts back a file for which there is no room now. Tells whether there was some at the last try.
    pub(super) fn put_back(&self, file: &Arc<File>) -> bool {
        // Behind all others, as it may be larger than the disk.
        lock(&self.unprepared).insert(0, Arc::clone(file));
        lock(&self.full).replace(Instant::now()).is_none()
    }

    /// Asks for what was put back to be made now, where that is so long ago.
    pub(super) fn try_again(&self, after: Duration) {
        if lock(&self.full).is_some_and(|tried| tried.elapsed() >= after) {
            self.arrival.notify_one();
        }
    }

    /// Tells that there was room for everything. Gives whether there was none before.
    pub(super) fn has_room(&self) -> bool {
        lock(&self.full).take().is_some()
    }

    /// Asks for what boards are told of a project to be rendered again at the next
    /// [`Index::renew`](super::Index::renew).
    pub(super) fn outdate(&self, project: &ProjectName) {
        lock(&self.outdated).insert(project.clone());
    }

    pub(super) fn take_outdated(&self) -> HashSet<ProjectName> {
        mem::take(&mut *lock(&self.outdated))
    }

    /// Tells that a content was asked for that the cache should hold.
    pub(super) fn lose_content(&self) {
        self.is_content_lost.store(true, Ordering::Relaxed);
    }

    /// Whether somebody has told so since the last call.
    pub(super) fn take_loss(&self) -> bool {
        self.is_content_lost.swap(false, Ordering::Relaxed)
    }

    /// Tells that the cache may hold what nothing needs any more.
    pub(super) fn litter(&self) {
        self.is_littered.store(true, Ordering::Relaxed);
    }

    /// Whether somebody has told so since the last call.
    pub(super) fn take_litter(&self) -> bool {
        self.is_littered.swap(false, Ordering::Relaxed)
    }
}
