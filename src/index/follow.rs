//! Keeps the catalog in line with the directories while the server runs. Started by `serve/`.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::{Index, Scope, Trust};
use crate::config::Watch;
use crate::store::{Changes, Ground, Watcher};

/// A wish for a look at everything, answered when it is over.
pub type Rescan = oneshot::Sender<()>;

/// How long a file must look the same, and how long what was learnt may wait for the disk.
const TICK: Duration = Duration::from_millis(900);

/// How many links to files are looked at one by one; of more, a walk is cheaper.
const FEW_LINKS: usize = 1_000;

/// How long what nothing needs any more may lie in the cache. The first sweep follows the start.
const BETWEEN_SWEEPS: Duration = Duration::from_hours(1);

/// Follows the changes until it is aborted, and looks at everything when it is asked to.
pub async fn follow(index: Arc<Index>, mut watcher: Option<Watcher>, mut rescans: mpsc::Receiver<Rescan>) {
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let (scope, trust, asker) = tokio::select! {
            changes = next_changes(&mut watcher) => {
                catch_up(&watcher).await;
                match changes {
                    Changes::Paths(paths) => (Scope::Paths(paths), Trust::Closed, None),
                    Changes::Anything => (Scope::All, Trust::SeenTwice, None),
                }
            }
            Some(asker) = rescans.recv() => (Scope::All, Trust::Quiet, Some(asker)),
            _ = tick.tick() => (untold(&index, &watcher), Trust::SeenTwice, None),
        };
        look(&index, &mut watcher, scope, trust).await;
        if let Some(asker) = asker {
            settle(&index, &mut watcher).await;
            // Who asked may have given up.
            asker.send(()).ok();
        }
    }
}

/// What may have changed although nobody says so: what may still be growing, and what links to files lead to.
fn untold(index: &Index, watcher: &Option<Watcher>) -> Scope {
    let links = watcher.as_ref().map(|_| index.store().file_links());
    let links = links.unwrap_or_default();
    if links.len() > FEW_LINKS {
        return Scope::All;
    }
    Scope::Paths(index.unsettled().into_iter().chain(links).collect())
}

/// Looks again at what came a moment ago: whoever copies a file and asks for a look expects to see it.
async fn settle(index: &Arc<Index>, watcher: &mut Option<Watcher>) {
    if !index.unsettled().is_empty() {
        sleep(TICK).await;
        look(index, watcher, Scope::Paths(index.unsettled()), Trust::SeenTwice).await;
    }
}

/// Brings the catalog in line, and once more where something else lies under the paths than is watched.
async fn look(index: &Arc<Index>, watcher: &mut Option<Watcher>, scope: Scope, trust: Trust) {
    let mut next = Some((scope, trust));
    while let Some((scope, trust)) = next.take() {
        match refresh(index, scope, trust).await {
            Ok(ground) => {
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
}

/// Brings the catalog in line; tells what it was brought in line with.
async fn refresh(index: &Arc<Index>, scope: Scope, trust: Trust) -> Result<Ground, JoinError> {
    let index = Arc::clone(index);
    spawn_blocking(move || {
        let ground = index.store().ground();
        index.refresh(scope, trust);
        index.tidy();
        ground
    })
    .await
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

/// Prepares what boards get of the files that came, and sweeps the cache now and then, until it is aborted. Apart from
/// [`follow`], since it may take long.
pub async fn prepare(index: Arc<Index>) {
    let mut sweep = interval(BETWEEN_SWEEPS);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
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
