//! systemd's side of a service: readiness, status, reloading, watchdog, passed sockets, credentials. Called by `serve/`, and
//! by `auth/` for credentials.
//!
//! Everything is a no-op where the variable that asks for it is not set, so the same program runs by hand, in a
//! container and as a unit of `Type=notify-reload`. Source: sd_notify(3), sd_listen_fds(3), sd_watchdog_enabled(3).

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use listenfd::ListenFd;
use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// What can be wrong with the sockets that systemd passed.
#[derive(Debug, thiserror::Error)]
pub enum SystemdError {
    /// The unit's socket is a datagram, UNIX or other socket.
    #[error(
        "socket {number} passed by systemd is not a listening TCP socket; use ListenStream=PORT in the .socket unit"
    )]
    NotTcp {
        /// Position in the .socket unit, from 1.
        number: usize,
        /// What the look at the socket gave.
        source: std::io::Error,
    },
}

/// The listening sockets that systemd opened for us (`LISTEN_FDS`), ready for tokio; empty when it opened none.
///
/// The sockets are handed out once. It removes the variables from the environment, so that a child does not take the
/// sockets for its own: call it before threads are started.
///
/// # Errors
/// [`SystemdError::NotTcp`].
pub fn listeners() -> Result<Vec<TcpListener>, SystemdError> {
    let mut passed = ListenFd::from_env();
    (0..passed.len())
        .filter_map(|index| take(&mut passed, index).transpose())
        .collect()
}

fn take(passed: &mut ListenFd, index: usize) -> Result<Option<TcpListener>, SystemdError> {
    let not_tcp = |source| SystemdError::NotTcp {
        number: index + 1,
        source,
    };
    let listener = passed.take_tcp_listener(index).map_err(not_tcp)?;
    if let Some(listener) = &listener {
        listener.set_nonblocking(true).map_err(not_tcp)?;
    }
    Ok(listener)
}

/// Whether a unit of systemd runs this program (`$INVOCATION_ID`, systemd.exec(5)).
pub fn is_service() -> bool {
    std::env::var_os("INVOCATION_ID").is_some()
}

/// Whether systemd made the file as a credential of the unit (`$CREDENTIALS_DIRECTORY`, systemd.exec(5)): a copy for as long
/// as the service runs, which nobody can change.
pub fn is_credential(path: &Path) -> bool {
    let directory = std::env::var_os("CREDENTIALS_DIRECTORY").filter(|directory| !directory.is_empty());
    directory.is_some_and(|directory| path.starts_with(directory))
}

/// Startup, or a reload, is finished. `status` is the line that `systemctl status` shows.
pub fn ready(status: &str) {
    notify(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Replaces the line that `systemctl status` shows.
pub fn status(text: &str) {
    notify(&[NotifyState::Status(text)]);
}

/// A reload begins; [`ready`] ends it. `systemctl reload` waits for both.
pub fn reloading() {
    // systemd tells an answer to its own signal from an older message by this clock.
    let now = NotifyState::monotonic_usec_now().expect("the monotonic clock always answers on Linux");
    notify(&[NotifyState::Reloading, now]);
}

/// The service is about to end.
pub fn stopping() {
    notify(&[NotifyState::Stopping, NotifyState::Status("Finishing open requests")]);
}

/// Asks for `time` from now on for the start, reload or stop that is under way. Repeat it while the work goes on.
pub fn extend_timeout(time: Duration) {
    let micros = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
    notify(&[NotifyState::ExtendTimeoutUsec(micros)]);
}

/// Pings the watchdog (`WatchdogSec=`) at twice the rate that it asks for, as long as `alive` answers true within that
/// time. Returns at once when there is no watchdog, and never otherwise.
pub async fn watchdog<F: Future<Output = bool>>(alive: impl Fn() -> F) {
    let patience = sd_notify::watchdog_enabled().filter(|patience| !patience.is_zero());
    let Some(patience) = patience else { return };
    let pause = patience / 2;
    let mut ticks = interval(pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match timeout(pause, alive()).await {
            Ok(true) => notify(&[NotifyState::Watchdog]),
            Ok(false) => tracing::error!("the store does not answer; the watchdog gets no ping"),
            Err(_) => tracing::error!("the store took longer than {pause:?} to answer; the watchdog gets no ping"),
        }
    }
}

fn notify(states: &[NotifyState]) {
    // Never a reason to fail: the service serves without systemd knowing.
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd could not be told the state");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn outside_systemd_nothing_happens() {
        assert!(listeners().unwrap().is_empty());
        ready("Serving");
        reloading();
        stopping();
        extend_timeout(Duration::from_secs(1));
        watchdog(|| async { panic!("nobody asked") }).await;
    }
}
