//! The history of a package in the log: who asked for it, what was refused and why, what changed without a request. And
//! what a reload says there.

use std::fs;

use rustix::process::Signal;

use crate::dists::Dist;
use crate::form::Form;
use crate::harness::{PASSWORD, Server, Site, USER, eventually};
use crate::raw::Request;

/// The line of the log that holds all of these.
fn line(server: &Server, parts: &[&str]) -> String {
    eventually(&format!("a line with {parts:?}"), || {
        let log = server.log();
        let mut lines = log.lines();
        lines
            .find(|line| parts.iter().all(|part| line.contains(part)))
            .map(str::to_owned)
    })
}

#[test]
fn what_is_refused_says_what_it_was_about_and_why() {
    let dist = Dist::sdist("blinky", "1.0");
    let site = Site::holding(std::slice::from_ref(&dist)).set("auth.protect", r#"["list", "download", "update"]"#);
    let server = site.start();
    let file = "file=blinky-1.0.tar.gz";
    for (target, about) in [
        ("/simple/Blinky/", "project=blinky"),
        ("/package/6/Blinky/latest.json", "project=blinky"),
        ("/Blinky/json", "project=blinky"),
        ("/packages/blinky-1.0.tar.gz", file),
        ("/packages/blinky-1.0.tar.gz.metadata", file),
    ] {
        assert_eq!(server.get(target).status, 401);
        line(
            &server,
            &[
                target,
                " 401 ",
                "project=blinky",
                about,
                "reason=\"this needs a user name",
            ],
        );
        let wrong = server.send(Request::get(target).login(USER, "not-that-one-7c1"));
        assert_eq!(wrong.status, 401);
        line(&server, &[target, " 401 ", "project=blinky", about, "is wrong\""]);
    }
    for (target, about, reason) in [
        ("/simple/absent/", "project=absent", "the project absent is not here"),
        (
            "/package/6/absent/latest.json",
            "project=absent",
            "absent latest is not here",
        ),
        ("/packages/blinky-1.0.tar.gz.asc", file, "a signature of this file"),
        (
            "/packages/blinky-9.0.tar.gz",
            "project=blinky file=blinky-9.0.tar.gz",
            "is not here",
        ),
    ] {
        assert_eq!(server.send(Request::get(target).by_user()).status, 404);
        line(&server, &[target, " 404 ", "user=alice", about, "reason=", reason]);
    }
    let other = Dist::new(
        "blinky",
        "1.0",
        &dist.filename,
        Dist::sdist_with("blinky", "1.0", "", "x = 1").bytes,
    );
    assert_eq!(Form::upload(&other).post(&server).status, 409);
    line(
        &server,
        &["POST / 409", "user=alice", "project=blinky", file, "reason="],
    );
    let log = server.log();
    assert!(!log.contains(PASSWORD) && !log.contains("not-that-one-7c1"), "{log}");
}

/// A head takes 64 KiB, of which the log had each request's.
#[test]
fn a_long_request_is_a_short_line() {
    let server = Server::start();
    let (method, path) = ("M".repeat(20_000), "p".repeat(20_000));
    assert_eq!(server.send(Request::new(&method, &format!("/{path}"))).status, 405);
    let line = line(&server, &["MMM", "/ppp", " 405 "]);
    assert!(line.len() < 2_000, "{} bytes: {line}", line.len());
}

#[test]
fn a_failure_and_its_request_are_found_together() {
    let server = Site::new().start_on_tmpfs("size=64k");
    let dist = Dist::noise(1 << 20);
    assert_eq!(Form::upload(&dist).post(&server).status, 507);
    let request = line(&server, &["POST / 507", "reason=\"The server's disk is full"]);
    let id = request
        .split_whitespace()
        .find(|part| part.starts_with("request_id="))
        .unwrap();
    let project = format!("project={}", dist.name);
    assert!(request.contains(&project), "{request}");
    let failure = line(&server, &["request failed", &format!("{id} ")]);
    assert!(failure.contains("ERROR") && failure.contains(&project), "{failure}");
}

#[test]
fn a_removal_names_the_files_and_every_form_its_action() {
    let dists = Dist::both("blinky", "1.0");
    let server = Site::holding(&dists).start();
    let act = |action: &str| Form::of(action, "blinky", "1.0").post(&server).status;
    assert_eq!(act("remove_pkg"), 200);
    for dist in &dists {
        let file = format!("file={}", dist.filename);
        line(&server, &["INFO removed as a request asks", "project=blinky", &file]);
    }
    line(&server, &["POST / 200", "user=alice action=remove_pkg project=blinky"]);
    assert_eq!(act("remove_pkg"), 404);
    line(
        &server,
        &[
            "POST / 404",
            "action=remove_pkg",
            "project=blinky",
            "blinky 1.0 is not here",
        ],
    );
    for action in ["submit", "verify"] {
        assert_eq!(act(action), 200);
        line(&server, &["POST / 200", &format!("action={action} ")]);
    }
    assert_eq!(act("dance"), 400);
    line(&server, &["POST / 400", "the action \\\"dance\\\""]);
}

#[test]
fn what_happens_by_hand_is_told_file_by_file() {
    let [first, second] = ["1.0", "2.0"].map(|version| Dist::sdist("blinky", version));
    let server = Site::holding(std::slice::from_ref(&first)).start();
    let uploaded = Dist::sdist("uploaded", "1.0");
    assert_eq!(Form::upload(&uploaded).post(&server).status, 200);
    assert_eq!(Form::removal(&uploaded).post(&server).status, 200);
    let path = server.site.packages().join(&second.filename);
    let about = "in the packages directory project=blinky file=blinky-2.0.tar.gz";
    fs::write(&path, &second.bytes).unwrap();
    line(&server, &["INFO added", about]);
    fs::write(&path, Dist::sdist_with("blinky", "2.0", "", "x = 1").bytes).unwrap();
    line(&server, &["INFO replaced", about]);
    let mark = server.site.packages().join("blinky-2.0.tar.gz.yanked");
    fs::write(&mark, "eats flash").unwrap();
    line(&server, &["INFO yanked", about]);
    fs::remove_file(mark).unwrap();
    line(&server, &["INFO no longer yanked", about]);
    fs::remove_file(path).unwrap();
    line(&server, &["INFO removed", about]);
    fs::write(server.site.packages().join("blinky-1.0.yanked"), "no .tar.gz").unwrap();
    line(&server, &["WARN yanks nothing", "file=blinky-1.0"]);
    fs::write(server.site.packages().join("torn-1.0.tar.gz"), "half").unwrap();
    line(&server, &["WARN", "listed without metadata", "project=torn"]);
    let log = server.log();
    let told = |file: &str| {
        log.lines()
            .any(|line| line.contains("in the packages directory") && line.contains(file))
    };
    assert!(!told("blinky-1.0") && !told("uploaded-1.0"), "{log}");
}

#[test]
fn a_warning_tells_what_caused_it() {
    let pyproject = b"[tool.micropypi]\ninclude = ['a[']\n".as_slice();
    let sdist = Dist::sdist_of("blinky", "1.0", &[("pyproject.toml", pyproject)]);
    let site = Site::holding(&[sdist, Dist::wheel("blinky", "1.0")]);
    let server = site
        .package(&Dist::new("", "", "blinky_-1.0.tar.gz", Vec::new()))
        .start();
    let pattern = "error=the pattern \"a[\" cannot be read: error parsing glob";
    line(
        &server,
        &["WARN its [tool.micropypi] does not count", "project=blinky", pattern],
    );
    let name = "does not begin with a project name: \"blinky_\" is not a project name";
    line(
        &server,
        &["INFO ignored: not a distribution file=blinky_-1.0.tar.gz", name],
    );
}

#[test]
fn what_takes_a_restart_is_told_until_there_is_one() {
    let server = Server::start();
    let changed = server.site.clone().set("store.overwrite", "true");
    let changed_again = changed.clone().set("index.latest", r#""stable""#);
    let mut told = Vec::new();
    for (site, reloads) in [&changed, &changed_again, &server.site].into_iter().zip(1..) {
        site.configure();
        server.signal(Signal::HUP);
        let has_reloaded = |log: &String| log.matches("INFO reloaded").count() == reloads;
        let log = eventually("the server has reloaded", || Some(server.log()).filter(has_reloaded));
        told.push(
            ["[store]", "[index] latest"].map(|name| log.matches(&format!("{name} has changed; restart")).count()),
        );
    }
    assert_eq!(told, [[1, 0], [2, 1], [2, 1]]);
}

#[test]
fn what_is_wrong_with_the_configuration_is_told_in_one_line() {
    let site = Site::new();
    let server = site.start();
    let path = site.configure();
    let tells = |expected: String| {
        server.signal(Signal::HUP);
        server.await_log(&format!("the configuration is not reloaded: {expected}\n"));
    };
    let file = path.display();
    fs::write(&path, "lisen = 1\n[store]\noverwrite = 'yes'\n").unwrap();
    let expected = format!(
        "{file}:1:1: unknown key `lisen` (did you mean `listen`?); {file}:3:13: invalid type: string \"yes\", expected \
         true or false (for example `overwrite = false`)"
    );
    tells(expected);
    fs::remove_file(&path).unwrap();
    let expected = format!("cannot read the configuration file {file}: No such file or directory (os error 2)");
    tells(expected);
}
