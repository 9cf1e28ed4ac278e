//! The first look at the packages directories, with word to systemd that it goes on. Called by `serve/mod.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::{JoinError, spawn_blocking};
use tokio::time::interval;

use crate::index::{Index, Scope, Trust};
use crate::systemd;

/// How often systemd hears of it, and how much longer it is asked to wait each time.
const WORD: Duration = Duration::from_secs(5);
const EXTENSION: Duration = Duration::from_secs(30);

/// Fills the index.
pub(super) async fn first(index: Arc<Index>) -> Result<(), JoinError> {
    let read = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&read);
    let mut work = spawn_blocking(move || {
        index.refresh(Scope::All, Trust::Closed, &|count| {
            counter.store(count, Ordering::Relaxed);
        });
        index.flush();
    });
    let mut ticks = interval(WORD);
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = ticks.tick() => {
                systemd::extend_timeout(EXTENSION);
                systemd::status(&format!("Reading the packages: {} new files so far", read.load(Ordering::Relaxed)));
            }
        }
    }
}
