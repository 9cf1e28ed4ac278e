//! Black-box tests of the `micropypi` program by protocol, with the real clients that `tests/clients/install` puts into
//! `target/clients`. Each test has a server of its own, on a port of its own, in a directory of its own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;

mod arrives;
mod auth;
mod boards;
mod bytecode;
mod clients;
mod dists;
mod durable;
mod files;
mod form;
mod limits;
mod log;
mod micropythons;
mod mip;
mod mip_wire;
mod mpremote;
mod pages;
mod pip_uv;
mod prefix;
mod proxy;
mod publish;
mod pypi_json;
mod pypiserver;
mod raw;
mod ready;
mod seed_day;
mod simple;
mod store;
mod systemd;
mod tls;
mod upip;
mod upload;
