//! systemd's side of a service: readiness, status, reloading, watchdog, passed sockets. Called by `serve.rs`.
