//! What is ready goes out by a shorter way than the rest: the same answer, and to nobody else.

use std::collections::BTreeSet;
use std::fs;

use crate::dists::Dist;
use crate::form::sha256;
use crate::harness::{Server, Site, eventually};
use crate::raw::{Request, Response};

const SOURCE: &[u8] = b"ON = 1\n";

fn dists() -> [Dist; 4] {
    [
        Dist::wheel_of("blinky", "1.0", "", &[("blinky.py", SOURCE)]),
        Dist::sdist("blinky", "1.1"),
        // Its name is also the beginning of a path.
        Dist::sdist("simple", "1.0"),
        Dist::sdist("micropython-pulse", "1.0"),
    ]
}

fn content() -> String {
    let digest = sha256(SOURCE);
    format!("/file/{}/{}", &digest[..2], &digest[..16])
}

/// All but the date, and the order of the headers.
fn told(answer: &Response) -> (u16, BTreeSet<&(String, String)>, &[u8]) {
    let headers = answer.headers.iter().filter(|(name, _)| name != "date");
    (answer.status, headers.collect(), &answer.body)
}

/// The same target with its last letter or digit percent-encoded: a detour for the server.
fn disguised(target: &str) -> String {
    let end = target
        .rfind("/json")
        .or(target.rfind('.'))
        .unwrap_or(target.trim_end_matches('/').len());
    let last = target.as_bytes()[end - 1];
    format!("{}%{last:02X}{}", &target[..end - 1], &target[end..])
}

/// Asks twice, so that whatever is kept from the first time answers the second.
fn ask(server: &Server, target: &str, headers: &[(&str, &str)]) -> Response {
    let request = |method| {
        let request = Request::new(method, target);
        headers
            .iter()
            .fold(request, |request, (name, value)| request.header(name, value))
    };
    server.send(request("GET"));
    let answer = server.send(request("GET"));
    // Ranges are for GET (RFC 9110 section 14.2).
    if !headers.iter().any(|(name, _)| *name == "Range") {
        let head = server.send(request("HEAD"));
        let (status, told_headers, _) = told(&answer);
        assert_eq!(
            told(&head),
            (status, told_headers, &b""[..]),
            "HEAD {target} {headers:?}"
        );
    }
    answer
}

#[test]
fn it_is_what_any_other_spelling_gets() {
    let server = Site::holding(&dists()).start();
    server.get("/package/6/blinky/1.0.json");
    let targets = [
        "/simple/blinky/",
        "/blinky/json",
        "/pulse/json",
        "/absent/json",
        "/package/6/blinky/latest.json",
        "/package/py/blinky/1.0.json",
        "/package/6/blinky/7.0.json",
        "/package/7/blinky/1.0.json",
        "/package/6/pulse/1.0.json",
        "/packages/blinky-1.1.tar.gz",
        "/packages/blinky-1.1.tar.gz.metadata",
        "/packages/absent-1.1.tar.gz",
        &content(),
        "/file/00/0000000000000000",
    ];
    let etag = |target| {
        ask(&server, target, &[])
            .header("etag")
            .unwrap_or("\"none\"")
            .to_owned()
    };
    for target in targets {
        let tag = etag(target);
        for headers in [
            [].as_slice(),
            &[("Accept", "application/vnd.pypi.simple.v1+json")],
            &[("Accept-Encoding", "gzip")],
            &[("If-None-Match", &tag)],
            &[("If-None-Match", "\"other\"")],
            &[("If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT")],
            &[("Range", "bytes=1-3")],
            &[("Range", "bytes=999999-")],
            &[("Host", "pi.local:80")],
            &[("Host", "a\"b")],
        ] {
            let other = disguised(target);
            let (answer, expected) = (ask(&server, target, headers), ask(&server, &other, headers));
            assert_eq!(told(&answer), told(&expected), "{target} {other} {headers:?}");
        }
    }
    // Of these, HEAD alone is another way.
    assert!(ask(&server, "/simple/", &[]).text().contains("blinky"));
    assert_eq!(
        ask(&server, "/simple/json", &[]).text(),
        "the project json is not here\n"
    );
}

#[test]
fn a_change_shows_at_once() {
    let site = Site::holding(&dists());
    let server = site.start();
    let targets = [
        "/simple/blinky/",
        "/simple/",
        "/blinky/json",
        "/package/6/blinky/latest.json",
    ];
    let before = targets.map(|target| ask(&server, target, &[]).body);
    for dist in [Dist::sdist("blinky", "2.0"), Dist::sdist("newcomer", "1.0")] {
        assert_eq!(crate::form::Form::upload(&dist).post(&server).status, 200);
    }
    for (target, before) in targets.into_iter().zip(before) {
        assert!(server.get(target).body != before, "{target}");
    }
}

#[test]
fn a_file_replaced_by_hand_is_never_sent_for_the_old_one() {
    // The first stays in memory once it was asked for, the second is too large for that.
    for size in [1_000, 1_000_000] {
        let (old, new) = (Dist::noise(size), Dist::noise(size));
        let site = Site::holding(&[old]);
        let server = site.start();
        let target = format!("/packages/{}", new.filename);
        ask(&server, &target, &[]);
        fs::write(site.packages().join(&new.filename), &new.bytes).unwrap();
        eventually("the new file", || {
            let now = server.get(&target);
            let digest = format!("\"{}\"", sha256(&now.body));
            assert!(now.status == 503 || now.header("etag") == Some(&digest), "{size}");
            (now.body == new.bytes).then_some(())
        });
    }
}

#[test]
fn who_has_no_right_gets_nothing_of_it() {
    let targets = [
        "/simple/blinky/",
        "/simple/",
        "/blinky/json",
        "/package/6/blinky/latest.json",
    ];
    let file = "/packages/blinky-1.1.tar.gz";
    let content = content();
    for (protected, closed, open) in [
        (r#"["list"]"#, [&targets[..], &[&content]].concat(), [file].to_vec()),
        (r#"["download"]"#, [file, &content].to_vec(), targets.to_vec()),
    ] {
        let server = Site::holding(&dists()).set("auth.protect", protected).start();
        server.send(Request::get("/package/6/blinky/1.0.json").by_user());
        for target in &closed {
            for _ in 0..2 {
                assert_eq!(server.send(Request::get(target).by_user()).status, 200, "{target}");
            }
            assert_eq!(server.get(target).status, 401, "{target}");
        }
        for target in &open {
            assert_eq!(ask(&server, target, &[]).status, 200, "{target}");
        }
    }
}

#[test]
fn a_health_endpoint_comes_first() {
    let server = Site::holding(&dists())
        .set("health_endpoint", "\"/blinky/json\"")
        .start();
    assert_eq!(ask(&server, "/blinky/json", &[]).text(), "ok\n");
}
