//! The password file: its hashes, what is wrong with it, and what becomes of it while the server runs.

use std::fs;
use std::io::Write;

use rustix::process::Signal;

use super::verify;
use crate::clients::{TWINES, twine};
use crate::dists::Dist;
use crate::harness::{PASSWORD, Server, Site, USER, bcrypt_line, eventually};
use crate::raw::Request;

/// The password as apache's `htpasswd -s`, `-m`, `-B` and `-d` write it, and as mkpasswd does.
const HASHES: [&str; 6] = [
    "{SHA}Z4oL/UuVWkakOJDuahNTwDgQJHY=",
    "$apr1$abcdefgh$jRYdAJ.eYPnCmJLxFrIeJ.",
    "$2y$05$z4NxxMOsGP3LpNZj/XKCAeKMAkU80n77QQzZ4z/VvNPQhFJ1W7xXO",
    "abDO0cOSWsT.g",
    "$5$abcdefgh$mHn6JDR9lXiHwzuPEMfLrlaQfLRskBET/Gu3bwFDly3",
    "$6$abcdefgh$Udjl/p2MjQp7.KxDBq443DQubPI.fVeIe7aVYtvXssEsGnamwcX/nQESAbfkzN0rr/rmf8mCjrKlfJe.WekxI1",
];

#[test]
fn every_hash_that_htpasswd_writes_is_taken() {
    let lines: Vec<String> = HASHES
        .iter()
        .enumerate()
        .map(|(number, hash)| format!("user{number}:{hash}\n"))
        .collect();
    let server = Site::new().htpasswd(&lines.concat()).start();
    for (number, hash) in HASHES.iter().enumerate() {
        let user = format!("user{number}");
        assert_eq!(verify(&server, &user, PASSWORD), 200, "{hash}");
        assert_eq!(verify(&server, &user, "0pen-sesame"), 403, "{hash}");
    }
}

#[test]
fn before_there_is_a_user_twine_and_the_log_say_what_makes_one() {
    let server = Site::new().htpasswd("").start();
    server.await_log("nobody is in the password file: run `micropypi passwd USER --file htpasswd`");
    for program in TWINES {
        let outcome = twine(program, &server).dists(&[&Dist::sdist("blinky", "1.0")]).run();
        outcome.failed_saying(&["403", "micropypi passwd USER"]);
    }
    assert_eq!(server.send(Request::get("/simple/")).status, 200);
    fs::write(server.site.path("htpasswd"), bcrypt_line(USER, PASSWORD)).unwrap();
    assert_eq!(verify(&server, USER, PASSWORD), 200, "at once");
}

#[test]
fn the_password_file_is_read_again_when_it_changes() {
    let server = Server::start();
    assert_eq!(verify(&server, "bob", "b"), 403);
    let path = server.site.path("htpasswd");
    fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap()
        .write_all(bcrypt_line("bob", "b").as_bytes())
        .unwrap();
    eventually("bob may in", || (verify(&server, "bob", "b") == 200).then_some(()));
    fs::write(&path, bcrypt_line(USER, PASSWORD)).unwrap();
    eventually("bob may not", || (verify(&server, "bob", "b") == 403).then_some(()));
    assert_eq!(verify(&server, USER, PASSWORD), 200);
}

#[test]
fn a_malformed_line_is_refused_by_number_at_start() {
    let site = Site::new().htpasswd(&format!("{}\nnonsense\nbob:$2y$short\n", bcrypt_line(USER, PASSWORD)));
    let config = site.configure();
    let output = site
        .command()
        .arg("serve")
        .arg("--config")
        .arg(config)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{text}");
    assert!(
        text.contains("line 3") && text.contains("line 4") && text.contains("htpasswd"),
        "{text}"
    );
}

#[test]
fn a_malformed_line_at_a_reload_leaves_the_good_ones() {
    let server = Server::start();
    let lines = format!("nonsense\n{}{}", bcrypt_line(USER, PASSWORD), bcrypt_line("bob", "b"));
    fs::write(server.site.path("htpasswd"), lines).unwrap();
    server.signal(Signal::HUP);
    eventually("bob may in", || (verify(&server, "bob", "b") == 200).then_some(()));
    assert_eq!(verify(&server, USER, PASSWORD), 200);
    server.await_log("line 1");
}

#[test]
fn a_password_file_that_is_gone_is_told_with_what_mends_it() {
    let server = Site::new().start();
    fs::remove_file(server.site.path("htpasswd")).unwrap();
    server.signal(Signal::HUP);
    server.await_log("its last reading stays in force error=the password file htpasswd does not exist");
    server.await_log("--file htpasswd`\n");
    assert_eq!(verify(&server, USER, PASSWORD), 200);
}

#[test]
fn a_reload_protects_more_even_with_a_malformed_line() {
    let server = Server::start();
    assert_eq!(server.get("/simple/").status, 200);
    server
        .site
        .clone()
        .set("auth.protect", r#"["update", "list"]"#)
        .htpasswd(&format!("nonsense\n{}", bcrypt_line(USER, PASSWORD)))
        .configure();
    server.signal(Signal::HUP);
    server.await_log("reloaded");
    server.await_log("line 1 of the password file is not used");
    assert_eq!(server.get("/simple/").status, 401);
    assert_eq!(server.send(Request::get("/simple/").by_user()).status, 200);
}

#[test]
fn a_reload_that_names_a_missing_password_file_changes_nothing() {
    let server = Server::start();
    let site = server.site.clone();
    site.set("auth.passwords", r#""none""#)
        .set("auth.protect", "[]")
        .configure();
    server.signal(Signal::HUP);
    server.await_log("not reloaded: the password file none does not exist");
    assert_eq!(verify(&server, USER, PASSWORD), 200);
    assert_eq!(verify(&server, "bob", "b"), 403);
}
