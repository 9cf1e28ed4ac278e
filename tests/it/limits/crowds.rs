//! More clients at once than there are connections, files or threads.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;

use super::make_pipe;
use crate::dists::Dist;
use crate::form::Form;
use crate::harness::{Server, Site, eventually};
use crate::raw::{Request, Response, connect, connect_from};

#[test]
fn many_connections_need_no_setting_of_the_shell() {
    let server = Site::new().start_after("ulimit -S -n 64");
    let idle: Vec<_> = (0..100).map(|_| connect(server.address).unwrap()).collect();
    assert_eq!(server.get("/health").status, 200);
    drop(idle);
}

#[test]
fn a_crowd_that_there_are_no_files_for_does_not_fill_the_log() {
    let site = Site::new().set("limits.header_seconds", "1");
    let server = site.start_after("ulimit -n 64");
    let crowd: Vec<_> = (0..100).map(|_| connect(server.address).unwrap()).collect();
    // Each is let in when others were given up, and is given up.
    for mut client in crowd {
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    }
    assert_eq!(server.get("/health").status, 200);
    let words = server.log().matches("cannot accept connections").count();
    let workers = thread::available_parallelism().unwrap().get();
    assert!((1..=workers).contains(&words), "{}", server.log());
}

/// Asks on a connection that stays open, and reads up to the end of the answer.
fn ask_and_stay(stream: &mut TcpStream) {
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\nok\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        answer.extend_from_slice(&byte);
    }
}

#[test]
fn further_connections_wait() {
    let server = Site::new().set("limits.connections", "1").start();
    let mut first = connect(server.address).unwrap();
    ask_and_stay(&mut first);
    let mut second = connect(server.address).unwrap();
    second
        .write_all(Request::get("/health").head(server.address).as_bytes())
        .unwrap();
    for _ in 0..20 {
        ask_and_stay(&mut first);
    }
    second.set_nonblocking(true).unwrap();
    let waiting = second.read(&mut [0]).unwrap_err();
    assert_eq!(waiting.kind(), ErrorKind::WouldBlock);
    second.set_nonblocking(false).unwrap();
    drop(first);
    assert_eq!(Response::read(&mut second).unwrap().status, 200);
}

#[test]
fn a_client_that_opens_all_it_can_leaves_room_for_others() {
    let site = Site::new()
        .set("limits.connections", "9")
        .set("limits.header_seconds", "600");
    let server = site.start();
    let mut greedy: Vec<_> = (0..30).map(|_| connect_from(66, server.address)).collect();
    server.await_log("a client has 3 connections open, its share of [limits] connections");
    let neighbour = |_| {
        let mut client = connect_from(7, server.address);
        ask_and_stay(&mut client);
        client
    };
    let neighbours: Vec<_> = (0..3).map(neighbour).collect();
    assert_eq!(server.get("/health").status, 200);
    // What was let in stays; what was not is closed.
    ask_and_stay(&mut greedy[0]);
    assert_eq!(greedy[29].read(&mut [0]).unwrap_or(0), 0);
    drop((greedy, neighbours));
    eventually("its connections have ended", || {
        let mut client = connect_from(66, server.address);
        client
            .write_all(Request::get("/health").head(server.address).as_bytes())
            .ok()?;
        Response::read(&mut client).filter(|answer| answer.status == 200)
    });
}

#[test]
fn a_proxy_has_the_connections_of_all_its_clients() {
    let site = Site::new()
        .set("limits.connections", "9")
        .set("trusted_proxies", r#"["127.0.0.66/32"]"#);
    let server = site.start();
    let mut open: Vec<_> = (0..8).map(|_| connect_from(66, server.address)).collect();
    open.iter_mut().for_each(ask_and_stay);
}

/// More clients than the server has threads, each with this request.
fn crowd(server: &Server, request: &Request) -> Vec<TcpStream> {
    let clients = thread::available_parallelism().unwrap().get() * 20;
    let client = |_| {
        let mut client = connect(server.address).unwrap();
        client.write_all(&request.bytes(server.address)).unwrap();
        client
    };
    (0..clients).map(client).collect()
}

#[test]
fn a_crowd_that_waits_for_what_boards_get_leaves_threads_to_others() {
    let dist = Dist::sdist("blinky", "1.0");
    let server = Site::new().package(&dist).set("store.watch", r#""off""#).start();
    let contents = server.site.path("data/cache/files");
    eventually("what boards get is made", || {
        contents
            .read_dir()
            .ok()?
            .flatten()
            .any(|entry| entry.path().is_dir())
            .then_some(())
    });
    // So it is made again for the first who asks, from a pipe that nobody writes into.
    fs::remove_dir_all(contents).unwrap();
    let file = server.site.packages().join(&dist.filename);
    fs::remove_file(&file).unwrap();
    make_pipe(&file);
    let pulse = Dist::sdist_with("pulse", "1.0", "", "BEAT = 1\n");
    assert_eq!(Form::upload(&pulse).post(&server).status, 200);
    let known = server.get("/project/pulse/");
    known.assert_says(200, &["<code>pulse/__init__.py</code>"]);
    let tarball = server.get("/boards/pulse/1.0.tar.gz");
    assert_eq!(tarball.status, 200);
    let crowd = crowd(&server, &Request::board("/package/6/blinky/latest.json"));
    assert_eq!(server.get("/health").status, 200);
    // What is known stays so, whatever else comes.
    assert_eq!(Form::upload(&Dist::sdist("abacus", "1.0")).post(&server).status, 200);
    assert!(server.get("/project/pulse/").body == known.body);
    let manifest = server.get("/package/6/pulse/latest.json");
    manifest.assert_says(200, &["pulse/__init__.py"]);
    assert!(server.get("/boards/pulse/1.0.tar.gz").body == tarball.body);
    drop(crowd);
}

#[test]
fn a_crowd_of_uploads_leaves_threads_to_others() {
    let dist = Dist::sdist("blinky", "1.0");
    let server = Site::new().set("store.watch", r#""off""#).start();
    // It is compared with what is there, which comes from a pipe that nobody writes into.
    make_pipe(&server.site.packages().join(&dist.filename));
    let crowd = crowd(&server, &Form::upload(&dist).request("/").by_user());
    // All but the one that is compared have a file in the staging area, beside the pipe.
    eventually("all are received", || {
        (server.site.stored().len() >= crowd.len()).then_some(())
    });
    assert_eq!(server.get("/health").status, 200);
    drop(crowd);
}
