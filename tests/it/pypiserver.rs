//! `micropypi run` takes pypiserver's command line, so that its users change one word.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use crate::clients::twine;
use crate::dists::Dist;
use crate::form::Form;
use crate::harness::{Killed, Server, Site, eventually, free_port, unshare};
use crate::raw::Request;

/// Starts `micropypi run -i 127.0.0.1 -p 0` with more arguments.
fn run(site: &Site, arguments: &[&str]) -> Server {
    site.start_with(&[&["run", "-i", "127.0.0.1", "-p", "0"], arguments].concat())
}

#[test]
fn a_compose_files_arguments_work() {
    let site = Site::new().package(&Dist::sdist("blinky", "1.0"));
    let arguments = [
        "--passwords",
        "htpasswd",
        "--authenticate",
        "update",
        "--disable-fallback",
        "-vvv",
        "data/packages",
    ];
    let server = run(&site, &arguments);
    assert!(server.get("/simple/blinky/").text().contains("blinky-1.0.tar.gz"));
    assert_eq!(server.get("/simple/nothing/").status, 404);
    assert_eq!(
        server
            .send(Form::upload(&Dist::sdist("blinky", "2.0")).request("/"))
            .status,
        401
    );
    twine("twine/bin/twine", &server)
        .dists(&[&Dist::sdist("blinky", "2.0")])
        .run()
        .succeeded();
    assert!(server.get("/simple/blinky/").text().contains("blinky-2.0.tar.gz"));
}

#[test]
fn dots_open_everything_as_they_do_there() {
    let site = Site::new();
    let server = run(&site, &["-P", ".", "-a", ".", "data/packages"]);
    assert!(site.path(".cache/micropypi").is_dir(), "derived data is kept at home");
    assert_eq!(
        server
            .send(Form::upload(&Dist::sdist("blinky", "1.0")).request("/"))
            .status,
        200
    );
    assert_eq!(site.stored(), ["blinky-1.0.tar.gz"]);
}

#[test]
fn without_a_password_file_the_option_for_it_is_named() {
    let server = run(&Site::new(), &["data/packages"]);
    let answer = server.send(Form::upload(&Dist::sdist("blinky", "1.0")).request("/"));
    assert_eq!(answer.status, 403);
    let remedy = "run `micropypi passwd USER --file FILE` and start `micropypi run` with `-P FILE`";
    assert!(answer.text().trim_end().ends_with(remedy), "{}", answer.text());
    assert!(
        server
            .log()
            .contains(&format!("{remedy}; the quick trial, which makes a user, ")),
        "{}",
        server.log()
    );
}

#[test]
fn each_right_is_asked_for() {
    let site = Site::new().package(&Dist::sdist("blinky", "1.0"));
    let server = run(
        &site,
        &["-P", "htpasswd", "-a", "update,download,list", "data/packages"],
    );
    for target in ["/simple/", "/packages/blinky-1.0.tar.gz"] {
        assert_eq!(server.get(target).status, 401, "{target}");
        assert_eq!(server.send(Request::get(target).by_user()).status, 200, "{target}");
    }
    assert_eq!(server.get("/health").status, 200);
}

#[test]
fn the_other_options() {
    let site = Site::new().package(&Dist::sdist("blinky", "1.0"));
    fs::write(site.path("welcome.html"), "<h1>Boards of the third floor</h1>").unwrap();
    fs::create_dir(site.path("more")).unwrap();
    let abacus = Dist::wheel("abacus", "1.0");
    fs::write(site.path("more").join(&abacus.filename), &abacus.bytes).unwrap();
    let options = [
        "-P",
        "htpasswd",
        "-o",
        "--fallback-url",
        "http://127.0.0.1:9/simple/",
        "--hash-algo",
        "sha256",
    ];
    let pages = [
        "--welcome",
        "welcome.html",
        "--cache-control",
        "60",
        "--health-endpoint",
        "/alive",
    ];
    let server = run(
        &site,
        &[options.as_slice(), &pages, &["-v", "data/packages", "more"]].concat(),
    );
    assert!(server.get("/").text().contains("Boards of the third floor"));
    assert_eq!(server.get("/alive").status, 200);
    assert!(server.get("/simple/abacus/").text().contains(&abacus.filename));
    assert_eq!(
        server.get("/simple/nothing/").header("location"),
        Some("http://127.0.0.1:9/simple/nothing/")
    );
    assert!(
        server
            .get("/packages/blinky-1.0.tar.gz")
            .header("cache-control")
            .unwrap()
            .contains("max-age=60")
    );
    let other = Dist::sdist_with("blinky", "1.0", "", "x = 2\n");
    assert_eq!(Form::upload(&other).post(&server).status, 200, "overwriting is allowed");
    let log = server.log();
    assert!(
        log.contains("WARN cache_control beside overwrite: for 60 seconds"),
        "{log}"
    );
}

#[test]
fn a_welcome_page_is_filled_as_there() {
    let site = Site::holding(&[Dist::sdist("blinky", "1.0"), Dist::wheel("blinky", "1.0")]);
    let page = "pip -i {{URL}}simple/ of {{ NUMPKGS }}, {{SIMPLE}}, {{!PACKAGES}}, {{VERSION}}, {{name}}";
    fs::write(site.path("welcome.html"), page).unwrap();
    let server = run(&site, &["--welcome", "welcome.html", "data/packages"]);
    let filled = format!(
        "pip -i http://{}/simple/ of 2, /simple/, /packages/, {}, {{{{name}}}}",
        server.address,
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(server.get("/").text(), filled);
    let log = server.log();
    let warned: Vec<_> = log.lines().filter(|line| line.contains("welcome.html")).collect();
    assert!(
        warned.len() == 1 && warned[0].contains("as it stands: {{name}};"),
        "{log}"
    );
}

/// In a network namespace without `::1`, and with the /etc/hosts that containers get.
#[test]
fn a_name_may_stand_for_an_address_too_many() {
    let site = Site::new();
    fs::write(site.path("hosts"), "127.0.0.1 localhost\n::1 localhost\n").unwrap();
    let script = r#"
        ip link set lo up
        ip address flush dev lo
        ip address add 127.0.0.1/8 dev lo
        mount --bind hosts /etc/hosts
        "$MICROPYPI" run -vv -i localhost -p 8089 -P htpasswd data/packages 2>log &
        curl --silent --fail --retry 30 --retry-connrefused --retry-delay 1 http://127.0.0.1:8089/health
        until grep 'left out' log; do sleep 0.1; done
        ! "$MICROPYPI" run -i ::1 -p 8090 -P htpasswd data/packages 2>&1"#;
    // The server that the script leaves behind ends with the namespace.
    let mut command = unshare(&["--net", "--mount", "--pid", "--fork", "--kill-child"]);
    command
        .args(["timeout", "60", "sh", "-exc", script])
        .current_dir(site.path(""));
    command
        .env("HOME", site.path(""))
        .env("MICROPYPI_MDNS_ENABLED", "false");
    let output = command
        .env("MICROPYPI", env!("CARGO_BIN_EXE_micropypi"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{text}");
    for expected in [
        "DEBUG ::1 is not an address of this machine, and is left out",
        "error: cannot listen on [::1]:8090\n",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in\n{text}");
    }
}

#[test]
fn an_option_without_meaning_is_accepted_and_said_so() {
    let site = Site::new();
    let server = run(
        &site,
        &[
            "-P",
            "htpasswd",
            "--server",
            "gunicorn",
            "--hash-algo",
            "md5",
            "data/packages",
        ],
    );
    let log = server.log();
    assert!(log.contains("server") && log.contains("hash-algo"), "{log}");
}

#[test]
fn a_log_file_takes_the_log_and_is_begun_anew_when_it_was_rotated() {
    let site = Site::new();
    let port = free_port();
    let child = site
        .command()
        .env("MICROPYPI_MDNS_ENABLED", "false")
        .args([
            "run",
            "-i",
            "127.0.0.1",
            "-p",
            &port.to_string(),
            "--log-file",
            "server.log",
            "data/packages",
        ])
        .spawn()
        .unwrap();
    let child = Killed(child);
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let await_log = |text: &str| {
        eventually("the log file tells of it", || {
            fs::read_to_string(site.path("server.log"))
                .ok()
                .filter(|log| log.contains(text))
        })
    };
    eventually("it answers", || Request::get("/health").try_send(address));
    await_log("/health");
    fs::rename(site.path("server.log"), site.path("server.log.1")).unwrap();
    kill_process(Pid::from_child(&child.0), Signal::HUP).unwrap();
    let anew = await_log("reloaded");
    assert!(!anew.contains("/health"), "{anew}");
}
