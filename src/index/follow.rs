//! Keeps the catalog in line with the directories while the server runs. Started by `serve.rs`.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use super::{Index, Scope, Trust};
use crate::store::{Changes, Watcher};

/// How long a file must look the same, and how long what was learnt may wait for the disk.
const TICK: Duration = Duration::from_millis(900);

/// Follows the changes until it is aborted; `rescan` asks for a look at everything.
pub async fn follow(index: Arc<Index>, mut watcher: Option<Watcher>, rescan: Arc<Notify>) {
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let (scope, trust) = tokio::select! {
            changes = next_changes(&mut watcher) => match changes {
                Changes::Paths(paths) => (Scope::Paths(paths), Trust::Closed),
                Changes::Anything => (Scope::All, Trust::SeenTwice),
            },
            () = rescan.notified() => (Scope::All, Trust::Quiet),
            _ = tick.tick() => (Scope::Paths(index.unsettled()), Trust::SeenTwice),
        };
        let index = Arc::clone(&index);
        let work = spawn_blocking(move || {
            index.refresh(scope, trust, &|_| ());
            index.tidy();
        });
        if let Err(error) = work.await {
            tracing::error!(%error, "looking at the packages directory failed");
        }
    }
}

/// Prepares what boards get of the files that came, until it is aborted. Apart from [`follow`], since it may take long.
pub async fn prepare(index: Arc<Index>) {
    loop {
        index.arrival.notified().await;
        let index = Arc::clone(&index);
        if let Err(error) = spawn_blocking(move || index.prepare_boards()).await {
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
