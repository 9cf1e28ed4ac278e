//! An upload that was answered is on the disk, and a kill or a power cut at any moment leaves nothing of the others, or the
//! whole file.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Signal, geteuid};

use crate::dists::Dist;
use crate::form::{Form, sha256};
use crate::harness::{Server, Site, eventually};

/// The moments at which something is made durable, by what it is: what is received, before it has its name; the names of
/// the directory; a file of that name that was there before.
const RECEIVED: &str = "*/packages/.micropypi-upload-*";
const NAMES: &str = "*/packages";
const THERE_BEFORE: &str = "*/packages/blinky-1.0-*";

/// `fsync.c`, compiled.
fn fsync() -> &'static Path {
    static LIBRARY: LazyLock<PathBuf> = LazyLock::new(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let (library, part) = (folder.join("fsync.so"), folder.join(format!("{}.part", process::id())));
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-o"]).arg(&part);
        compiler.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fsync.c"));
        assert!(compiler.status().unwrap().success());
        // At once: another run of these tests may be loading it.
        fs::rename(part, &library).unwrap();
        library
    });
    &LIBRARY
}

/// A server whose disk fails at this moment.
fn on_a_failing_disk(site: &Site, moment: &str) -> Server {
    site.start_with_environment(&[("LD_PRELOAD", fsync().as_ref()), ("FSYNC_OF", moment.as_ref())])
}

/// A server that is killed at this moment.
fn to_be_killed(site: &Site, moment: &str) -> Server {
    site.start_with_environment(&[
        ("LD_PRELOAD", fsync().as_ref()),
        ("FSYNC_OF", moment.as_ref()),
        ("FSYNC_KILLS", "yes".as_ref()),
    ])
}

/// The status of the answer, if there is one.
fn upload(server: &Server, dist: &Dist) -> Option<u16> {
    let answer = Form::upload(dist).request("/").by_user().try_send(server.address);
    answer.map(|answer| answer.status)
}

fn assert_not_durable(server: &Server, dist: &Dist) {
    assert_eq!(upload(server, dist), Some(500));
    server.await_log("Input/output error");
}

#[test]
fn an_upload_is_answered_when_it_is_on_the_disk_under_its_name() {
    let dist = Dist::wheel("blinky", "1.0");
    for (moment, holds) in [(RECEIVED, [].as_slice()), (NAMES, std::slice::from_ref(&dist))] {
        let site = Site::new();
        assert_not_durable(&on_a_failing_disk(&site, moment), &dist);
        site.assert_holds(holds);
    }
}

#[test]
fn so_is_one_that_replaces_another() {
    let (old, new) = (
        Dist::wheel("blinky", "1.0"),
        Dist::wheel_with("blinky", "1.0", "Keywords: new\n"),
    );
    for (moment, holds) in [(RECEIVED, &old), (NAMES, &new)] {
        let site = Site::holding(std::slice::from_ref(&old)).set("store.overwrite", "true");
        assert_not_durable(&on_a_failing_disk(&site, moment), &new);
        site.assert_holds(std::slice::from_ref(holds));
    }
}

#[test]
fn a_file_that_is_not_replaced_after_all_keeps_what_stands_beside_it() {
    let (old, new) = (
        Dist::wheel("blinky", "1.0"),
        Dist::wheel_with("blinky", "1.0", "Keywords: new\n"),
    );
    let site = Site::holding(std::slice::from_ref(&old)).set("store.overwrite", "true");
    let signature = site.packages().join(format!("{}.asc", old.filename));
    fs::write(&signature, "signed").unwrap();
    assert_not_durable(&on_a_failing_disk(&site, RECEIVED), &new);
    assert_eq!(fs::read(signature).unwrap(), b"signed");
}

/// A copy by hand may not be on the disk yet.
#[test]
fn so_is_one_of_what_was_there_already() {
    let dist = Dist::wheel("blinky", "1.0");
    for moment in [THERE_BEFORE, NAMES] {
        let known = Site::holding(std::slice::from_ref(&dist));
        assert_not_durable(&on_a_failing_disk(&known, moment), &dist);
        let unseen = Site::new().set("store.watch", r#""off""#);
        let server = on_a_failing_disk(&unseen, moment);
        let _unseen = unseen.package(&dist);
        assert_not_durable(&server, &dist);
    }
}

#[test]
fn so_is_one_of_what_lies_in_a_sub_folder_or_a_further_directory() {
    let dist = Dist::wheel("blinky", "1.0");
    let folders = [("packages/stick", NAMES), ("further", "*/further/blinky-1.0-*")];
    for (folder, moment) in folders {
        let site = Site::new().set("store.packages", r#"["data/packages", "data/further"]"#);
        fs::create_dir_all(site.path("data/packages/stick")).unwrap();
        fs::create_dir_all(site.path("data/further")).unwrap();
        fs::write(site.path("data").join(folder).join(&dist.filename), &dist.bytes).unwrap();
        assert_not_durable(&on_a_failing_disk(&site, moment), &dist);
    }
}

/// What is removed by hand may come back after a power cut.
#[test]
fn a_removal_is_answered_when_it_is_on_the_disk_whoever_removed_the_file() {
    let dist = Dist::wheel("blinky", "1.0");
    for is_there in [true, false] {
        let site = Site::holding(std::slice::from_ref(&dist)).set("store.watch", r#""off""#);
        let server = on_a_failing_disk(&site, NAMES);
        if !is_there {
            fs::remove_file(site.packages().join(&dist.filename)).unwrap();
        }
        assert_eq!(Form::removal(&dist).post(&server).status, 500);
        server.await_log("Input/output error");
    }
}

/// Else the cache might know it by its length and date when a power cut has left zeros of it.
#[test]
fn a_copy_by_hand_is_on_the_disk_before_it_is_listed() {
    let site = Site::new();
    let mut server = to_be_killed(&site, THERE_BEFORE);
    let _site = site.package(&Dist::wheel("blinky", "1.0"));
    eventually("the server is killed", || Some(()).filter(|()| !server.is_running()));
}

/// What a directory holds is lost with its name.
#[test]
fn a_directory_that_is_made_is_on_the_disk() {
    let home = Site::new();
    fs::remove_dir_all(home.path("data")).unwrap();
    let config = home.configure();
    let serve: [&OsStr; 3] = ["serve".as_ref(), "--config".as_ref(), config.as_ref()];
    for arguments in [&["passwd".as_ref(), "bob".as_ref()], serve.as_slice()] {
        let mut command = home.command();
        command.args(arguments).stdin(File::open(&config).unwrap());
        let output = command.env("LD_PRELOAD", fsync()).env("FSYNC_OF", "*/data").output();
        let output = output.unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && told.contains("Input/output error"),
            "{told}"
        );
    }
}

#[test]
fn a_password_that_is_set_in_the_middle_of_a_kill_is_set_by_the_next_try() {
    let site = Site::new();
    let old = fs::read(site.path("htpasswd")).unwrap();
    let names = || fs::read_dir(site.path(".")).unwrap().count();
    let before = names();
    let passwd = |kill: &str| {
        let mut command = site.command();
        command.args(["passwd", "bob", "--file", "htpasswd"]);
        command.stdin(File::open(site.path("htpasswd")).unwrap());
        command.env("LD_PRELOAD", fsync()).env("FSYNC_OF", kill);
        command.env("FSYNC_KILLS", "yes").output().unwrap().status.success()
    };
    for _ in 0..2 {
        assert!(!passwd("*/.micropypi-passwd"));
        assert!(fs::read(site.path("htpasswd")).unwrap() == old && names() == before + 1);
    }
    assert!(passwd("nothing"));
    assert!(fs::read(site.path("htpasswd")).unwrap() != old && names() == before);
}

#[test]
fn a_kill_between_two_steps_leaves_nothing_or_the_whole_file() {
    let dist = Dist::wheel("blinky", "1.0");
    for (moment, holds) in [(RECEIVED, [].as_slice()), (NAMES, std::slice::from_ref(&dist))] {
        let site = Site::new();
        let mut server = to_be_killed(&site, moment);
        assert_eq!(upload(&server, &dist), None);
        eventually("the server is killed", || Some(()).filter(|()| !server.is_running()));
        let server = site.start();
        site.assert_holds(holds);
        assert_eq!(upload(&server, &dist), Some(200));
    }
}

/// A few wheels whose uploads take a while.
fn large_wheels(round: u32) -> Vec<Dist> {
    let wheel = |number| {
        let mut noise = vec![0; 200_000];
        getrandom::fill(&mut noise).unwrap();
        Dist::wheel_of("blinky", &format!("{round}.{number}"), "", &[("blinky.bin", &noise)])
    };
    (0..4).map(wheel).collect()
}

#[test]
fn a_kill_at_any_moment_leaves_what_was_answered_and_no_half_file() {
    let site = Site::new();
    let server = site.start();
    let mut kept = large_wheels(0);
    let begin = Instant::now();
    assert!(kept.iter().all(|dist| upload(&server, dist) == Some(200)));
    let most = begin.elapsed().as_micros() as u32;
    drop(server);
    for round in 1..=12 {
        let server = site.start();
        site.assert_holds(&kept);
        let wheels = large_wheels(round);
        let moment = Duration::from_micros(u64::from(getrandom::u32().unwrap() % most));
        let answered = thread::scope(|scope| {
            let uploads = scope.spawn(|| {
                wheels
                    .iter()
                    .take_while(|dist| upload(&server, dist) == Some(200))
                    .count()
            });
            thread::sleep(moment);
            server.signal(Signal::KILL);
            uploads.join().unwrap()
        });
        for (number, dist) in wheels.into_iter().enumerate() {
            // The first that has no answer may be there all the same.
            if number < answered || (number == answered && site.packages().join(&dist.filename).exists()) {
                kept.push(dist);
            }
        }
    }
    let server = site.start();
    site.assert_holds(&kept);
    let page = server.get("/simple/blinky/");
    assert!(kept.iter().all(|dist| page.text().contains(&dist.filename)));
}

/// Drops all that is not on the disk: EXT4_IOC_SHUTDOWN, without a flush of the journal.
const CUT: &str = "import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))";

/// What this machine lacks for a disk whose power can be cut. Where CI is set, nothing that can be installed may be missing.
fn without_a_disk() -> Option<&'static str> {
    let is_there = |program: &str| Command::new(program).arg("-V").output().is_ok();
    if !geteuid().is_root() {
        return Some("only root mounts a disk");
    }
    let are_there = ["mkfs.ext4", "losetup", "python3"].into_iter().all(is_there);
    assert!(
        are_there || env::var_os("CI").is_none(),
        "e2fsprogs, mount or python3 is not installed"
    );
    (!are_there).then_some("e2fsprogs, mount or python3 is not installed")
}

/// An empty ext4 in a file. In 128 bytes, an inode has no room for parts of a second.
fn make_disk(path: &Path, inode_bytes: &str) {
    File::create(path).unwrap().set_len(64 << 20).unwrap();
    assert!(
        Command::new("mkfs.ext4")
            .args(["-q", "-I", inode_bytes])
            .arg(path)
            .status()
            .unwrap()
            .success()
    );
}

/// Not in a container without loop devices, whoever is root there.
fn can_be_mounted(disk: &Path, directory: &Path) -> bool {
    let mount = ["--mount", "mount", "-t", "ext4", "-o", "loop"];
    let mut command = Command::new("unshare");
    command.args(mount).args([disk, directory]).status().unwrap().success()
}

/// Whether a disk is mounted nowhere any more.
fn is_free(disk: &Path) -> bool {
    let output = Command::new("losetup").arg("-j").arg(disk).output().unwrap();
    output.status.success() && output.stdout.is_empty()
}

/// As Windows does it over a share: the length comes first.
fn copy_by_hand(server: &Server, dist: &Dist) {
    let path = server.sees(&server.site.packages()).join(&dist.filename);
    let mut file = File::create(path).unwrap();
    file.set_len(dist.bytes.len() as u64).unwrap();
    file.write_all(&dist.bytes).unwrap();
    drop(file);
    eventually("the copy is listed", || {
        let answer = server.get(&format!("/packages/{}", dist.filename));
        (answer.status == 200).then_some(())
    });
}

/// A power cut at a random moment of the uploads. Gives those that were answered, and the first that was not.
fn cut_while_uploading(server: &Server, wheels: Vec<Dist>) -> (Vec<Dist>, Option<Dist>) {
    let disk = server.site.path("data");
    let moment = Duration::from_micros(u64::from(getrandom::u32().unwrap() % 150_000));
    let answered = thread::scope(|scope| {
        let uploads = scope.spawn(|| {
            let mut answers = wheels.iter().map(|dist| upload(server, dist));
            answers.position(|answer| answer != Some(200)).unwrap_or(wheels.len())
        });
        thread::sleep(moment);
        assert!(server.mounts(&["python3".as_ref(), "-c".as_ref(), CUT.as_ref(), disk.as_ref()]));
        uploads.join().unwrap()
    });
    let mut wheels = wheels.into_iter();
    (wheels.by_ref().take(answered).collect(), wheels.next())
}

#[test]
fn a_power_cut_at_any_moment_leaves_what_was_answered_or_listed_and_no_half_file() {
    if let Some(reason) = without_a_disk() {
        return println!("skipped, because {reason}");
    }
    let site = Site::new();
    let image = site.path("disk");
    make_disk(&image, "256");
    if !can_be_mounted(&image, &site.path("data")) {
        return println!("skipped, because no disk in a file can be mounted here");
    }
    let (mut kept, mut unanswered) = (Vec::<Dist>::new(), None);
    for round in 1..=6 {
        let server = site.start_on_disk("disk", "data");
        let stored = server.stored();
        kept.extend(unanswered.take().filter(|dist: &Dist| stored.contains(&dist.filename)));
        assert_eq!(stored.len(), kept.len(), "{stored:?}");
        for dist in &kept {
            let answer = server.get(&format!("/packages/{}", dist.filename));
            assert!(answer.status == 200 && answer.body == dist.bytes, "{}", dist.filename);
        }
        let copy = Dist::wheel("copied", &format!("{round}.0"));
        copy_by_hand(&server, &copy);
        let (answered, next) = cut_while_uploading(&server, large_wheels(round));
        kept.extend(answered.into_iter().chain([copy]));
        unanswered = next;
        server.kill();
        eventually("nothing is mounted", || is_free(&image).then_some(()));
    }
}

#[test]
fn what_is_written_over_at_once_shows_on_a_disk_that_counts_seconds() {
    if let Some(reason) = without_a_disk() {
        return println!("skipped, because {reason}");
    }
    let site = Site::new();
    let image = site.path("disk");
    make_disk(&image, "128");
    if !can_be_mounted(&image, &site.path("data")) {
        return println!("skipped, because no disk in a file can be mounted here");
    }
    let server = site.start_on_disk("disk", "data");
    let copy = |content: u8| {
        let copied = Dist::new("blinky", "1.0", "blinky-1.0-py3.11.egg", vec![content; 100]);
        let path = server.sees(&server.site.packages()).join(&copied.filename);
        fs::write(path, &copied.bytes).unwrap();
        copied
    };
    for round in 1..=3 {
        copy(2 * round);
        // So the first one has been read, if it may be.
        copy_by_hand(&server, &Dist::wheel("winky", &format!("{round}.0")));
        let copied = copy(2 * round + 1);
        eventually("the last one is listed", || {
            let page = server.get("/simple/blinky/");
            Some(()).filter(|()| page.text().contains(&sha256(&copied.bytes)))
        });
    }
}
