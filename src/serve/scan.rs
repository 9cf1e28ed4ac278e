//! The walks through the packages directories that systemd waits for: it is told that they are still going on. Called by
//! `mod.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::interval;

use crate::config::Watch;
use crate::index::{Index, Rescan};
use crate::store::Watcher;
use crate::systemd;

/// How often systemd is told, and for how much more time it is asked each time.
const WORD: Duration = Duration::from_secs(5);
const EXTENSION: Duration = Duration::from_secs(30);

/// Fills the index, and gives what tells of changes since, if anything is to.
pub(super) async fn first(index: Arc<Index>, how: Watch) -> Result<Option<Watcher>, JoinError> {
    let read = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&read);
    let work = spawn_blocking(move || {
        // Before the first look, so that nothing comes between the two unnoticed.
        let watcher = index.store().watch(how);
        index.fill(&|count| counter.store(count, Ordering::Relaxed));
        index.flush();
        watcher
    });
    patiently(work, || {
        format!(
            "Reading the packages: {} new files so far",
            read.load(Ordering::Relaxed)
        )
    })
    .await
}

/// Brings the index in line with the directories, even where nothing watches them.
pub(super) async fn again(rescan: &mpsc::Sender<Rescan>) {
    let look = async {
        let (asker, answer) = oneshot::channel();
        // No answer comes from a task that is gone, and none is needed.
        if rescan.send(asker).await.is_ok() {
            answer.await.ok();
        }
    };
    patiently(look, || "Reading the packages again".to_owned()).await;
}

/// Does the work, and asks systemd for time meanwhile.
async fn patiently<T>(work: impl Future<Output = T>, status: impl Fn() -> String) -> T {
    let mut work = std::pin::pin!(work);
    let mut ticks = interval(WORD);
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = ticks.tick() => {
                systemd::extend_timeout(EXTENSION);
                systemd::status(&status());
            }
        }
    }
}
