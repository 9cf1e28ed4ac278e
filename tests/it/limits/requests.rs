//! Requests that are no HTTP, or not quite.

use std::io::Write;

use crate::dists::Dist;
use crate::harness::{Server, Site};
use crate::raw::{Response, connect};

#[test]
fn broken_requests_do_no_harm() {
    let server = Server::start();
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(200_000));
    for bytes in [
        b"\x00\x01\x02\r\n\r\n".as_slice(),
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        long.as_bytes(),
    ] {
        let mut stream = connect(server.address).unwrap();
        // The server may close before it has read all of it.
        let _ = stream.write_all(bytes);
        let answer = Response::read(&mut stream);
        assert!(answer.is_none_or(|answer| (400..600).contains(&answer.status)));
    }
    assert_eq!(server.get("/health").status, 200);
}

/// RFC 9112 section 3.2; HTTP/1.0 knows no Host.
#[test]
fn a_request_names_one_host() {
    let server = Site::new().package(&Dist::sdist("blinky", "1.0")).start();
    // Ready answers, others, and no route at all.
    for target in [
        "/simple/blinky/",
        "/blinky/json",
        "/Blinky/json",
        "/health",
        "/absent/a",
    ] {
        let status = |request: &str| {
            let mut stream = connect(server.address).unwrap();
            write!(stream, "GET {target} {request}Connection: close\r\n\r\n").unwrap();
            Response::read(&mut stream).unwrap().status
        };
        let usual = if target == "/absent/a" { 404 } else { 200 };
        for (request, expected) in [
            ("HTTP/1.1\r\nHost: x\r\n", usual),
            ("HTTP/1.1\r\nHost:\r\n", usual),
            ("HTTP/1.1\r\nHost: [fe80::1%25eth0]:8089\r\n", usual),
            ("HTTP/1.0\r\n", usual),
            ("HTTP/1.1\r\n", 400),
            ("HTTP/1.1\r\nHost: a\"b\r\n", 400),
            ("HTTP/1.1\r\nHost: x\r\nHost: x\r\n", 400),
            ("HTTP/1.0\r\nHost: x\r\nHost: y\r\n", 400),
        ] {
            assert_eq!(status(request), expected, "{target} {request:?}");
        }
    }
}
