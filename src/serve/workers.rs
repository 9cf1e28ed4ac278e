//! The threads that answer requests: one runtime per core, so that a request stays on the core that it came to. Called
//! by `mod.rs`.

use std::io;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::sync::CancellationToken;

use crate::cores;

/// Threads of each worker that may wait for disks and hashes at once.
const BLOCKING_THREADS: usize = 16;

/// How long a thread may take to finish what belongs to a request that was cut off, such as the write of a piece of an
/// upload. Without such a request, nothing is waited for.
const FINISH: Duration = Duration::from_millis(500);

/// The workers. Dropping them ends them, with all that they still do; when that returns, every request is gone, and has
/// taken what it had staged with it.
pub(super) struct Workers {
    handles: Vec<Handle>,
    threads: Vec<JoinHandle<()>>,
    stop: CancellationToken,
}

impl Workers {
    /// Starts one for each core.
    ///
    /// # Errors
    /// When a thread or its runtime cannot be made.
    pub(super) fn start() -> io::Result<Self> {
        let cores = cores::count();
        let mut workers = Self {
            handles: Vec::with_capacity(cores),
            threads: Vec::with_capacity(cores),
            stop: CancellationToken::new(),
        };
        for number in 1..=cores {
            let runtime = Builder::new_current_thread()
                .enable_all()
                .max_blocking_threads(BLOCKING_THREADS)
                .build()?;
            workers.handles.push(runtime.handle().clone());
            let stop = workers.stop.clone();
            let thread = thread::Builder::new().name(format!("worker {number}"));
            workers.threads.push(thread.spawn(move || work(runtime, &stop))?);
        }
        Ok(workers)
    }

    /// Where to spawn what a worker is to do.
    pub(super) fn handles(&self) -> Vec<Handle> {
        self.handles.clone()
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.stop.cancel();
        for thread in self.threads.drain(..) {
            // One that has panicked has told of it.
            thread.join().ok();
        }
    }
}

fn work(runtime: Runtime, stop: &CancellationToken) {
    runtime.block_on(stop.cancelled());
    // What threads then still do for boards is derived, and done again.
    runtime.shutdown_timeout(FINISH);
}
