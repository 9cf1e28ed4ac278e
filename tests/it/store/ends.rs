//! The end of a server, or of an upload, that nobody expected, and the one that somebody asked for.

use std::fs;
use std::net::TcpStream;

use super::await_listed;
use crate::dists::Dist;
use crate::form::Form;
use crate::harness::{Server, Site, eventually};

#[test]
fn an_acknowledged_upload_survives_a_kill() {
    let site = Site::new();
    let server = site.start();
    let dist = Dist::wheel("blinky", "1.0");
    assert_eq!(Form::upload(&dist).post(&server).status, 200);
    server.kill();
    assert_eq!(site.stored(), [dist.filename.as_str()]);
    await_listed(&site.start(), &dist);
}

#[test]
fn a_kill_in_the_middle_of_an_upload_leaves_no_litter() {
    let site = Site::new();
    let server = site.start();
    let dist = Dist::noise(4 << 20);
    let _stream = begin_upload(&server, &dist);
    assert_eq!(server.get("/simple/large/").status, 404);
    assert!(!server.get("/packages/").text().contains("large"));
    server.kill();
    let server = site.start();
    assert_eq!(site.stored(), Vec::<String>::new());
    assert_eq!(Form::upload(&dist).post(&server).status, 200);
}

/// A connection on which half of an upload has come, of which some lies in the packages directory.
fn begin_upload(server: &Server, dist: &Dist) -> TcpStream {
    let half = Form::fields_of(dist).file("content", &dist.filename, &dist.bytes[..dist.bytes.len() / 2]);
    let stream = half.begin(server, 5_000_000);
    eventually("the staging file grows", || {
        (staged_bytes(&server.site) > 0).then_some(())
    });
    stream
}

fn staged_bytes(site: &Site) -> u64 {
    let sizes = site
        .stored()
        .into_iter()
        .map(|name| fs::metadata(site.packages().join(name)).map_or(0, |file| file.len()));
    sizes.sum()
}

#[test]
fn an_upload_that_is_given_up_leaves_nothing() {
    let server = Server::start();
    let dist = Dist::noise(2 << 20);
    let stream = begin_upload(&server, &dist);
    drop(stream);
    eventually("the staging file is gone", || {
        Some(()).filter(|()| server.site.stored().is_empty())
    });
}

#[test]
fn a_stop_ends_well() {
    let server = Server::start();
    let (status, log) = server.stop();
    assert!(status.success(), "{log}");
}
