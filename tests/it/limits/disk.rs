//! A packages directory that is full, read-only, another's, away or no directory, and files in it that are none.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::make_pipe;
use crate::dists::Dist;
use crate::form::Form;
use crate::harness::{Server, Site, eventually};

#[test]
fn a_disk_that_is_full_in_the_middle() {
    let server = Site::new().start_on_tmpfs("size=1m");
    Form::upload(&Dist::noise(4 << 20))
        .post(&server)
        .assert_says(507, &["disk is full"]);
    assert_eq!(server.stored(), Vec::<String>::new());
    let small = Dist::sdist("blinky", "1.0");
    assert_eq!(Form::upload(&small).post(&server).status, 200);
    assert_eq!(server.stored(), [small.filename]);
}

#[test]
fn a_read_only_directory() {
    let server = Site::new().start_on_tmpfs("ro");
    Form::upload(&Dist::sdist("blinky", "1.0"))
        .post(&server)
        .assert_says(503, &["packages directory"]);
    assert_eq!(server.get("/simple/").status, 200);
    assert!(server.log().contains("is on a read-only file system"));
}

#[test]
fn a_directory_of_another_user_is_told_at_the_start() {
    let site = Site::new();
    let directory = site.packages().canonicalize().unwrap();
    let expected = format!("{} cannot be written by the user ", directory.display());
    let warned = |server: Server| server.log().matches(&expected).count();
    assert_eq!(warned(site.start_unprivileged()), 0);
    fs::set_permissions(&directory, Permissions::from_mode(0o555)).unwrap();
    let server = site.start_unprivileged();
    assert!(server.log().contains("; run: chown -R ") && server.log().contains("compose file: user: \""));
    Form::upload(&Dist::sdist("blinky", "1.0"))
        .post(&server)
        .assert_says(503, &["packages directory"]);
    assert_eq!(warned(server), 1);
    let nobody_uploads = site.without("auth.passwords").without_file("htpasswd");
    assert_eq!(warned(nobody_uploads.start_unprivileged()), 0);
}

#[test]
fn what_the_server_may_not_look_at_is_not_taken_for_removed() {
    let dist = Dist::sdist("blinky", "1.0");
    let server = Site::holding(std::slice::from_ref(&dist)).start_unprivileged();
    for mode in [0o555, 0o000] {
        fs::set_permissions(server.site.packages(), Permissions::from_mode(mode)).unwrap();
        Form::removal(&dist)
            .post(&server)
            .assert_says(503, &["packages directory"]);
    }
    fs::set_permissions(server.site.packages(), Permissions::from_mode(0o755)).unwrap();
    server.site.assert_holds(std::slice::from_ref(&dist));
    assert_eq!(Form::removal(&dist).post(&server).status, 200);
    server.site.assert_holds(&[]);
}

#[test]
fn a_directory_that_went_away_and_came_back() {
    let server = Server::start();
    let (packages, away) = (server.site.packages(), server.site.path("away"));
    let dist = Dist::sdist("blinky", "1.0");
    // As a container engine asks.
    let checked = || {
        let mut healthcheck = server.site.command();
        let output = healthcheck
            .args(["healthcheck", "--url", &server.url()])
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(checked(), (Some(0), String::new()));
    fs::rename(&packages, &away).unwrap();
    server
        .get("/health")
        .assert_says(503, &["the packages directory does not answer"]);
    let (status, said) = checked();
    assert!(status == Some(1) && said.contains(" 503 "), "{said}");
    Form::upload(&dist)
        .post(&server)
        .assert_says(503, &["packages directory", "nothing was stored"]);
    server.await_log(&format!("{} is gone", packages.display()));
    fs::rename(&away, &packages).unwrap();
    assert_eq!(checked(), (Some(0), String::new()));
    assert_eq!(Form::upload(&dist).post(&server).status, 200);
    server.site.assert_holds(&[dist]);
}

/// Puts a plain file into the place of a directory.
fn supplant(directory: &Path, away: &Path) {
    fs::rename(directory, away).unwrap();
    fs::write(directory, "").unwrap();
}

#[test]
fn a_plain_file_in_the_place_of_the_directory_is_no_directory() {
    let held = Dist::sdist("abacus", "1.0");
    let server = Site::new().package(&held).start();
    let (packages, away) = (server.site.packages(), server.site.path("away"));
    let dist = Dist::sdist("blinky", "1.0");
    supplant(&packages, &away);
    Form::upload(&dist)
        .post(&server)
        .assert_says(503, &["packages directory", "nothing was stored"]);
    server.await_log(&format!("{} is gone", packages.display()));
    eventually("nothing is listed", || {
        (server.get("/simple/abacus/").status == 404).then_some(())
    });
    fs::remove_file(&packages).unwrap();
    fs::rename(&away, &packages).unwrap();
    assert_eq!(Form::upload(&dist).post(&server).status, 200);
    server.site.assert_holds(&[held, dist]);
}

#[test]
fn a_plain_file_in_the_place_of_a_sub_folder_is_no_directory() {
    let site = Site::new()
        .set("store.overwrite", "true")
        .set("store.watch", r#""off""#);
    let (held, other) = (
        Dist::sdist("abacus", "1.0"),
        Dist::sdist_with("abacus", "1.0", "", "other = 1\n"),
    );
    let folder = site.packages().join("sub");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join(&held.filename), &held.bytes).unwrap();
    let server = site.start();
    supplant(&folder, &server.site.path("away"));
    // It would have replaced the one in the sub-folder.
    assert_eq!(Form::upload(&other).post(&server).status, 200);
    assert_eq!(server.get(&format!("/packages/sub/{}", held.filename)).status, 404);
    assert!(server.get(&format!("/packages/{}", other.filename)).body == other.bytes);
}

/// To open a pipe is to wait for its other end.
#[test]
fn a_signature_is_a_small_file() {
    let dist = Dist::sdist("blinky", "1.0");
    let site = Site::new().package(&dist).set("store.watch", r#""off""#);
    let beside = site.packages().join("blinky-1.0.tar.gz.asc");
    let target = "/packages/blinky-1.0.tar.gz.asc";
    make_pipe(&beside);
    assert_eq!(site.start().get(target).status, 404);
    fs::remove_file(&beside).unwrap();
    fs::write(&beside, "signature").unwrap();
    let server = site.start();
    assert_eq!(server.get(target).text(), "signature");
    fs::write(&beside, vec![b'x'; 8193]).unwrap();
    assert_eq!(server.get(target).status, 500);
    server.await_log("the .asc file is too large");
    fs::remove_file(&beside).unwrap();
    make_pipe(&beside);
    assert_eq!(server.get(target).status, 404);
}
