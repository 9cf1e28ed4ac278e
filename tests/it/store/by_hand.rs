//! What is changed by hand shows: copied, renamed, removed, mounted, linked.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::process::Command;

use rustix::process::Signal;

use super::{await_another, await_gone, await_listed};
use crate::dists::Dist;
use crate::harness::{Server, Site, eventually};

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
