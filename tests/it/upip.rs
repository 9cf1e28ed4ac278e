//! `/{project}/json`: the bytes that upip reads, and upip itself on MicroPython 1.25.

use std::fs;
use std::path::{Path, PathBuf};

use crate::clients::{real_packages, tree, upip_install};
use crate::dists::Dist;
use crate::form::Form;
use crate::harness::{Server, Site};
use crate::raw::{Request, Response};

const TARBALL: &str = "/boards/blinky/1.0.tar.gz";

fn server_with(dists: &[Dist]) -> Server {
    Site::holding(dists).start()
}

fn ask(server: &Server, target: &str) -> Response {
    server.send(Request::board(target))
}

#[test]
fn the_answer_is_plain_http_1_0() {
    let server = server_with(&[Dist::sdist("blinky", "1.0")]);
    let answer = ask(&server, "/blinky/json");
    assert!(
        matches!(answer.status_line.as_str(), "HTTP/1.0 200 OK" | "HTTP/1.1 200 OK"),
        "{}",
        answer.status_line
    );
    assert_eq!(
        (answer.header("content-encoding"), answer.header("transfer-encoding")),
        (None, None)
    );
    assert_eq!(
        answer.header("content-length"),
        Some(answer.body.len().to_string().as_str())
    );
    let missing = ask(&server, "/nothing/json");
    assert!(missing.status_line.starts_with("HTTP/1.0 404 ") || missing.status_line.starts_with("HTTP/1.1 404 "));
    assert!(
        missing
            .status_line
            .split(' ')
            .nth(2)
            .is_some_and(|reason| !reason.is_empty()),
        "upip splits it in three"
    );
}

#[test]
fn the_json_is_the_least_that_upip_reads() {
    let server = server_with(&[
        Dist::sdist("blinky", "1.0"),
        Dist::wheel("blinky", "1.0"),
        Dist::sdist("blinky", "0.2.0rc99+dev42"),
    ]);
    let answer = ask(&server, "/blinky/json");
    let json = answer.json();
    assert_eq!(json.as_object().unwrap().len(), 2);
    assert_eq!(json["info"], serde_json::json!({"version": "1.0"}));
    let releases = json["releases"].as_object().unwrap();
    assert_eq!(releases.keys().collect::<Vec<_>>(), ["0.2.0rc99+dev42", "1.0"]);
    for (version, files) in releases {
        let [file] = files.as_array().unwrap().as_slice() else {
            panic!("{version}: {files}")
        };
        assert_eq!(file.as_object().unwrap().len(), 1);
        let url = file["url"].as_str().unwrap();
        assert!(url.starts_with(&server.url()) && url.ends_with(".tar.gz"), "{url}");
        let path = url.strip_prefix(&server.url()).unwrap();
        assert!(ask(&server, path).body.starts_with(&[0x1f, 0x8b]), "{url}");
    }
    assert!(
        !answer.text().contains(' '),
        "spaces cost a board memory: {}",
        answer.text()
    );
}

/// The only file below a directory that ends like this.
fn only(directory: &Path, ending: &str) -> PathBuf {
    let paths: Vec<_> = tree(directory)
        .into_keys()
        .filter(|path| path.ends_with(ending))
        .collect();
    let [path] = &*paths else { panic!("{paths:?}") };
    directory.join(path)
}

#[test]
fn a_damaged_tarball_is_made_anew() {
    let site = Site::holding(&[Dist::sdist("blinky", "1.0")]);
    let server = site.start();
    let whole = ask(&server, TARBALL).body;
    let kept = only(&server.site.path("data/cache/tarballs"), ".tar.gz");
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for damaged in [&whole[..whole.len() / 2], &flipped, b""] {
        fs::write(&kept, damaged).unwrap();
        assert!(ask(&server, TARBALL).body == whole);
    }
    fs::write(&kept, &flipped).unwrap();
    drop(server);
    assert!(ask(&site.start(), TARBALL).body == whole, "after a restart, too");
}

#[test]
fn a_board_is_not_told_that_the_cache_was_emptied() {
    let server = server_with(&[Dist::sdist("blinky", "1.0")]);
    let whole = ask(&server, TARBALL).body;
    for lost in ["tarballs", "files"] {
        fs::remove_dir_all(server.site.path("data/cache").join(lost)).unwrap();
    }
    assert!(ask(&server, TARBALL).body == whole);
}

#[test]
fn any_spelling_is_answered_at_once() {
    let server = server_with(&[Dist::sdist("micropython-umqtt.simple", "1.0")]);
    for name in [
        "micropython-umqtt.simple",
        "micropython-umqtt-simple",
        "Micropython_UMQTT.simple",
        "micropython.umqtt--simple",
    ] {
        for target in [
            format!("/{name}/json"),
            format!("//{name}/json"),
            format!("/pypi/{name}/json"),
            format!("/simple/{name}/json"),
            format!("/simple//{name}/json"),
        ] {
            assert_eq!(ask(&server, &target).status, 200, "{target}");
        }
    }
}

#[test]
fn a_board_is_never_redirected() {
    let server = Site::new()
        .set("index.fallback_url", r#""http://127.0.0.1:9/simple""#)
        .start();
    for target in ["/nothing/json", "//nothing/json", "/pypi/nothing/json"] {
        assert_eq!(ask(&server, target).status, 404, "{target}");
    }
}

#[test]
fn the_url_has_the_host_as_asked_and_always_a_port() {
    let server = server_with(&[Dist::sdist("blinky", "1.0")]);
    let base = |host: &str| {
        let answer = server.send(Request::board("/blinky/json").header("Host", host));
        answer.json()["releases"]["1.0"][0]["url"].as_str().unwrap().to_owned()
    };
    assert!(base("micropypi.local:8089").starts_with("http://micropypi.local:8089/"));
    assert!(base("192.0.2.7:80").starts_with("http://192.0.2.7:80/"));
    assert!(base("micropypi.local").starts_with("http://micropypi.local:80/"));
    let server = Site::new()
        .package(&Dist::sdist("blinky", "1.0"))
        .set("base_url", r#""http://pi.example""#)
        .start();
    assert!(ask(&server, "/blinky/json").text().contains("http://pi.example:80/"));
}

#[test]
fn of_few_releases_one_is_the_latest() {
    let blinky = |version| Dist::sdist_with("blinky", version, "", version);
    let mut dists = ["1.0", "1.1", "2.0rc1", "2.0rc2"].map(blinky).to_vec();
    dists.push(Dist::sdist_with("lamp", "1.0", "Requires-Dist: blinky>=1.1", ""));
    for (latest, releases, expected) in [
        ("newest", "1", &["2.0rc2"][..]),
        ("stable", "1", &["1.1"]),
        ("stable", "2", &["1.1", "2.0rc2"]),
        ("stable", "3", &["1.1", "2.0rc1", "2.0rc2"]),
    ] {
        let site = Site::holding(&dists).set("index.latest", &format!("{latest:?}"));
        let server = site.set("boards.releases", releases).start();
        let json = ask(&server, "/blinky/json").json();
        let told: Vec<_> = json["releases"].as_object().unwrap().keys().collect();
        assert_eq!(told, expected, "{latest} {releases}");
        let chosen = json["info"]["version"].as_str().unwrap();
        assert!(expected.contains(&chosen), "{chosen}");
        // What another package requires is pinned to one of those.
        let board = tempfile::tempdir().unwrap();
        upip_install("2M", &[&server.url()], board.path(), &["lamp"]).succeeded();
        let installed = tree(board.path()).remove("blinky/__init__.py").unwrap();
        let installed = String::from_utf8(installed).unwrap();
        assert!(
            expected.contains(&installed.as_str()),
            "{latest} {releases}: {installed}"
        );
    }
}

#[test]
fn latest_is_the_newest_or_the_newest_stable() {
    let dists = ["1.0", "1.1", "2.0rc1", "1.10"].map(|version| Dist::sdist("blinky", version));
    for (setting, expected) in [("newest", "2.0rc1"), ("stable", "1.10")] {
        let site = Site::holding(&dists);
        let server = site.set("index.latest", &format!("{setting:?}")).start();
        assert_eq!(ask(&server, "/blinky/json").json()["info"]["version"], expected);
    }
}

#[test]
fn upip_installs_what_was_just_uploaded() {
    let server = Server::start();
    let old = Dist::sdist_with("blinky", "0.1.0rc1+dev1", "", "OLD = 1\n");
    let new = Dist::sdist_with("blinky", "0.2.0rc99+dev42", "", "NEW = 2\n");
    for dist in [&old, &new] {
        assert_eq!(Form::upload(dist).post(&server).status, 200);
    }
    for (spec, expected) in [
        ("blinky", "NEW = 2\n"),
        ("Blinky", "NEW = 2\n"),
        ("blinky==0.1.0rc1+dev1", "OLD = 1\n"),
    ] {
        let board = tempfile::tempdir().unwrap();
        upip_install("2M", &[&server.url()], board.path(), &[spec]).succeeded();
        let files = tree(board.path());
        assert_eq!(files.keys().collect::<Vec<_>>(), ["blinky/__init__.py"], "{spec}");
        assert_eq!(files["blinky/__init__.py"], expected.as_bytes(), "{spec}");
    }
}

#[test]
fn upip_goes_on_to_its_next_index() {
    let (first, second) = (
        server_with(&[Dist::sdist("abacus", "1.0")]),
        server_with(&[Dist::sdist("blinky", "1.0")]),
    );
    let board = tempfile::tempdir().unwrap();
    let indexes = [format!("{}/", first.url()), second.url()];
    upip_install(
        "2M",
        &indexes.each_ref().map(String::as_str),
        board.path(),
        &["blinky", "abacus"],
    )
    .succeeded();
    assert_eq!(
        tree(board.path()).keys().collect::<Vec<_>>(),
        ["abacus/__init__.py", "blinky/__init__.py"]
    );
}

#[test]
fn upip_finds_its_stock_path() {
    let server = server_with(&[Dist::sdist("blinky", "1.0"), Dist::wheel("blinky", "1.0")]);
    let board = tempfile::tempdir().unwrap();
    upip_install("2M", &[&format!("{}/pypi", server.url())], board.path(), &["blinky"]).succeeded();
    assert!(tree(board.path()).contains_key("blinky/__init__.py"));
}

#[test]
fn upip_installs_real_packages_and_what_they_require() {
    let files = [
        "micropython-uasyncio-3.1.1.tar.gz",
        "micropython-uasyncio.core-2.3.tar.gz",
        "micropython-umqtt.simple-1.3.4.tar.gz",
        "micropython-esp32-ulp-1.2.0.tar.gz",
        "micropython_mdns-1.8.0.tar.gz",
        "picozero-0.6.1.tar.gz",
        "microdot-2.7.0.tar.gz",
    ];
    let server = real_packages(&files).start();
    let board = tempfile::tempdir().unwrap();
    let specs = [
        "micropython-uasyncio",
        "micropython-umqtt.simple",
        "micropython-esp32-ulp",
        "micropython-mdns",
        "picozero",
        "microdot",
    ];
    upip_install("2M", &[&server.url()], board.path(), &specs).succeeded();
    let installed = tree(board.path());
    for module in [
        "uasyncio/__init__.py",
        "uasyncio/core.py",
        "umqtt/simple.py",
        "esp32_ulp/__init__.py",
        "mdns_client/__init__.py",
        "picozero/picozero.py",
        "microdot/microdot.py",
    ] {
        assert!(
            installed.contains_key(module),
            "{module} is not in {:?}",
            installed.keys()
        );
    }
}

#[test]
fn upip_on_a_small_board_unpacks_what_any_backend_made() {
    let server = real_packages(&["micropython-umqtt.simple-1.3.4.tar.gz", "picozero-0.6.1.tar.gz"]).start();
    assert_eq!(Form::upload(&Dist::wheel("blinky", "1.0")).post(&server).status, 200);
    let board = tempfile::tempdir().unwrap();
    let specs = ["micropython-umqtt.simple", "picozero", "blinky"];
    upip_install("40k", &[&server.url()], board.path(), &specs).succeeded();
    let installed = tree(board.path());
    for module in ["umqtt/simple.py", "picozero/picozero.py", "blinky/__init__.py"] {
        assert!(
            installed.contains_key(module),
            "{module} is not in {:?}",
            installed.keys()
        );
    }
}

#[test]
fn an_original_sdist_is_too_much_for_a_small_board() {
    let server = real_packages(&["picozero-0.6.1.tar.gz"])
        .set("boards.upip", r#""original""#)
        .start();
    for (heap, works) in [("2M", true), ("40k", false)] {
        let board = tempfile::tempdir().unwrap();
        let outcome = upip_install(heap, &[&server.url()], board.path(), &["picozero"]);
        assert_eq!(outcome.success, works, "{heap}: {}", outcome.text);
    }
}

#[test]
fn a_project_without_an_original_sdist_is_not_said_to_be_missing() {
    let site = Site::holding(&[Dist::wheel("blinky", "1.0")]);
    let server = site.set("boards.upip", r#""original""#).start();
    ask(&server, "/blinky/json").assert_says(404, &["a release of blinky for upip is not here"]);
    ask(&server, "/absent/json").assert_says(404, &["the project absent is not here"]);
}

#[test]
fn upip_on_a_small_board_parses_eighty_releases() {
    let site = (0..80).fold(Site::new(), |site, minor| {
        site.package(&Dist::classic("blinky", &format!("1.{minor}"), ""))
    });
    let server = site.start();
    assert_eq!(
        ask(&server, "/blinky/json").json()["releases"]
            .as_object()
            .unwrap()
            .len(),
        80
    );
    let board = tempfile::tempdir().unwrap();
    // Objects take twice the room here that they take on a board.
    let outcome = upip_install("64k", &[&server.url()], board.path(), &["blinky"]);
    outcome.succeeded().says(&["blinky 1.79"]);
    assert!(tree(board.path()).contains_key("blinky.py"));
}
