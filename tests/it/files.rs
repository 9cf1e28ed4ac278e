//! `/packages/`: the listing and the files, with everything that HTTP has for caches and for broken downloads.

use std::fs;

use crate::dists::Dist;
use crate::form::sha256;
use crate::harness::{Server, Site, eventually};
use crate::raw::{Request, Response};

const VERSION: &str = "0.2.0rc99+dev42";
const TARGET: &str = "/packages/blinky-0.2.0rc99+dev42.tar.gz";

fn server() -> (Server, Dist) {
    let dist = Dist::sdist("blinky", VERSION);
    (Site::new().package(&dist).start(), dist)
}

fn range(server: &Server, range: &str) -> Response {
    server.send(Request::get(TARGET).header("Range", range))
}

#[test]
fn a_file_is_itself_by_either_spelling_of_plus() {
    let (server, dist) = server();
    for target in [
        TARGET,
        "/packages/blinky-0.2.0rc99%2Bdev42.tar.gz",
        "/packages/blinky-0.2.0rc99%2bdev42.tar.gz",
    ] {
        let answer = server.get(target);
        assert_eq!(answer.status, 200, "{target}");
        assert!(answer.body == dist.bytes);
        assert_eq!(answer.header("content-type"), Some("application/gzip"));
        assert_eq!(answer.header("content-encoding"), None);
        assert_eq!(answer.header("accept-ranges"), Some("bytes"));
    }
    let zipped = server.send(Request::get(TARGET).header("Accept-Encoding", "gzip, br, zstd"));
    assert_eq!(
        (zipped.header("content-encoding"), zipped.body == dist.bytes),
        (None, true)
    );
}

#[test]
fn a_wheel_is_sent_as_a_zip() {
    let wheel = Dist::wheel("blinky", VERSION);
    let server = Site::holding(std::slice::from_ref(&wheel)).start();
    let answer = server.get(&format!("/packages/{}", wheel.filename));
    assert_eq!(answer.header("content-type"), Some("application/zip"));
    assert!(answer.body == wheel.bytes);
}

#[test]
fn head_tells_the_length_and_sends_nothing() {
    let (server, dist) = server();
    let answer = server.send(Request::new("HEAD", TARGET));
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_eq!(
        answer.header("content-length"),
        Some(dist.bytes.len().to_string().as_str())
    );
}

#[test]
fn ranges() {
    let (server, dist) = server();
    let size = dist.bytes.len();
    let last = size - 1;
    for (asked, expected, content_range) in [
        ("bytes=0-9", 0..10, format!("bytes 0-9/{size}")),
        ("bytes=10-", 10..size, format!("bytes 10-{last}/{size}")),
        ("bytes=-7", size - 7..size, format!("bytes {}-{last}/{size}", size - 7)),
        ("bytes=5-999999999", 5..size, format!("bytes 5-{last}/{size}")),
    ] {
        let answer = range(&server, asked);
        assert_eq!(answer.status, 206, "{asked}");
        assert!(answer.body == dist.bytes[expected], "{asked}");
        assert_eq!(answer.header("content-range"), Some(content_range.as_str()));
    }
    let beyond = range(&server, &format!("bytes={size}-"));
    assert_eq!(
        (beyond.status, beyond.header("content-range")),
        (416, Some(format!("bytes */{size}").as_str()))
    );
    for ignored in ["lines=1-2", "bytes=9-1", "bytes=x-", "bytes=0-1,4-5"] {
        let answer = range(&server, ignored);
        assert!(answer.status == 200 && answer.body == dist.bytes, "{ignored}");
    }
}

#[test]
fn if_range_continues_only_the_same_file() {
    let (server, dist) = server();
    let etag = server.get(TARGET).header("etag").unwrap().to_owned();
    let ask = |tag: &str| server.send(Request::get(TARGET).header("Range", "bytes=1-").header("If-Range", tag));
    assert_eq!(ask(&etag).status, 206);
    let other = ask("\"another\"");
    assert_eq!((other.status, other.body.len()), (200, dist.bytes.len()));
}

#[test]
fn files_are_revalidated_by_a_strong_etag_or_a_date() {
    let dist = Dist::sdist("blinky", VERSION);
    let site = Site::holding(std::slice::from_ref(&dist)).dated(&dist, 1_234_567_890_000_000);
    let server = site.start();
    let first = server.get(TARGET);
    let etag = first.header("etag").unwrap();
    assert!(etag.starts_with('"'), "strong: {etag}");
    let date = "Fri, 13 Feb 2009 23:31:30 GMT";
    assert_eq!(first.header("last-modified"), Some(date));
    for (name, value) in [("If-None-Match", etag), ("If-Modified-Since", date)] {
        let answer = server.send(Request::get(TARGET).header(name, value));
        assert_eq!((answer.status, answer.body.len()), (304, 0), "{name}");
        assert_eq!(answer.header("etag"), Some(etag));
    }
    for (since, status) in [
        ("Sun, 06 Nov 1994 08:49:37 GMT", 200),
        ("Friday, 13-Feb-09 23:31:30 GMT", 304),
        ("yesterday", 200),
    ] {
        let answer = server.send(Request::get(TARGET).header("If-Modified-Since", since));
        assert_eq!(answer.status, status, "{since}");
    }
}

#[test]
fn what_is_older_by_its_date_is_sent_to_who_has_the_newer() {
    let [newer, older] = ["newer = 1", "older = 1"].map(|source| Dist::sdist_with("blinky", VERSION, "", source));
    let site = Site::holding(std::slice::from_ref(&newer)).dated(&newer, 1_234_567_890_000_000);
    let server = site.start();
    let date = server.get(TARGET).header("last-modified").unwrap().to_owned();
    site.package(&older).dated(&older, 1_000_000_000_000_000);
    eventually("the older file is served", || {
        (server.get(TARGET).body == older.bytes).then_some(())
    });
    let answer = server.send(Request::get(TARGET).header("If-Modified-Since", &date));
    assert!((answer.status, answer.body) == (200, older.bytes));
}

#[test]
fn files_are_cached_no_longer_than_told() {
    let (server, dist) = server();
    let cautious = server.get(TARGET).header("cache-control").unwrap().to_owned();
    assert!(
        cautious.contains("no-cache") || cautious.contains("max-age=0"),
        "{cautious}"
    );
    let server = Site::new().package(&dist).set("index.cache_control", "3600").start();
    assert!(
        server
            .get(TARGET)
            .header("cache-control")
            .unwrap()
            .contains("max-age=3600")
    );
}

#[test]
fn no_shared_cache_keeps_what_asks_for_a_password() {
    let site = Site::new()
        .package(&Dist::wheel("blinky", "1.0"))
        .set("index.cache_control", "3600");
    for (rights, scope) in [("[]", "public"), (r#"["download"]"#, "private")] {
        let server = site.clone().set("auth.protect", rights).start();
        let package = server.get("/blinky/package.json").json();
        let url = package["urls"][0][1].as_str().unwrap();
        let content = url.strip_prefix(&server.url()).unwrap();
        for target in [content, "/packages/blinky-1.0-py3-none-any.whl"] {
            let answer = server.send(Request::get(target).by_user());
            let caching = answer.header("cache-control").unwrap();
            assert!(
                caching.starts_with(&format!("{scope}, max-age=")),
                "{target}: {caching}"
            );
        }
    }
}

/// In a relative URL, what stands before the first colon is a scheme (RFC 3986 section 4.2).
#[test]
fn a_folder_with_a_colon_is_no_scheme() {
    let (site, dist) = (Site::new(), Dist::sdist("blinky", "1.0"));
    fs::create_dir(site.packages().join("c:")).unwrap();
    fs::write(site.packages().join("c:").join(&dist.filename), &dist.bytes).unwrap();
    let server = site.start();
    let link = format!("c%3A/{}", dist.filename);
    assert!(server.get("/packages/").text().contains(&format!("\"{link}#")));
    assert!(server.get(&format!("/packages/{link}")).body == dist.bytes);
}

#[test]
fn the_listing_has_every_file_with_its_hash() {
    let dist = Dist::sdist("blinky", VERSION);
    let site = Site::new().package(&dist);
    let wheel = Dist::wheel("abacus", "1.0");
    fs::create_dir_all(site.packages().join("old/2019")).unwrap();
    fs::write(site.packages().join("old/2019").join(&wheel.filename), &wheel.bytes).unwrap();
    for hidden in [
        ".hidden-1.0.tar.gz",
        "blinky-1.0.tar.gz.asc",
        "blinky-1.0.tar.gz.metadata",
        "blinky-1.0.tar.gz.yanked",
    ] {
        fs::write(site.packages().join(hidden), "x").unwrap();
    }
    fs::create_dir(site.packages().join(".git")).unwrap();
    fs::write(site.packages().join(".git/secret-1.0.tar.gz"), "x").unwrap();
    let server = site.start();
    let listing = server.get("/packages/");
    for (path, dist) in [
        (dist.filename.clone(), &dist),
        (format!("old/2019/{}", wheel.filename), &wheel),
    ] {
        assert!(
            listing
                .text()
                .contains(&format!("{path}#sha256={}", sha256(&dist.bytes))),
            "{path}: {}",
            listing.text()
        );
        assert!(server.get(&format!("/packages/{path}")).body == dist.bytes, "{path}");
    }
    for word in ["hidden", "secret", ".asc", ".metadata<", ".yanked"] {
        assert!(!listing.text().contains(word), "{word}: {}", listing.text());
    }
    assert!(
        server
            .get("/simple/abacus/")
            .text()
            .contains(&format!("old/2019/{}", wheel.filename))
    );
    assert_eq!(server.get("/packages").status, 200);
}

#[test]
fn nothing_but_distributions_is_handed_out() {
    let dist = Dist::sdist("blinky", VERSION);
    let site = Site::new().package(&dist);
    fs::write(site.packages().join(".secret-1.0.tar.gz"), "x").unwrap();
    fs::write(site.packages().join("notes.txt"), "x").unwrap();
    let server = site.start();
    for target in [
        "/packages/.secret-1.0.tar.gz",
        "/packages/notes.txt",
        "/packages/../htpasswd",
        "/packages/%2e%2e/htpasswd",
        "/packages/..%2fhtpasswd",
        "/packages/..%2F..%2Fconfig.toml",
        "/packages//etc/passwd",
        "/packages/%00",
        "/packages/%ff",
        "/packages/blinky-9.9.tar.gz",
    ] {
        assert!(matches!(server.get(target).status, 400 | 404), "{target}");
    }
}

#[test]
fn a_replaced_file_changes_its_etag() {
    let (server, _) = server();
    let before = server.get(TARGET).header("etag").unwrap().to_owned();
    let other = Dist::sdist_with("blinky", VERSION, "", "x = 2\n");
    let staged = server.site.path("staged");
    fs::write(&staged, &other.bytes).unwrap();
    fs::rename(&staged, server.site.packages().join(&other.filename)).unwrap();
    let answer = eventually("the new content", || {
        Some(server.get(TARGET)).filter(|answer| answer.body == other.bytes)
    });
    assert_ne!(answer.header("etag"), Some(before.as_str()));
}
