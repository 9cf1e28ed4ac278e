//! Notices what is changed by hand: inotify, or a poll where inotify is silent. Called by `index/`.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{Event, EventKindMask, RecommendedWatcher, RecursiveMode, Watcher as _};
use rustix::fs::StatFs;
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::writing::Writing;
use crate::config::Watch;

/// How often a walk takes the place of inotify.
const POLL: Duration = Duration::from_millis(900);

/// What may have changed.
#[derive(Debug)]
pub enum Changes {
    /// These paths, absolute.
    Paths(HashSet<PathBuf>),
    /// Anything: events were lost, or there are none on this file system.
    Anything,
}

/// Tells of changes until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    /// How it was asked to watch.
    pub(crate) how: Watch,
    watched: Vec<Option<Identity>>,
    events: mpsc::UnboundedReceiver<Event>,
    /// Present where inotify works; dropping it ends the events.
    inotify: Option<RecommendedWatcher>,
    poll: Interval,
}

impl Watcher {
    /// Watches these directories, with everything below them, and takes note of who writes there. None when `how` is
    /// off. Blocks.
    pub(super) fn new(roots: &[PathBuf], how: Watch, writing: Arc<Writing>) -> Option<Self> {
        // Before inotify knows them, so that what takes their place meanwhile is noticed.
        let watched = identities(roots);
        let silent = || roots.iter().any(|root| inotify_is_silent(root));
        let (sender, events) = mpsc::unbounded_channel();
        let inotify = match how {
            Watch::Off => return None,
            Watch::Poll => None,
            Watch::Auto if silent() => None,
            Watch::Auto | Watch::Inotify => watch(roots, writing, sender)
                .inspect_err(|error| tracing::warn!(%error, "inotify does not work here; looking every second instead"))
                .ok(),
        };
        let mut poll = interval(POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Some(Self {
            how,
            watched,
            events,
            inotify,
            poll,
        })
    }

    /// Whether these are the directories that it watches. Others may lie under their paths since, as after mv(1) or
    /// mount(8), and inotify says nothing of that.
    pub fn watches(&self, directories: &[Option<Identity>]) -> bool {
        self.watched == directories
    }

    /// Waits for the next changes. With a poll: for a moment. Cancel-safe.
    pub async fn changes(&mut self) -> Changes {
        if self.inotify.is_none() {
            self.poll.tick().await;
            return Changes::Anything;
        }
        let Some(first) = self.events.recv().await else {
            return Changes::Anything;
        };
        let mut paths = HashSet::new();
        let mut next = Some(first);
        while let Some(event) = next {
            if event.need_rescan() {
                return Changes::Anything;
            }
            paths.extend(event.paths);
            next = self.events.try_recv().ok();
        }
        Changes::Paths(paths)
    }
}

/// Device and inode.
pub type Identity = (u64, u64);

/// Which directories lie under these paths; None where none does. Blocks.
pub(super) fn identities(roots: &[PathBuf]) -> Vec<Option<Identity>> {
    let identity = |root: &PathBuf| fs::metadata(root).ok().map(|found| (found.dev(), found.ino()));
    roots.iter().map(identity).collect()
}

fn watch(
    roots: &[PathBuf],
    writing: Arc<Writing>,
    sender: mpsc::UnboundedSender<Event>,
) -> notify::Result<RecommendedWatcher> {
    // Not of files that are opened: that is frequent, and says nothing.
    let kinds = EventKindMask::CREATE | EventKindMask::REMOVE | EventKindMask::ALL_MODIFY | EventKindMask::ACCESS_CLOSE;
    let tell = move |event: notify::Result<Event>| match event {
        Ok(event) if writing.heed(&event) => drop(sender.send(event)),
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "inotify reported a fault"),
    };
    let mut watcher = RecommendedWatcher::new(tell, notify::Config::default().with_event_kinds(kinds))?;
    for root in roots {
        watcher.watch(root, RecursiveMode::Recursive)?;
    }
    Ok(watcher)
}

/// Other hosts' writes raise no event on network file systems, and FUSE and 9p raise none for the far side.
fn inotify_is_silent(path: &Path) -> bool {
    // statfs(2), linux/magic.h
    const SILENT: [u32; 8] = [
        0x6969,      // NFS
        0x517b,      // SMB
        0xff53_4d42, // CIFS
        0xfe53_4d42, // SMB2
        0x6573_5546, // FUSE
        0x0102_1997, // 9p
        0x5346_414f, // AFS
        0x00c3_6400, // Ceph
    ];
    let magic = |fs: StatFs| fs.f_type as u32;
    rustix::fs::statfs(path).is_ok_and(|fs| SILENT.contains(&magic(fs)))
}
