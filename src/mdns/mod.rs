//! Multicast DNS (RFC 6762) and DNS-SD (RFC 6763): announce, withdraw, browse. Called by `serve.rs` and the `discover` command.
