//! Bad input and narrow places: each is refused with a status and a sentence, and leaves nothing behind.

mod archives;
mod crowds;
mod disk;
mod forms;
mod memory;
mod names;
mod requests;
mod time;

use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::dists::Dist;
use crate::form::Form;
use crate::harness::Site;

/// Makes a pipe, whose opening waits for its other end.
fn make_pipe(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

/// Numbers that are too large for the kernel or for a counter would end each connection, or the start.
#[test]
fn the_largest_numbers_that_are_taken_serve() {
    let numbers = ["form_fields", "archive_members", "unpack_ratio", "connections"];
    let site = numbers
        .iter()
        .fold(Site::new(), |site, key| site.set(&format!("limits.{key}"), "500000000"));
    let site = ["header_seconds", "body_idle_seconds"]
        .iter()
        .fold(site, |site, key| site.set(&format!("limits.{key}"), "2147483"));
    let server = site.start();
    assert_eq!(Form::upload(&Dist::sdist("blinky", "1.0")).post(&server).status, 200);
}
