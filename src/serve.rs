//! The composition root: configuration → store, catalog, listeners, router, mDNS → readiness → wait → drain → goodbye.
//! Called by `main.rs`.

use std::io;

use thiserror::Error;

use crate::config::Loaded;

/// Why the server did not start, or failed.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The runtime could not be started.
    #[error("cannot start the runtime")]
    Runtime(#[source] io::Error),
}

/// Serves until SIGTERM. `notes` are logged at the start, as warnings.
///
/// # Errors
/// [`ServeError`]: what could not be started.
pub fn run(loaded: Loaded, notes: Vec<String>) -> Result<(), ServeError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ServeError::Runtime)?;
    runtime.block_on(async {
        for note in notes {
            tracing::warn!("{note}");
        }
        let Loaded { source, .. } = loaded;
        tracing::info!(?source, "configured");
        tokio::signal::ctrl_c().await.map_err(ServeError::Runtime)
    })
}
