//! mDNS between hosts: network namespaces on a bridge, asked by avahi, python-zeroconf, `micropypi discover` and
//! MicroPython. Needs root, iproute2, avahi-daemon, avahi-utils, dbus-daemon, and `tests/clients/install`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod announced;
mod boards;
mod conflicts;
mod discover;
mod interfaces;
mod lan;
mod names;
mod peers;

const LISTEN: &str = "listen = [\"[::]:8089\"]";

const INDEX: &str = "_pypi._tcp.local.";
