//! How a refused body ends. Called by whoever refuses one.

use std::time::Duration;

use axum::body::BodyDataStream;
use futures_util::StreamExt;
use tokio::time::timeout;

/// How long a refused client may go on sending.
const LONGEST: Duration = Duration::from_secs(30);

/// Reads and drops the rest of a refused body, however large: a client that is still sending would see a broken connection
/// in place of the answer, as nginx does, which then answers 502. Not for ever, since a stranger could hold the connection
/// by it.
pub(super) async fn linger(body: &mut BodyDataStream, idle: Duration) {
    let drain = async { while let Ok(Some(Ok(_))) = timeout(idle, body.next()).await {} };
    timeout(LONGEST, drain).await.ok();
}
