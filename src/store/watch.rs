//! Notices what is changed by hand: inotify, or a poll where inotify is silent. Called by `index/`.

use std::collections::HashSet;
use std::fs;
use std::future::pending;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use notify::{ErrorKind, Event, EventKindMask, RecommendedWatcher, RecursiveMode, Watcher as _};
use rustix::fs::StatFs;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::mounts::{Mount, Mounts};
use super::writing::Writing;
use crate::config::Watch;

/// What may have changed.
#[derive(Debug)]
pub enum Changes {
    /// These paths, absolute.
    Paths(HashSet<PathBuf>),
    /// Anything: events were lost.
    Anything,
}

/// Tells of changes until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    /// How it was asked to watch.
    pub(crate) how: Watch,
    watched: Ground,
    /// They end where inotify cannot watch everything any more.
    events: mpsc::UnboundedReceiver<Event>,
    /// Present where inotify works; dropping it ends the events.
    inotify: Option<Arc<RecommendedWatcher>>,
}

impl Watcher {
    /// Watches these directories, with everything below them, and notes who writes there. None when `how` is off.
    /// Blocks. `ground` is from before, so that what takes its place meanwhile is noticed.
    pub(super) fn new(roots: &[PathBuf], how: Watch, ground: Ground, writing: Arc<Writing>) -> Option<Self> {
        let (sender, events) = mpsc::unbounded_channel();
        let inotify = match how {
            Watch::Off => return None,
            Watch::Poll => None,
            Watch::Auto if ground.is_silent() => None,
            Watch::Auto | Watch::Inotify => watch(roots, writing, sender)
                .inspect_err(|error| tracing::warn!(%error, "cannot watch by inotify; looking every second instead"))
                .ok()
                .map(Arc::new),
        };
        Some(Self {
            how,
            watched: ground,
            events,
            inotify,
        })
    }

    /// Whether this is what it watches, all of it. Another may have taken its place since, as after mv(1) or mount(8), and
    /// inotify says nothing of that.
    pub fn watches(&self, ground: &Ground) -> bool {
        let is_deaf = self.inotify.is_some() && self.events.is_closed();
        !is_deaf && self.watched == *ground
    }

    /// Whether nobody tells of changes, so that somebody has to look at everything now and then.
    pub fn hears_nothing(&self) -> bool {
        self.inotify.is_none()
    }

    /// Waits for the next changes that somebody tells of. Cancel-safe.
    pub async fn changes(&mut self) -> Changes {
        if self.hears_nothing() {
            return pending().await;
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

    /// Waits until every folder that the changes told of is watched. Nobody tells what came into one before that, so it
    /// must lie there when somebody looks.
    pub async fn catch_up(&self) {
        if let Some(inotify) = self.inotify.clone() {
            // Its thread watches the folders that it has told of before it answers. What the answer is does not matter.
            spawn_blocking(move || drop(inotify.watched_paths())).await.ok();
        }
    }
}

/// What a watcher watches: which places, and what lies there.
#[derive(Debug, PartialEq, Eq)]
pub struct Ground {
    /// The packages directories, and where symbolic links in them lead to.
    places: Vec<PathBuf>,
    /// Device and inode of what lies there; None where nothing does.
    identities: Vec<Option<(u64, u64)>>,
    mounts: Vec<Mount>,
}

impl Ground {
    /// Of these places. Blocks.
    pub(super) fn new(places: Vec<PathBuf>, mounts: &Mounts) -> Self {
        let identity = |place: &PathBuf| fs::metadata(place).ok().map(|found| (found.dev(), found.ino()));
        Self {
            identities: places.iter().map(identity).collect(),
            mounts: mounts.around(&places),
            places,
        }
    }

    /// Whether inotify says nothing of changes in one of the places, or in what is mounted below.
    fn is_silent(&self) -> bool {
        let is_below = |mount: &&Mount| self.places.iter().any(|place| mount.point.starts_with(place));
        let mounted = self.mounts.iter().filter(is_below).map(|mount| &mount.point);
        self.places.iter().chain(mounted).any(|place| inotify_is_silent(place))
    }
}

fn watch(
    roots: &[PathBuf],
    writing: Arc<Writing>,
    sender: mpsc::UnboundedSender<Event>,
) -> notify::Result<RecommendedWatcher> {
    let mut sender = Some(sender);
    // Not of files that are opened: that is frequent, and says nothing.
    let kinds = EventKindMask::CREATE | EventKindMask::REMOVE | EventKindMask::ALL_MODIFY | EventKindMask::ACCESS_CLOSE;
    let tell = move |event: notify::Result<Event>| match event {
        Ok(event) if writing.heed(&event) => _ = sender.as_ref().map(|sender| sender.send(event)),
        Ok(_) => {}
        Err(error) => {
            tracing::warn!(%error, "inotify reported a fault");
            if matches!(error.kind, ErrorKind::MaxFilesWatch) {
                // Of a folder that came it will never tell.
                sender = None;
            }
        }
    };
    let mut watcher = RecommendedWatcher::new(tell, notify::Config::default().with_event_kinds(kinds))?;
    for root in roots {
        let watched = watcher.watch(root, RecursiveMode::Recursive);
        watched.map_err(|error| error.add_path(root.clone()))?;
    }
    Ok(watcher)
}

/// Other hosts' writes raise no event on network file systems, and FUSE and 9p raise none for the far side.
fn inotify_is_silent(path: &Path) -> bool {
    // statfs(2), linux/magic.h
    const SILENT: [u32; 9] = [
        0x6969,      // NFS
        0x517b,      // SMB
        0xff53_4d42, // CIFS
        0xfe53_4d42, // SMB2
        0x6573_5546, // FUSE
        0x0102_1997, // 9p
        0x5346_414f, // AFS
        0x00c3_6400, // Ceph
        0x786f_4256, // vboxsf, the folders that VirtualBox shares; not in magic.h
    ];
    let magic = |fs: StatFs| fs.f_type as u32;
    rustix::fs::statfs(path).is_ok_and(|fs| SILENT.contains(&magic(fs)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn what_comes_into_a_new_folder_is_told_of_as_soon_as_it_is_watched() {
        let root = tempfile::tempdir().unwrap();
        let roots = [root.path().to_owned()];
        let ground = Ground::new(roots.to_vec(), &Mounts::open());
        let mut watcher = Watcher::new(&roots, Watch::Inotify, ground, Arc::default()).unwrap();
        for number in 0..200 {
            let (file, folder) = (root.path().join("file"), root.path().join(number.to_string()));
            fs::write(&file, "x").unwrap();
            fs::create_dir(&folder).unwrap();
            await_change(&mut watcher, &folder).await;
            watcher.catch_up().await;
            fs::rename(&file, folder.join("file")).unwrap();
            await_change(&mut watcher, &folder.join("file")).await;
        }
    }

    async fn await_change(watcher: &mut Watcher, of: &Path) {
        let told = async { while !matches!(watcher.changes().await, Changes::Paths(paths) if paths.contains(of)) {} };
        let in_time = timeout(Duration::from_secs(30), told).await;
        in_time.unwrap_or_else(|_| panic!("nobody tells of {}", of.display()));
    }
}
