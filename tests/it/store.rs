//! The package directory: what is changed by hand, what survives a restart and a kill, what is no distribution.

mod by_hand;
mod cache;
mod copies;
mod ends;
mod folder;

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::dists::Dist;
use crate::form::sha256;
use crate::harness::{Server, eventually};

fn await_listed(server: &Server, dist: &Dist) {
    let digest = sha256(&dist.bytes);
    let target = format!("/simple/{}/", dist.name);
    eventually("the page lists the file", || {
        Some(()).filter(|()| server.get(&target).text().contains(&digest))
    });
}

fn await_gone(server: &Server, dist: &Dist) {
    let target = format!("/simple/{}/", dist.name);
    eventually("the page lists it no more", || {
        Some(()).filter(|()| !server.get(&target).text().contains(&dist.filename))
    });
}

/// Copies a file that is whole, and waits until it shows: all looks that were due before have been taken.
fn await_another(server: &Server, version: &str) {
    let other = Dist::wheel("abacus", version);
    fs::write(server.site.packages().join(&other.filename), &other.bytes).unwrap();
    await_listed(server, &other);
}

/// Takes all the space that is left in a directory.
pub(crate) fn fill(directory: &Path) {
    let mut ballast = File::create(directory.join("ballast")).unwrap();
    while ballast.write_all(&[1; 4096]).is_ok() {}
}
