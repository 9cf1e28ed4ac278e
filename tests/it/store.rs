//! The package directory: what is changed by hand, what survives a restart and a kill, what is no distribution.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use rustix::process::Signal;

use crate::dists::{Dist, metadata};
use crate::form::{Form, content_type, sha256};
use crate::harness::{Server, Site, eventually};
use crate::raw::{Request, connect};

fn await_listed(server: &Server, dist: &Dist) {
    let digest = sha256(&dist.bytes);
    let target = format!("/simple/{}/", dist.name);
    eventually("the page lists the file", || {
        Some(()).filter(|()| server.get(&target).text().contains(&digest))
    });
}

fn await_gone(server: &Server, dist: &Dist) {
    let target = format!("/simple/{}/", dist.name);
    eventually("the page lists it no more", || {
        Some(()).filter(|()| !server.get(&target).text().contains(&dist.filename))
    });
}

#[test]
fn changes_by_hand_show() {
    for watch in ["auto", "poll"] {
        let server = Site::new().set("store.watch", &format!("{watch:?}")).start();
        let packages = server.site.packages();
        let (copied, renamed) = (Dist::wheel("blinky", "1.0"), Dist::wheel("blinky", "2.0"));
        fs::write(packages.join(&copied.filename), &copied.bytes).unwrap();
        await_listed(&server, &copied);
        // As rsync does it: hidden under another name, then renamed.
        fs::write(packages.join(".rsync.tmp"), &renamed.bytes).unwrap();
        fs::rename(packages.join(".rsync.tmp"), packages.join(&renamed.filename)).unwrap();
        await_listed(&server, &renamed);
        fs::remove_file(packages.join(&copied.filename)).unwrap();
        await_gone(&server, &copied);
        fs::create_dir(packages.join("attic")).unwrap();
        fs::rename(
            packages.join(&renamed.filename),
            packages.join("attic").join(&renamed.filename),
        )
        .unwrap();
        eventually("the link leads into the sub-folder", || {
            Some(()).filter(|()| server.get("/simple/blinky/").text().contains("attic/blinky"))
        });
        fs::remove_dir_all(packages.join("attic")).unwrap();
        eventually("the project is gone", || {
            Some(()).filter(|()| server.get("/simple/blinky/").status == 404)
        });
    }
}

#[test]
fn a_folder_moved_in_shows_with_all_that_it_holds() {
    let server = Server::start();
    let dist = Dist::sdist("blinky", "1.0");
    fs::create_dir_all(server.site.path("stick/deep")).unwrap();
    fs::write(server.site.path("stick/deep").join(&dist.filename), &dist.bytes).unwrap();
    fs::rename(server.site.path("stick"), server.site.packages().join("stick")).unwrap();
    await_listed(&server, &dist);
}

#[test]
fn a_folder_that_is_one_too_many_for_inotify_is_followed() {
    let server = Site::new().start_with_watches(2);
    for name in ["blinky", "winky", "pulse"] {
        fs::create_dir(server.site.packages().join(name)).unwrap();
    }
    server.await_log("cannot watch by inotify");
    for name in ["blinky", "winky", "pulse"] {
        let dist = Dist::wheel(name, "1.0");
        fs::write(server.site.packages().join(name).join(&dist.filename), &dist.bytes).unwrap();
        await_listed(&server, &dist);
    }
}

#[test]
fn a_folder_that_takes_the_place_of_the_packages_directory_is_followed() {
    let before = Dist::sdist("blinky", "1.0");
    let server = Site::holding(std::slice::from_ref(&before)).start();
    let (restored, copied) = (Dist::sdist("abacus", "1.0"), Dist::wheel("blinky", "2.0"));
    fs::create_dir(server.site.path("backup")).unwrap();
    fs::write(server.site.path("backup").join(&restored.filename), &restored.bytes).unwrap();
    fs::rename(server.site.packages(), server.site.path("old")).unwrap();
    await_gone(&server, &before);
    fs::rename(server.site.path("backup"), server.site.packages()).unwrap();
    await_listed(&server, &restored);
    fs::write(server.site.packages().join(&copied.filename), &copied.bytes).unwrap();
    await_listed(&server, &copied);
}

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

#[test]
fn a_stick_is_followed_from_mount_to_umount() {
    let server = Site::new().start_on_tmpfs("size=1m");
    let (folder, media) = (server.site.packages().join("stick"), server.site.path("media"));
    fs::create_dir(server.sees(&folder)).unwrap();
    fs::create_dir(&media).unwrap();
    symlink(&media, server.sees(&server.site.packages().join("linked"))).unwrap();
    for place in [folder, media] {
        let options = ["mount", "-t", "tmpfs", "tmpfs"].map(OsStr::new);
        assert!(server.mounts(&[&options, &[place.as_os_str()][..]].concat()));
        // One that a look at everything finds, and one that only a watcher notices.
        for version in ["1.0", "2.0"] {
            let dist = Dist::wheel("blinky", version);
            fs::write(server.sees(&place).join(&dist.filename), &dist.bytes).unwrap();
            await_listed(&server, &dist);
        }
        eventually("nothing in it is open", || {
            Some(()).filter(|()| server.mounts(&["umount".as_ref(), place.as_os_str()]))
        });
        eventually("the project is gone", || {
            Some(()).filter(|()| server.get("/simple/blinky/").status == 404)
        });
    }
}

/// What this machine lacks for a package directory on FUSE. Where CI is set, nothing that can be installed may be missing.
fn without_fuse() -> Option<&'static str> {
    if File::options().read(true).write(true).open("/dev/fuse").is_err() {
        return Some("/dev/fuse cannot be opened");
    }
    let is_missing = Command::new("bindfs").arg("--version").output().is_err();
    assert!(!is_missing || env::var_os("CI").is_none(), "bindfs is not installed");
    is_missing.then_some("bindfs is not installed")
}

#[test]
fn changes_on_a_file_system_that_tells_of_none_show() {
    if let Some(reason) = without_fuse() {
        return println!("skipped, because {reason}");
    }
    let server = Site::new().start_on_fuse();
    let dist = Dist::wheel("blinky", "1.0");
    let file = server.site.path("data/disk").join(&dist.filename);
    fs::write(&file, &dist.bytes).unwrap();
    await_listed(&server, &dist);
    fs::remove_file(&file).unwrap();
    await_gone(&server, &dist);
}

#[test]
fn a_folder_that_is_linked_in_is_followed() {
    let server = Server::start();
    let (here, later) = (server.site.path("here"), server.site.path("later"));
    fs::create_dir(&here).unwrap();
    symlink(&here, server.site.packages().join("here")).unwrap();
    // As into a stick that is plugged in after the link is made.
    symlink(&later, server.site.packages().join("later")).unwrap();
    await_another(&server, "1.0");
    fs::create_dir(&later).unwrap();
    for (folder, name) in [(here, "blinky"), (later, "winky")] {
        for version in ["1.0", "2.0"] {
            let dist = Dist::wheel(name, version);
            fs::write(folder.join(&dist.filename), &dist.bytes).unwrap();
            await_listed(&server, &dist);
        }
    }
}

#[test]
fn what_a_link_to_a_file_leads_to_is_followed() {
    let (made, linked) = (Dist::wheel("blinky", "1.0"), Dist::wheel("blinky", "2.0"));
    let site = Site::new();
    let built = |dist: &Dist| site.path(&dist.filename);
    fs::write(built(&made), &made.bytes).unwrap();
    symlink(built(&made), site.packages().join(&made.filename)).unwrap();
    let server = site.start();
    fs::write(built(&linked), &linked.bytes).unwrap();
    symlink(built(&linked), site.packages().join(&linked.filename)).unwrap();
    for dist in [made, linked] {
        await_listed(&server, &dist);
        let again = Dist::wheel_with("blinky", &dist.version, "Keywords: again\n");
        fs::write(built(&again), &again.bytes).unwrap();
        await_listed(&server, &again);
        fs::remove_file(built(&again)).unwrap();
        await_gone(&server, &again);
        fs::write(built(&dist), &dist.bytes).unwrap();
        await_listed(&server, &dist);
    }
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

/// Copies a file that is whole, and waits until it shows: all looks that were due before have been taken.
fn await_another(server: &Server, version: &str) {
    let other = Dist::wheel("abacus", version);
    fs::write(server.site.packages().join(&other.filename), &other.bytes).unwrap();
    await_listed(server, &other);
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

#[test]
fn a_file_that_is_linked_to_its_name_shows() {
    let server = Server::start();
    let dist = Dist::wheel("blinky", "1.0");
    let (part, whole) = (
        server.site.packages().join(".part"),
        server.site.packages().join(&dist.filename),
    );
    fs::write(&part, &dist.bytes).unwrap();
    // As sftp-server(8) renames: the second name may be the only one by the time that anybody looks.
    fs::hard_link(&part, &whole).unwrap();
    fs::remove_file(&part).unwrap();
    await_listed(&server, &dist);
}

#[test]
fn sighup_looks_where_nothing_watches() {
    let server = Site::new().set("store.watch", r#""off""#).start();
    let dist = Dist::wheel("blinky", "1.0");
    fs::write(server.site.packages().join(&dist.filename), &dist.bytes).unwrap();
    server.signal(Signal::HUP);
    await_listed(&server, &dist);
}

/// As `cp -al` makes it for a backup.
#[test]
fn another_link_to_a_file_keeps_nobody_waiting() {
    for watch in [r#""auto""#, r#""poll""#, r#""off""#] {
        let dist = Dist::sdist("blinky", "1.0");
        let server = Site::new().package(&dist).set("store.watch", watch).start();
        let file = server.site.packages().join(&dist.filename);
        fs::hard_link(file, server.site.path("backup")).unwrap();
        assert_eq!(
            server.get(&format!("/packages/{}", dist.filename)).status,
            200,
            "{watch}"
        );
    }
}

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

/// Takes all the space that is left in a directory.
pub(crate) fn fill(directory: &Path) {
    let mut ballast = File::create(directory.join("ballast")).unwrap();
    while ballast.write_all(&[1; 4096]).is_ok() {}
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

#[test]
fn an_acknowledged_upload_survives_a_kill() {
    let site = Site::new();
    let server = site.start();
    let dist = Dist::wheel("blinky", "1.0");
    assert_eq!(Form::upload(&dist).post(&server).status, 200);
    server.kill();
    assert_eq!(site.stored(), [dist.filename.as_str()]);
    await_listed(&site.start(), &dist);
}

#[test]
fn a_kill_in_the_middle_of_an_upload_leaves_no_litter() {
    let site = Site::new();
    let server = site.start();
    let dist = Dist::noise(4 << 20);
    let half = Form::fields_of(&dist)
        .file("content", &dist.filename, &dist.bytes[..2 << 20])
        .into_unfinished();
    let head = Request::new("POST", "/")
        .by_user()
        .header("Content-Type", &content_type())
        .header("Content-Length", "5000000");
    let mut stream = connect(server.address).unwrap();
    stream.write_all(head.head(server.address).as_bytes()).unwrap();
    stream.write_all(&half).unwrap();
    eventually("the staging file grows", || {
        Some(()).filter(|()| staged_bytes(&site) > 0)
    });
    assert_eq!(server.get("/simple/large/").status, 404);
    assert!(!server.get("/packages/").text().contains("large"));
    server.kill();
    let server = site.start();
    assert_eq!(site.stored(), Vec::<String>::new());
    assert_eq!(Form::upload(&dist).post(&server).status, 200);
}

fn staged_bytes(site: &Site) -> u64 {
    let sizes = site
        .stored()
        .into_iter()
        .map(|name| fs::metadata(site.packages().join(name)).map_or(0, |file| file.len()));
    sizes.sum()
}

#[test]
fn an_upload_that_is_given_up_leaves_nothing() {
    let server = Server::start();
    let dist = Dist::noise(2 << 20);
    let half = Form::fields_of(&dist)
        .file("content", &dist.filename, &dist.bytes[..1 << 20])
        .into_unfinished();
    let head = Request::new("POST", "/")
        .by_user()
        .header("Content-Type", &content_type())
        .header("Content-Length", "5000000");
    let mut stream = connect(server.address).unwrap();
    stream.write_all(head.head(server.address).as_bytes()).unwrap();
    stream.write_all(&half).unwrap();
    eventually("the staging file grows", || {
        Some(()).filter(|()| staged_bytes(&server.site) > 0)
    });
    drop(stream);
    eventually("the staging file is gone", || {
        Some(()).filter(|()| server.site.stored().is_empty())
    });
}

#[test]
fn a_stop_ends_well() {
    let server = Server::start();
    let (status, log) = server.stop();
    assert!(status.success(), "{log}");
}
