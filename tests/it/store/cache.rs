//! What is known of files: it survives a restart, a full disk and its own loss.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::thread;

use super::{await_listed, fill};
use crate::dists::Dist;
use crate::form::Form;
use crate::harness::Site;
use crate::raw::Request;

/// As a backup by hard links changes an inode, and nothing else of a file.
#[test]
fn of_many_that_ask_for_a_file_whose_inode_has_changed_one_reads_it_again() {
    const SIZE: u64 = 32 << 20;
    let dist = Dist::noise(32 << 20);
    let site = Site::new().set("store.watch", r#""off""#).package(&dist);
    let server = site.start();
    // Which waits for what boards get of it.
    assert_eq!(server.get("/project/large/").status, 200);
    let before = server.bytes_read();
    let file = site.packages().join(&dist.filename);
    fs::hard_link(&file, site.path("backup")).unwrap();
    let target = format!("/packages/{}", dist.filename);
    let ask = || server.send(Request::get(&target).header("Range", "bytes=0-9"));
    thread::scope(|scope| {
        let asked: Vec<_> = (0..40).map(|_| scope.spawn(ask)).collect();
        for answer in asked {
            let answer = answer.join().unwrap();
            assert!((answer.status, &*answer.body) == (206, &dist.bytes[..10]));
        }
    });
    let read = server.bytes_read() - before;
    assert!((SIZE..3 * SIZE).contains(&read), "{read}");
}

#[test]
fn a_restart_reads_no_known_file_again() {
    let dist = Dist::noise(32 << 20);
    let site = Site::new().package(&dist);
    let first = site.start();
    await_listed(&first, &dist);
    assert!(first.bytes_read() > 32 << 20);
    // Which waits for what boards get of it.
    assert_eq!(first.get("/project/large/").status, 200);
    let page = first.get("/simple/large/").body;
    assert!(first.stop().0.success());
    let second = site.start();
    await_listed(&second, &dist);
    assert!(second.bytes_read() < 16 << 20, "{} bytes read", second.bytes_read());
    assert!(second.get("/simple/large/").body == page);
}

#[test]
fn boards_are_told_that_the_disk_of_the_cache_is_full() {
    let site = Site::new();
    let server = site.start_with_tmpfs("data/cache", "size=8m");
    let cache = server.sees(&site.path("data/cache"));
    fill(&cache);
    let dist = Dist::wheel("blinky", "1.0");
    assert_eq!(Form::upload(&dist).post(&server).status, 200);
    let targets = [
        "/package/6/blinky/latest.json",
        "/blinky/package.json",
        "/boards/blinky/1.0.tar.gz",
    ];
    for target in targets {
        let answer = server.get(target);
        answer.assert_says(507, &["the cache's disk is full"]);
    }
    let told = |text: &str| server.get("/project/blinky/").text().contains(text);
    assert!(told("What a board gets of it cannot be told now") && !told("For a board there is nothing"));
    server.await_log("what boards get of a release cannot be told");
    fs::remove_file(cache.join("ballast")).unwrap();
    assert!(told("blinky/__init__.py"));
    for target in targets {
        assert_eq!(server.get(target).status, 200, "{target}");
    }
}

/// What boards get of a file is made by reading it, and at any time.
fn large_and_not_for_boards() -> Dist {
    let mut noise = vec![0; 32 << 20];
    getrandom::fill(&mut noise).unwrap();
    let wheel = Dist::wheel_of("large", "1.0", "", &[("large/noise", &noise)]);
    Dist {
        filename: "large-1.0-cp311-cp311-linux_x86_64.whl".to_owned(),
        ..wheel
    }
}

#[test]
fn what_was_learnt_while_the_disk_of_the_cache_was_full_is_written_later() {
    let site = Site::new();
    let first = site.start_with_tmpfs("data/cache", "size=8m");
    let cache = first.sees(&site.path("data/cache"));
    fill(&cache);
    let mut noise = [0; 200_000];
    let mut dists = vec![large_and_not_for_boards()];
    dists.extend((0..10).map(|number| {
        getrandom::fill(&mut noise).unwrap();
        let keywords = noise.iter().map(|byte| char::from(b'a' + byte % 26));
        let lines = format!("Keywords: {}\n", keywords.collect::<String>());
        Dist::wheel_with("blinky", &format!("1.{number}"), &lines)
    }));
    for dist in &dists {
        assert_eq!(Form::upload(dist).post(&first).status, 200);
    }
    first.await_log("the cache could not be written");
    for dist in &dists[..2] {
        let core_metadata = format!("/packages/{}.metadata", dist.filename);
        assert!(
            first
                .get(&core_metadata)
                .text()
                .contains(&format!("Name: {}", dist.name))
        );
    }
    fs::remove_file(cache.join("ballast")).unwrap();
    first.await_log("the cache can be written again");
    let log = first.log();
    assert_eq!(log.matches("the cache could not be written").count(), 1, "{log}");
    // The tmpfs goes with the server, but for what is open.
    let mut written = File::open(cache.join("index-4.redb")).unwrap();
    assert!(first.stop().0.success());
    io::copy(
        &mut written,
        &mut File::create(site.path("data/cache/index-4.redb")).unwrap(),
    )
    .unwrap();
    let second = site.start();
    for dist in &dists {
        await_listed(&second, dist);
    }
    assert!(second.bytes_read() < 16 << 20, "{} bytes read", second.bytes_read());
}

#[test]
fn a_full_disk_keeps_no_server_without_a_cache_from_starting() {
    let dist = Dist::wheel("blinky", "1.0");
    let site = Site::new().package(&dist);
    // Room for the directories.
    let server = site.start_with_tmpfs("data/cache", "size=8k");
    await_listed(&server, &dist);
    assert_eq!(server.get(&format!("/packages/{}.metadata", dist.filename)).status, 200);
    server.await_log("the cache could not be written");
}

#[test]
fn a_missing_or_damaged_cache_is_rebuilt() {
    let dist = Dist::wheel("blinky", "1.0");
    let site = Site::new().package(&dist);
    let page = site.start().get("/simple/blinky/").body;
    damage(&site.path("data/cache"));
    let server = site.start();
    assert!(server.get("/simple/blinky/").body == page);
    assert_eq!(server.get(&format!("/packages/{}.metadata", dist.filename)).status, 200);
    drop(server);
    fs::remove_dir_all(site.path("data/cache")).unwrap();
    assert!(site.start().get("/simple/blinky/").body == page);
}

fn damage(directory: &Path) {
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            damage(&entry.path());
        } else {
            fs::write(entry.path(), "rubbish".repeat(1000)).unwrap();
        }
    }
}
