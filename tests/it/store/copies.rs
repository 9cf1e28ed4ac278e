//! What is still being written, read or taken away does not show, and keeps nothing else from showing.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use rustix::process::Signal;

use super::{await_another, await_gone, await_listed};
use crate::dists::{Dist, metadata};
use crate::harness::{Server, Site, eventually};

#[test]
fn a_file_that_is_still_being_copied_does_not_show() {
    let server = Server::start();
    let (slow, other) = (Dist::wheel("blinky", "1.0"), Dist::wheel("abacus", "1.0"));
    let (first, second) = slow.bytes.split_at(slow.bytes.len() / 2);
    let mut file = File::create(server.site.packages().join(&slow.filename)).unwrap();
    file.write_all(first).unwrap();
    // What comes later and is whole shows; then the half file had its chance.
    fs::write(server.site.packages().join(&other.filename), &other.bytes).unwrap();
    await_listed(&server, &other);
    assert_eq!(server.get("/simple/blinky/").status, 404);
    file.write_all(second).unwrap();
    drop(file);
    await_listed(&server, &slow);
}

#[test]
fn a_reason_that_is_still_being_written_does_not_show() {
    let (dist, other) = (Dist::wheel("blinky", "1.0"), Dist::wheel("abacus", "1.0"));
    let server = Site::new().package(&dist).start();
    await_listed(&server, &dist);
    let mut mark = File::create(server.site.packages().join(format!("{}.yanked", dist.filename))).unwrap();
    mark.write_all(b"eats ").unwrap();
    // So it is looked at, as is what comes later.
    mark.set_permissions(Permissions::from_mode(0o600)).unwrap();
    fs::write(server.site.packages().join(&other.filename), &other.bytes).unwrap();
    await_listed(&server, &other);
    assert!(!server.get("/simple/blinky/").text().contains("data-yanked"));
    mark.write_all(b"flash").unwrap();
    drop(mark);
    let page = eventually("the file is yanked", || {
        Some(server.get("/simple/blinky/")).filter(|page| page.text().contains("data-yanked"))
    });
    assert!(page.text().contains("\"eats flash\""), "{}", page.text());
}

/// A copy of the first half of a distribution that nobody has closed.
fn begin_copy(server: &Server, dist: &Dist) -> File {
    let mut file = File::create(server.site.packages().join(&dist.filename)).unwrap();
    // As by cp -p and scp: the mode comes before the content.
    file.set_permissions(Permissions::from_mode(0o644)).unwrap();
    file.write_all(&dist.bytes[..dist.bytes.len() / 2]).unwrap();
    file
}

/// Waits until the file has not changed for longer than a young one may be.
fn await_stall(file: &File) {
    let changed = file.metadata().unwrap();
    let changed = UNIX_EPOCH + Duration::new(changed.ctime() as u64, changed.ctime_nsec() as u32);
    eventually("nothing has changed for three seconds", || {
        changed.elapsed().ok().filter(|age| age.as_secs() >= 3)
    });
}

#[test]
fn a_copy_that_stalls_does_not_show_whatever_happens_beside_it() {
    let server = Server::start();
    // One archive that tells when it is broken, and one that is never opened.
    let copies = [
        Dist::noise(200_000),
        Dist::new("blinky", "1.0", "blinky-1.0-py3.11.egg", vec![7; 100_000]),
    ];
    let begun: Vec<_> = copies.iter().map(|dist| begin_copy(&server, dist)).collect();
    begun.iter().for_each(await_stall);
    let assert_nothing_shows = || {
        for dist in &copies {
            assert_eq!(server.get(&format!("/simple/{}/", dist.name)).status, 404);
            assert_eq!(server.get(&format!("/packages/{}", dist.filename)).status, 404);
        }
    };
    assert_nothing_shows();
    fs::create_dir(server.site.packages().join("new")).unwrap();
    await_another(&server, "1.0");
    assert_nothing_shows();
    server.signal(Signal::HUP);
    server.await_log("reloaded");
    await_another(&server, "2.0");
    assert_nothing_shows();
    for (mut file, dist) in begun.into_iter().zip(&copies) {
        file.write_all(&dist.bytes[dist.bytes.len() / 2..]).unwrap();
        drop(file);
        await_listed(&server, dist);
    }
    assert!(!server.log().contains("listed without metadata"), "{}", server.log());
}

#[test]
fn core_metadata_that_is_still_being_copied_does_not_show() {
    let dist = Dist::wheel("blinky", "1.0");
    let server = Site::holding(std::slice::from_ref(&dist)).start();
    let sidecar = format!("{}.metadata", dist.filename);
    let target = format!("/packages/{sidecar}");
    let before = server.get(&target).body;
    let lines = "Requires-Dist: pulse\nRequires-Dist: umqtt.simple\n";
    let after = Dist {
        filename: sidecar,
        bytes: metadata("blinky", "1.0", lines).into_bytes(),
        ..dist
    };
    let mut file = begin_copy(&server, &after);
    // A mode that is set later has the sidecar looked at, too.
    file.set_permissions(Permissions::from_mode(0o600)).unwrap();
    await_another(&server, "1.0");
    server.signal(Signal::HUP);
    server.await_log("reloaded");
    assert!(server.get(&target).body == before);
    file.write_all(&after.bytes[after.bytes.len() / 2..]).unwrap();
    drop(file);
    eventually("it is served", || {
        Some(()).filter(|()| server.get(&target).body == after.bytes)
    });
}

#[test]
fn a_file_that_is_written_over_shows_when_it_is_closed() {
    let before = Dist::new("blinky", "1.0", "blinky-1.0-py3.11.egg", vec![1; 100_000]);
    let server = Site::holding(std::slice::from_ref(&before)).start();
    let after = Dist {
        bytes: vec![2; 200_000],
        ..before.clone()
    };
    let mut file = begin_copy(&server, &after);
    await_stall(&file);
    let target = format!("/packages/{}", after.filename);
    assert_eq!(server.get(&target).status, 503);
    fs::create_dir(server.site.packages().join("new")).unwrap();
    await_another(&server, "1.0");
    assert_eq!(server.get(&target).status, 503);
    await_listed(&server, &before);
    file.write_all(&after.bytes[after.bytes.len() / 2..]).unwrap();
    drop(file);
    await_listed(&server, &after);
    assert!(server.get(&target).body == after.bytes);
}

/// Makes a file of nothing but zeros, which takes no space, and its time to be read.
fn make_large(path: &Path, bytes: u64) {
    File::create(path).and_then(|file| file.set_len(bytes)).unwrap();
}

#[test]
fn nothing_waits_for_large_files_that_are_being_read() {
    let (early, late) = (Dist::sdist("blinky", "1.0"), Dist::sdist("winky", "1.0"));
    let server = Site::holding(std::slice::from_ref(&early)).start();
    // More of them than are read at once. No test waits until one is.
    for number in 0..5 {
        let path = server.site.packages().join(format!("large-1.{number}-py3.11.egg"));
        make_large(&path, 1 << 40);
    }
    eventually("they are being read", || {
        Some(()).filter(|()| server.bytes_read() > 100 << 20)
    });
    fs::write(server.site.packages().join(&late.filename), &late.bytes).unwrap();
    await_listed(&server, &late);
    fs::remove_file(server.site.packages().join(&early.filename)).unwrap();
    await_gone(&server, &early);
    server.signal(Signal::HUP);
    server.await_log("reloaded");
    await_another(&server, "1.0");
    assert_eq!(server.get("/simple/large/").status, 404);
    let (status, log) = server.stop();
    assert!(status.success(), "{log}");
}

#[test]
fn what_goes_away_while_it_is_read_does_not_show() {
    const SIZE: u64 = 256 << 20;
    let server = Server::start();
    let sub = server.site.packages().join("sub");
    fs::create_dir(&sub).unwrap();
    await_another(&server, "1.0");
    let before = server.bytes_read();
    make_large(&sub.join("large-1.0-py3.11.egg"), SIZE);
    eventually("it is being read", || {
        Some(()).filter(|()| server.bytes_read() > before + SIZE / 8)
    });
    // Of that, the file itself knows nothing.
    fs::rename(&sub, server.site.path("away")).unwrap();
    server.await_log("added in the packages directory project=large");
    eventually("the project is gone", || {
        Some(()).filter(|()| server.get("/simple/large/").status == 404)
    });
}
