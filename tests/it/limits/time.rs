//! Clients that take their time, with the request or with the answer.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::dists::Dist;
use crate::form::Form;
use crate::harness::{Server, Site, eventually};
use crate::raw::{Request, Response, connect};

/// A connection on which a request's head has begun.
fn begin_head(server: &Server) -> TcpStream {
    let mut stream = connect(server.address).unwrap();
    stream.write_all(b"GET /simple/ HTTP/1.1\r\nHost: x\r\n").unwrap();
    stream
}

#[test]
fn a_head_that_never_ends_is_given_up() {
    let server = Site::new().set("limits.header_seconds", "1").start();
    Response::read(&mut begin_head(&server))
        .unwrap()
        .assert_says(408, &["1 s", "header_seconds"]);
}

#[test]
fn a_head_that_never_ends_holds_up_no_stop() {
    let server = Site::new().set("limits.header_seconds", "600").start();
    let _stream = begin_head(&server);
    // Accepted after that one.
    assert_eq!(server.get("/health").status, 200);
    let (status, log) = server.stop();
    assert!(status.success() && !log.contains("did not end in time"), "{log}");
}

#[test]
fn a_connection_that_asks_nothing_more_is_ended_without_a_word() {
    let server = Site::new().set("limits.header_seconds", "1").start();
    let mut stream = connect(server.address).unwrap();
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    assert_eq!(answers.matches("HTTP/1.1").count(), 1, "{answers}");
    assert!(answers.starts_with("HTTP/1.1 200"), "{answers}");
}

/// A connection on which the form for an upload has come, but for its end.
fn begin_upload(server: &Server) -> TcpStream {
    Form::upload(&Dist::sdist("blinky", "1.0")).begin(server, 100_000)
}

#[test]
fn a_body_that_stops_is_given_up() {
    let server = Site::new().set("limits.body_idle_seconds", "1").start();
    Response::read(&mut begin_upload(&server))
        .unwrap()
        .assert_says(408, &["1 s"]);
    server.site.assert_holds(&[]);
}

#[test]
fn a_slow_upload_that_moves_passes() {
    let server = Site::new()
        .set("limits.body_idle_seconds", "1")
        .set("limits.header_seconds", "1")
        .start();
    let request = Form::upload(&Dist::sdist("blinky", "1.0")).request("/").by_user();
    let bytes = request.bytes(server.address);
    let (head, body) = bytes.split_at(request.head(server.address).len());
    let mut stream = connect(server.address).unwrap();
    stream.write_all(head).unwrap();
    // A weak link: the whole takes twice as long as any pause may.
    let pieces = 20;
    for piece in body.chunks(body.len() / pieces + 1) {
        thread::sleep(Duration::from_secs(2) / u32::try_from(pieces).unwrap());
        stream.write_all(piece).unwrap();
    }
    assert_eq!(Response::read(&mut stream).unwrap().status, 200);
}

#[test]
fn a_second_signal_cuts_off_what_the_first_waits_for_and_leaves_nothing_of_it() {
    let site = Site::new();
    let server = site.start();
    let _stream = begin_upload(&server);
    eventually("the upload has begun", || server.site.stored().pop());
    server.signal(Signal::TERM);
    server.await_log("waiting for 1 open requests");
    let (status, log) = server.stop();
    assert!(status.success() && log.contains("open requests are cut off"), "{log}");
    site.assert_holds(&[]);
}

/// Has a client take one byte of an answer, and waits until it is cut off.
fn assert_cut_off(server: &Server, dist: &Dist) {
    let mut stuck = connect(server.address).unwrap();
    let request = Request::get(&format!("/packages/{}", dist.filename));
    stuck.write_all(request.head(server.address).as_bytes()).unwrap();
    stuck.read_exact(&mut [0]).unwrap();
    // It holds the only connection: the answer to another comes when it is cut off, and not before.
    assert_eq!(server.get("/health").status, 200);
    let cut = Response::read(&mut stuck).map_or(0, |answer| answer.body.len());
    assert!(cut < dist.bytes.len());
}

#[test]
fn a_client_that_takes_nothing_is_cut_off() {
    // More than the buffers of both ends hold.
    let dist = Dist::noise(64 << 20);
    let site = Site::new().package(&dist).set("limits.connections", "1");
    let brief = site.clone().set("limits.body_idle_seconds", "1");
    assert_cut_off(&brief.start(), &dist);
    // A reload has the same effect.
    let server = site.start();
    brief.configure();
    server.signal(Signal::HUP);
    server.await_log("reloaded");
    assert_cut_off(&server, &dist);
}
