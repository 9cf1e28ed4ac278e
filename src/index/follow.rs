//! Keeps the catalog in line with the directories while the server runs. Started by `serve/`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::readers::Readers;
use super::scan::Unread;
use super::{Index, Scope, Trust};
use crate::config::Watch;
use crate::store::{Changes, Ground, Watcher};

/// A wish for a look at everything, answered when it is over.
pub type Rescan = oneshot::Sender<()>;

/// How long a file must look the same, how long what nobody tells of goes unnoticed, and how long what was learnt may wait for
/// the disk.
const TICK: Duration = Duration::from_millis(900);

/// How long who asked for a look waits for what may still be growing.
const PATIENCE: Duration = TICK.saturating_mul(3);

/// How many links to files are looked at one by one; of more, a walk is cheaper.
const FEW_LINKS: usize = 1_000;

/// How long what nothing needs any more may lie in the cache. The first sweep follows the start.
const BETWEEN_SWEEPS: Duration = Duration::from_hours(1);

/// Follows the changes until it is aborted, and looks at everything when it is asked to. What takes long to read is read
/// beside the looks, so that nothing that comes or goes meanwhile has to wait.
pub async fn follow(index: Arc<Index>, mut watcher: Option<Watcher>, mut rescans: mpsc::Receiver<Rescan>) {
    let mut tick = ticks(TICK);
    let mut readers = Readers::new(Arc::clone(&index));
    let mut askers = Vec::new();
    loop {
        let (scope, trust) = tokio::select! {
            changes = next_changes(&mut watcher) => {
                catch_up(&watcher).await;
                match changes {
                    Changes::Paths(paths) => (Scope::Paths(paths), Trust::Closed),
                    Changes::Anything => (Scope::All, Trust::SeenTwice),
                }
            }
            Some(asker) = rescans.recv() => {
                askers.push((asker, Instant::now()));
                (Scope::All, Trust::Quiet)
            }
            // Nobody tells who writes what has changed meanwhile.
            again = readers.done() => (again, Trust::SeenTwice),
            _ = tick.tick() => (untold(&index, &watcher, &readers), Trust::SeenTwice),
        };
        readers.take(look(&index, &mut watcher, scope, trust).await);
        if readers.are_idle() {
            answer(&mut askers, index.observed.unsettled().is_empty());
        }
    }
}

/// Answers who asked for a look when all that it found was read. What came a moment ago is looked at again before that:
/// whoever copies a file and asks for a look expects to see it.
fn answer(askers: &mut Vec<(Rescan, Instant)>, is_settled: bool) {
    for (asker, _) in askers.extract_if(.., |(_, since)| is_settled || since.elapsed() > PATIENCE) {
        // Who asked may have given up.
        asker.send(()).ok();
    }
}

/// What may have changed although nobody says so: anything where nobody tells of changes, else what may still be growing, and
/// what links to files lead to. What waits for a reader is looked at when it was read.
fn untold(index: &Index, watcher: &Option<Watcher>, readers: &Readers) -> Scope {
    let links = watcher.as_ref().map(|_| index.store().file_links());
    let links = links.unwrap_or_default();
    if links.len() > FEW_LINKS || watcher.as_ref().is_some_and(Watcher::hears_nothing) {
        return Scope::All;
    }
    let mut unsettled = index.observed.unsettled();
    unsettled.retain(|path| !readers.have(path));
    Scope::Paths(index.places_of(&unsettled).chain(links).collect())
}

/// Looks, and once more where something else lies under the paths than is watched. Gives what is to be read.
async fn look(index: &Arc<Index>, watcher: &mut Option<Watcher>, scope: Scope, trust: Trust) -> Vec<Unread> {
    let (mut unread, mut next) = (Vec::new(), Some((scope, trust)));
    while let Some((scope, trust)) = next.take() {
        match look_once(index, scope, trust).await {
            Ok((ground, found)) => {
                unread.extend(found);
                // The old one goes before the new one comes: the kernel has a limit for what the two watch.
                let stale = watcher.take_if(|watcher| !watcher.watches(&ground));
                if let Some(how) = stale.map(|stale| stale.how) {
                    *watcher = renewed(index, how).await;
                    next = Some((Scope::All, Trust::Quiet));
                }
            }
            Err(error) => tracing::error!(%error, "looking at the packages directory failed"),
        }
    }
    unread
}

/// Tells what lay there before the look, too.
async fn look_once(index: &Arc<Index>, scope: Scope, trust: Trust) -> Result<(Ground, Vec<Unread>), JoinError> {
    let index = Arc::clone(index);
    spawn_blocking(move || (index.store().ground(), index.look(scope, trust))).await
}

/// A watcher of what lies under the paths now.
async fn renewed(index: &Arc<Index>, how: Watch) -> Option<Watcher> {
    tracing::debug!(
        "not all that lies under the packages directories' paths is watched; everything is looked at again"
    );
    let index = Arc::clone(index);
    let renewed = spawn_blocking(move || index.store().watch(how));
    renewed.await.ok().flatten()
}

/// Writes what was learnt, and mends what was missed, until it is aborted. Apart from [`follow`], since a disk may be slow.
pub async fn keep(index: Arc<Index>) {
    let mut tick = ticks(TICK);
    loop {
        tick.tick().await;
        let index = Arc::clone(&index);
        if let Err(error) = spawn_blocking(move || index.tidy()).await {
            tracing::error!(%error, "keeping what was learnt failed");
        }
    }
}

/// Prepares what boards get of the files that came, and sweeps the cache now and then, until it is aborted. Apart from
/// [`follow`], since it may take long.
pub async fn prepare(index: Arc<Index>) {
    let mut sweep = ticks(BETWEEN_SWEEPS);
    loop {
        let is_time_to_sweep = tokio::select! {
            () = index.workshop.arrival() => false,
            _ = sweep.tick() => true,
        };
        let index = Arc::clone(&index);
        let work = spawn_blocking(move || {
            index.prepare_boards();
            if is_time_to_sweep {
                index.sweep();
            }
        });
        if let Err(error) = work.await {
            tracing::error!(%error, "preparing what boards get failed");
        }
    }
}

/// So much time apart, also after one that came late.
fn ticks(apart: Duration) -> Interval {
    let mut ticks = interval(apart);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

async fn next_changes(watcher: &mut Option<Watcher>) -> Changes {
    match watcher {
        Some(watcher) => watcher.changes().await,
        None => std::future::pending().await,
    }
}

async fn catch_up(watcher: &Option<Watcher>) {
    if let Some(watcher) = watcher {
        watcher.catch_up().await;
    }
}
