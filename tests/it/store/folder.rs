//! What may lie in a folder that others have filled: sub-folders, old names, what is no distribution, what is corrupt.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use super::await_listed;
use crate::dists::Dist;
use crate::form::Form;
use crate::harness::{Site, eventually};

#[test]
fn a_folder_of_pypiserver_is_served_as_it_stands() {
    let site = Site::new().package(&Dist::sdist("blinky", "1.0"));
    let old = [
        "Old_Style-0.1.zip",
        "old.style-0.2-py2.7.egg",
        "old-style-0.3.tar.bz2",
        "old_style-r42.tar.gz",
    ];
    for name in old {
        fs::write(site.packages().join(name), "from 2009").unwrap();
    }
    for name in ["README.txt", "notes", "blinky.tar.gz"] {
        fs::write(site.packages().join(name), "no distribution").unwrap();
    }
    let server = site.start();
    for name in old {
        // An archive that is damaged and young may be on its way here; it shows when it has stayed the same for a second.
        eventually("all of them are listed", || {
            let page = server.get("/simple/old-style/");
            page.text().contains(&format!(">{name}<")).then_some(())
        });
        assert_eq!(server.get(&format!("/packages/{name}")).text(), "from 2009");
    }
    let listing = server.get("/packages/");
    for name in ["README.txt", "notes", "blinky.tar.gz"] {
        assert!(!listing.text().contains(&format!(">{name}<")), "{name}");
        server.await_log(&format!("file={name} "));
        let log = server.log();
        let lines = log.lines().filter(|line| line.contains(&format!("file={name} ")));
        assert_eq!(
            lines.count(),
            1,
            "one line for {name}:
{log}"
        );
    }
}

#[test]
fn several_directories_are_one_index() {
    let (here, there) = (
        Dist::sdist_with("blinky", "1.0", "", "here = 1\n"),
        Dist::sdist_with("blinky", "1.0", "", "there = 1\n"),
    );
    let site = Site::new()
        .package(&here)
        .set("store.packages", r#"["data/packages", "more"]"#);
    fs::create_dir(site.path("more")).unwrap();
    let other = Dist::wheel("abacus", "1.0");
    fs::write(site.path("more").join(&there.filename), &there.bytes).unwrap();
    fs::write(site.path("more").join(&other.filename), &other.bytes).unwrap();
    let server = site.start();
    assert!(server.get("/packages/blinky-1.0.tar.gz").body == here.bytes);
    assert!(server.get(&format!("/packages/{}", other.filename)).body == other.bytes);
    let new = Dist::sdist("winky", "1.0");
    assert_eq!(Form::upload(&new).post(&server).status, 200);
    assert!(server.site.packages().join(&new.filename).exists());
}

#[test]
fn a_name_that_nobody_can_ask_for_is_logged_once() {
    let site = Site::new().set("store.watch", r#""poll""#);
    let name = OsStr::from_bytes(b"blink\xff-1.0.tar.gz");
    fs::write(site.packages().join(name), "x").unwrap();
    let server = site.start();
    server.await_log("ignored: not a distribution");
    // It was looked at once more when this one shows.
    let dist = Dist::wheel("blinky", "1.0");
    fs::write(server.site.packages().join(&dist.filename), &dist.bytes).unwrap();
    await_listed(&server, &dist);
    let log = server.log();
    assert_eq!(log.matches("its name is not UTF-8").count(), 1, "{log}");
}

#[test]
fn a_corrupt_archive_is_listed_without_metadata_and_the_log_says_why() {
    let site = Site::new().package(&Dist::new(
        "blinky",
        "1.0",
        "blinky-1.0.tar.gz",
        b"\x1f\x8b\x08 broken".to_vec(),
    ));
    let half = Dist::wheel("blinky", "2.0");
    fs::write(
        site.packages().join(&half.filename),
        &half.bytes[..half.bytes.len() / 2],
    )
    .unwrap();
    let server = site.start();
    await_listed(
        &server,
        &Dist {
            bytes: half.bytes[..half.bytes.len() / 2].to_vec(),
            ..half.clone()
        },
    );
    let page = server.get("/simple/blinky/");
    assert!(page.text().contains(">blinky-1.0.tar.gz<") && page.text().contains(&format!(">{}<", half.filename)));
    assert!(!page.text().contains("core-metadata"), "{}", page.text());
    assert_eq!(server.get("/packages/blinky-1.0.tar.gz").status, 200);
    assert_eq!(server.get("/packages/blinky-1.0.tar.gz.metadata").status, 404);
    server.await_log("file=blinky-1.0.tar.gz");
    server.await_log(&format!("file={}", half.filename));
}
