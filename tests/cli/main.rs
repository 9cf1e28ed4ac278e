//! The command line: what the commands print, where they look, and that those that only look change nothing.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;

mod check_config;
mod healthcheck;
mod help;
mod mistakes;
mod passwd;
mod run;
mod start;
mod trial;
