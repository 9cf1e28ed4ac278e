//! What a board gets of a project, held against what the project's own backend builds and pip installs.
//! The backends, pip and MicroPython are in `target/clients`: run `tests/clients/install` first.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where by panicking")]

mod backends;
mod boards;
mod bytecode;
mod clients;
mod packages;
mod shelf;
