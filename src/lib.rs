//! micropypi: a package index for MicroPython on a LAN, in one binary.
//!
//! One package goes in once (`twine upload`, `uv publish`, or a file dropped into a folder) and every client gets it in
//! the shape it needs, from one base URL: pip and uv get the index and the files, an old board gets what upip can
//! unpack, a new board gets what mip can install, a person gets a page, a LAN gets an mDNS announcement.
//!
//! # Truth and derived data
//!
//! The packages directory is the only truth: distribution files as uploaded, under their own names, plus small sidecars
//! (`NAME.metadata`, `NAME.asc`, `NAME.yanked`). Everything else is derived, lives in the cache directory, and may be
//! deleted at any time. The catalog is the whole index in memory: an immutable snapshot that readers take with one
//! atomic load and never lock, and that one writer replaces.
//!
//! # The rooms
//!
//! | room | what lives there |
//! |---|---|
//! | [`cli`] | clap types, and nothing else |
//! | [`commands`] | what each word of the command line does |
//! | [`config`] | the configuration: file, environment, flags, defaults; no runtime state |
//! | [`serve`] | configuration → store, catalog, listeners, router, mDNS → readiness → wait → drain → goodbye |
//! | [`telemetry`], [`systemd`] | the journal or stderr; readiness, watchdog, passed sockets |
//! | [`tls`], [`secrets`] | HTTPS; a warning of secrets that others can read |
//! | [`chain`], [`shell`] | an error with its sources, in one line; a word of a command to paste |
//! | [`durable`], [`lock`] | files and names that survive a power cut; a mutex that a panic does not close |
//! | [`cores`] | work that all cores share |
//! | [`dist`] | what a distribution is: name, version, file name, metadata, archive, digests; no I/O of its own |
//! | [`board`] | what a board gets, made from a distribution; no I/O of its own |
//! | [`store`] | the directory: stage, publish, open, walk, watch, remove; and the cache |
//! | [`auth`] | who may do what: policy, credentials, the htpasswd file |
//! | [`index`] | the catalog and the use cases over it: publish, remove, rescan |
//! | [`http`] | HTTP in, one use case, HTTP out |
//! | [`mdns`] | announce, withdraw, browse |
//!
//! # Laws
//!
//! 1. Only [`http`] and [`serve`] know axum. [`dist`] and [`board`] do no I/O beyond the reader that they are handed.
//! 2. The state that handlers share lives below them; the router sits above them. No circles between rooms, nor between
//!    files, but for the catalog and its projects, which keep what is rendered and made of them.
//! 3. Each room owns its error type. Only `http/error.rs` turns errors into statuses, by exhaustive matches.
//!    `Display` never prints its source.
//! 4. Only the commands and [`serve`] read [`config::Config`]; everybody else takes plain arguments.
//! 5. Parse, don't validate: `ProjectName`, `DistFilename`, `Digests`, `Limits` have one door each.
//! 6. Nothing that blocks runs on the runtime's threads: hashing, bcrypt, archives, directory walks.
//! 7. No `unwrap` outside tests; `expect` says why it cannot fail; no unsafe code.

pub mod auth;
pub mod board;
pub mod chain;
pub mod cli;
pub mod commands;
pub mod config;
pub mod cores;
pub mod dist;
pub mod durable;
pub mod http;
pub mod index;
pub mod lock;
pub mod mdns;
pub mod secrets;
pub mod serve;
pub mod shell;
pub mod store;
pub mod systemd;
pub mod telemetry;
pub mod tls;
