//! Who may occupy a thread now, and who may change a project. Called by `http/`, `publish.rs` and `mod.rs`.

use std::array;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Index;
use crate::dist::ProjectName;
use crate::lock::lock;

/// Threads that may be busy with uploads at once, and with what boards get: three quarters of those that the smallest
/// machine has.
const UPLOAD_THREADS: usize = 8;
const BOARD_THREADS: usize = 4;

/// How many projects can have their turns at once: so many that two hardly ever share one.
const SHARES: usize = 32;

/// What is held by those whose turn it is.
#[derive(Debug)]
pub(super) struct Turns {
    /// One permit for each thread; see [`Index::upload_turn`] and [`Index::board_turn`].
    uploads: Arc<Semaphore>,
    boards: Arc<Semaphore>,
    /// Each project has one of them, with one permit; see [`Index::look_turn`].
    looks: [Arc<Semaphore>; SHARES],
    /// Each project has one of them; see [`Index::alone_with`].
    projects: [Mutex<()>; SHARES],
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            uploads: Arc::new(Semaphore::new(UPLOAD_THREADS)),
            boards: Arc::new(Semaphore::new(BOARD_THREADS)),
            looks: array::from_fn(|_| Arc::new(Semaphore::new(1))),
            projects: Default::default(),
        }
    }
}

impl Index {
    /// Waits for a turn to occupy a thread with [`Index::publish`]. A large archive takes minutes, in which others must find
    /// threads for downloads, health checks and the watchdog.
    pub async fn upload_turn(&self) -> OwnedSemaphorePermit {
        turn(&self.turns.uploads).await
    }

    /// Waits for a turn to occupy a thread with [`Index::board`] or [`Index::tarball`], as for an upload: views are made one
    /// after another, and of a large archive one takes minutes.
    pub async fn board_turn(&self) -> OwnedSemaphorePermit {
        turn(&self.turns.boards).await
    }

    /// Waits for the turn to occupy a thread with [`Index::refresh`] for a request for a file of this project. Who waited finds
    /// known what the one before has read: else each would read it once more, on a thread of its own, and a large file takes
    /// minutes.
    pub async fn look_turn(&self, project: &ProjectName) -> OwnedSemaphorePermit {
        turn(&self.turns.looks[share_of(project)]).await
    }

    /// Makes requests that publish or remove files of a project wait for each other: between looking at it and changing
    /// it, no other request may change it. Others hardly ever wait, since it takes as long as the disk needs to sync.
    pub(super) fn alone_with(&self, project: &ProjectName) -> MutexGuard<'_, ()> {
        lock(&self.turns.projects[share_of(project)])
    }
}

/// Which of the [`SHARES`] a project belongs to.
fn share_of(project: &ProjectName) -> usize {
    let mut hasher = DefaultHasher::new();
    project.hash(&mut hasher);
    hasher.finish() as usize % SHARES
}

async fn turn(turns: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    let turn = Arc::clone(turns).acquire_owned().await;
    turn.expect("the semaphores are never closed")
}
