//! What mip reads, byte by byte: for the firmware that speaks HTTP/1.0, and for the next, which speaks HTTP/1.1 and closes.

use std::fs;
use std::io::{Read, Write};
use std::slice;
use std::thread;

use rustix::process::Signal;

use crate::dists::Dist;
use crate::form::sha256;
use crate::harness::{Server, Site, eventually};
use crate::raw::{Request, Response, connect};

const SOURCE: &[u8] = b"ON = 1\n";

fn blinky(version: &str) -> Dist {
    let font = vec![7; 70_000];
    let files: [(&str, &[u8]); 2] = [("blinky/__init__.py", SOURCE), ("blinky/font.bin", &font)];
    Dist::wheel_of("blinky", version, "Requires-Dist: pulse>=1\n", &files)
}

fn site() -> Site {
    Site::holding(&[blinky("1.0"), Dist::wheel("pulse", "1.0"), Dist::wheel("pulse", "1.1")])
}

/// Firmware up to 1.28: HTTP/1.0, with a `Host` that lacks the port.
fn old(target: &str) -> Request {
    Request::board(target).header("Host", "127.0.0.1")
}

/// The 1.29 line: HTTP/1.1 with `Connection: close`.
fn new(target: &str) -> Request {
    Request::get(target).header("Host", "127.0.0.1")
}

/// The answer, after which the server must have closed the connection.
fn closed(server: &Server, request: &Request) -> Response {
    let mut stream = connect(server.address).unwrap();
    stream.write_all(&request.bytes(server.address)).unwrap();
    let answer = Response::read(&mut stream).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "{}: still open", request.summary());
    answer
}

/// The file that the manifest names for a path.
fn hashed(manifest: &Response, path: &str) -> String {
    let json = manifest.json();
    let hashes = json["hashes"].as_array().unwrap();
    let found = hashes.iter().find(|entry| entry[0] == path).unwrap();
    found[1].as_str().unwrap().to_owned()
}

#[test]
fn every_answer_has_a_length_and_ends_with_the_connection() {
    let server = site().start();
    let font = sha256(&[7; 70_000]);
    let file = format!("/file/{}/{}", &font[..2], &font[..16]);
    for target in [
        "/package/6/blinky/latest.json",
        "//package/6/blinky/1.0.json",
        "/package/py/blinky/1.0.json",
        &file,
        "/blinky/package.json",
        "/blinky/1.0/package.json",
        "/index.json",
        "/micropypi.py",
        "/micropypi.mpy",
    ] {
        for request in [old(target), new(target)] {
            let answer = closed(&server, &request);
            assert_eq!(answer.status, 200, "{target}");
            let length = answer.body.len().to_string();
            assert_eq!(answer.header("content-length"), Some(&*length), "{target}");
            for header in ["transfer-encoding", "content-encoding", "location"] {
                assert_eq!(answer.header(header), None, "{target}: {header}");
            }
        }
    }
    assert_eq!(closed(&server, &old(&file)).body, [7; 70_000]);
}

#[test]
fn what_is_missing_is_a_404_and_never_a_redirect() {
    let server = site()
        .set("index.fallback_url", r#""http://127.0.0.1:9/simple""#)
        .start();
    for target in [
        "/package/6/nothing/latest.json",
        "/package/6/blinky/9.0.json",
        "/package/6/blinky/%20.json",
        "/package/6/blinky/latest",
        "/package/5/blinky/latest.json",
        "/package/6/-/latest.json",
        "/file/ab/abcdef0123456789",
        "/file/..%2f/..%2f..%2fhtpasswd",
        "/nothing/package.json",
        "/blinky/9.0/package.json",
        "/boards/blinky/9.0.tar.gz",
    ] {
        for request in [old(target), new(target)] {
            let answer = closed(&server, &request);
            assert_eq!(answer.status, 404, "{target}");
            assert_eq!(answer.header("location"), None, "{target}");
            let length = answer.body.len().to_string();
            assert_eq!(answer.header("content-length"), Some(&*length), "{target}");
        }
    }
}

/// Empties the cache of what boards get, as soon as these contents are in it.
fn forget_contents(site: &Site, contents: &[&[u8]]) {
    let cached = site.path("data/cache/files");
    for content in contents {
        let digest = sha256(content);
        let path = cached
            .join(&digest[..4])
            .join(format!("{}-{}", &digest[4..], content.len()));
        eventually("it is ready for boards", || path.exists().then_some(()));
    }
    fs::remove_dir_all(cached).unwrap();
}

#[test]
fn what_was_taken_away_is_missing_before_the_server_is_told() {
    let release = |version, source: &[u8]| Dist::wheel_of("blinky", version, "", &[("blinky.py", source)]);
    let (kept, gone) = (release("1.0", b"OLD = 1\n"), release("2.0", b"NEW = 1\n"));
    let server = Site::holding(&[kept, gone.clone()])
        .set("store.watch", r#""off""#)
        .start();
    forget_contents(&server.site, &[b"OLD = 1\n", b"NEW = 1\n"]);
    fs::remove_file(server.site.packages().join(&gone.filename)).unwrap();
    let latest = closed(&server, &old("/package/6/blinky/latest.json"));
    assert_eq!(latest.status, 200, "{}", latest.text());
    assert_eq!(latest.json()["version"], "1.0");
    let exact = closed(&server, &old("/package/6/blinky/2.0.json"));
    exact.assert_says(404, &["blinky 2.0 is not here"]);
    assert!(!server.log().contains("ERROR"), "{}", server.log());
}

#[test]
fn what_was_replaced_is_never_taken_for_what_was_there_before() {
    let release = |source: &[u8]| Dist::wheel_of("blinky", "1.0", "", &[("blinky.py", source)]);
    let (one, two) = (release(b"ONE = 1\n"), release(b"TWO = 2\n"));
    let server = Site::holding(slice::from_ref(&one))
        .set("store.watch", r#""off""#)
        .start();
    forget_contents(&server.site, &[b"ONE = 1\n"]);
    let path = server.site.packages().join(&one.filename);
    let installed = || {
        let manifest = Some(server.get("/package/6/blinky/1.0.json")).filter(|manifest| manifest.status == 200)?;
        let hash = hashed(&manifest, "blinky.py");
        Some(server.get(&format!("/file/{}/{hash}", &hash[..2])).body)
    };
    for (dist, source) in [(&two, b"TWO = 2\n"), (&one, b"ONE = 1\n")] {
        fs::write(&path, &dist.bytes).unwrap();
        // Before the server is told.
        installed();
        server.signal(Signal::HUP);
        eventually("what lies there is installed", || {
            installed().filter(|installed| installed == source)
        });
    }
}

/// As a backup by hard links changes an inode, and nothing else of a file.
#[test]
fn of_many_boards_that_want_a_file_whose_inode_has_changed_one_has_it_read_again() {
    const SIZE: u64 = 32 << 20;
    let mut noise = vec![0; 32 << 20];
    getrandom::fill(&mut noise).unwrap();
    // Where boards look for nothing.
    let files: [(&str, &[u8]); 2] = [("large.py", b"ONE = 1\n"), ("large-1.0.dist-info/noise", &noise)];
    let dist = Dist::wheel_of("large", "1.0", "", &files);
    let server = Site::holding(slice::from_ref(&dist))
        .set("store.watch", r#""off""#)
        .start();
    forget_contents(&server.site, &[b"ONE = 1\n"]);
    let file = server.site.packages().join(&dist.filename);
    fs::hard_link(&file, server.site.path("backup")).unwrap();
    let before = server.bytes_read();
    let ask = || server.get("/package/6/large/latest.json").status;
    thread::scope(|scope| {
        let asked: Vec<_> = (0..10).map(|_| scope.spawn(ask)).collect();
        for status in asked {
            assert_eq!(status.join().unwrap(), 200);
        }
    });
    let read = server.bytes_read() - before;
    // Once to know it, and twice more to make of it what boards get.
    assert!((SIZE..4 * SIZE).contains(&read), "{read}");
}

#[test]
fn a_file_is_found_by_any_beginning_of_its_digest() {
    let server = site().start();
    assert_eq!(server.get("/package/6/blinky/latest.json").status, 200);
    let digest = sha256(SOURCE);
    for length in 4..=64 {
        let target = format!("/file/{}/{}", &digest[..2], &digest[..length]);
        let answer = closed(&server, &old(&target));
        assert_eq!((answer.status, &*answer.body), (200, SOURCE), "{target}");
    }
    let other = if digest.ends_with('0') { "1" } else { "0" };
    for wrong in [
        digest[..3].to_owned(),
        format!("{digest}0"),
        format!("{}{other}", &digest[..63]),
    ] {
        let target = format!("/file/{}/{wrong}", &digest[..2]);
        assert_eq!(closed(&server, &old(&target)).status, 404, "{target}");
    }
}

#[test]
fn the_manifest_is_what_mip_reads() {
    let server = site().start();
    for target in ["/package/6/blinky/latest.json", "/package/py/Blinky/1.0.json"] {
        let manifest = server.get(target);
        let json = manifest.json();
        assert_eq!(json["v"], 2, "{json}");
        assert_eq!(json["version"], "1.0", "{json}");
        assert_eq!(json["deps"], serde_json::json!([["pulse", "1.1"]]));
        assert_eq!(json["hashes"].as_array().unwrap().len(), 2, "{json}");
        let digits = hashed(&manifest, "blinky/__init__.py");
        assert!(digits.len() >= 8 && sha256(SOURCE).starts_with(&digits), "{digits}");
    }
}

#[test]
fn files_never_change_and_manifests_may() {
    let server = site().start();
    let manifest = server.get("/package/6/blinky/latest.json");
    assert!(
        !manifest
            .header("cache-control")
            .unwrap_or_default()
            .contains("immutable")
    );
    let digits = hashed(&manifest, "blinky/__init__.py");
    let file = server.get(&format!("/file/{}/{digits}", &digits[..2]));
    assert!(file.header("cache-control").unwrap().contains("immutable"));
}

#[test]
fn package_json_names_everything_by_a_url_with_a_port() {
    let server = site().start();
    let json = closed(&server, &old("/blinky/package.json")).json();
    let base = server.url();
    for entry in json["urls"].as_array().unwrap() {
        let url = entry[1].as_str().unwrap();
        let target = url.strip_prefix(&base).unwrap_or_else(|| panic!("{url}"));
        assert_eq!(closed(&server, &old(target)).status, 200, "{url}");
    }
    let requirement = json["deps"][0][0].as_str().unwrap();
    assert_eq!(requirement, format!("{base}/pulse/1.1/package.json"));
}

#[test]
fn the_index_lists_what_can_be_installed() {
    let platform = "abacus-1.0-cp311-cp311-linux_x86_64.whl";
    let platform = Dist::new("abacus", "1.0", platform, Dist::wheel("abacus", "1.0").bytes);
    let server = site().package(&platform).start();
    let json = server.get("/index.json").json();
    let packages = json["packages"].as_array().unwrap();
    let names: Vec<_> = packages.iter().map(|package| &package["name"]).collect();
    assert_eq!(names, ["blinky", "pulse"]);
    assert_eq!(packages[1]["version"], "1.1");
    assert_eq!(packages[1]["description"], "Blinks");
    assert_eq!(packages[1]["versions"]["6"], serde_json::json!(["1.0", "1.1"]));
}

#[test]
fn what_is_not_here_is_passed_on_by_name() {
    let requires = "Requires-Dist: umqtt.simple==1.3.4\nRequires-Dist: ntptime\n";
    let server = Site::holding(&[Dist::wheel_with("blinky", "1.0", requires)]).start();
    let deps = server.get("/package/6/blinky/latest.json").json()["deps"].clone();
    assert_eq!(
        deps,
        serde_json::json!([["umqtt.simple", "1.3.4"], ["ntptime", "latest"]])
    );
}

/// Every cached content with these bytes.
fn copies(site: &Site, content: &[u8]) -> usize {
    let files = crate::clients::tree(&site.path("data/cache/files"));
    files.values().filter(|bytes| *bytes == content).count()
}

#[test]
fn the_same_file_in_ten_releases_is_stored_once() {
    let versions: Vec<String> = (0..10).map(|minor| format!("1.{minor}")).collect();
    let dists: Vec<_> = versions.iter().map(|version| blinky(version)).collect();
    let server = Site::holding(&dists).start();
    let digits = versions.iter().map(|version| {
        let manifest = server.get(&format!("/package/6/blinky/{version}.json"));
        hashed(&manifest, "blinky/font.bin")
    });
    let digits: std::collections::BTreeSet<_> = digits.collect();
    assert_eq!(digits.len(), 1, "{digits:?}");
    assert_eq!(copies(&server.site, &[7; 70_000]), 1);
    assert_eq!(copies(&server.site, SOURCE), 1);
}
