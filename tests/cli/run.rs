//! `run`, by pypiserver's words: what it takes, and what it refuses since it would mean something else.

use crate::harness::{failure, home, is_empty, micropypi, misconfiguration, never_serving, ran, success, taken};

#[test]
fn run_refuses_what_it_cannot_mean() {
    let home = home();
    let half_open = ran(home.path(), &["run", "-P", "."]);
    assert_eq!(
        misconfiguration(&half_open),
        "error: no passwords at all takes both options: -P . -a .\n"
    );
    let prefix = ran(home.path(), &["run", "--server-base-url", "/pypi"]);
    assert!(
        misconfiguration(&prefix).contains("put a proxy before it"),
        "{prefix:?}"
    );
    for wrong in ["", "index.example"] {
        let fallback = ran(home.path(), &["run", "--fallback-url", wrong]);
        let expected = format!("error: --fallback-url {wrong:?} is not the URL of an index");
        assert!(misconfiguration(&fallback).starts_with(&expected), "{fallback:?}");
    }
    assert!(is_empty(home.path()));
}

#[test]
fn run_serves_the_working_directory_and_no_cache_with_it() {
    let home = home();
    // Nothing is served for ever: this address is taken.
    let (_taken, address) = taken();
    let port = address.port().to_string();
    let run = |cache| {
        let mut command = micropypi(home.path(), &["run", "-i", "127.0.0.1", "-p", &port, "."]);
        command.envs(cache).output().unwrap()
    };
    let said = failure(&run(None));
    assert!(said.contains("is another server running?"), "{said}");
    let said = misconfiguration(&run(Some(("MICROPYPI_STORE_CACHE", "cache"))));
    assert!(said.contains("cache would be served with the packages of "), "{said}");
}

#[test]
fn run_makes_the_first_directory_and_no_mistyped_one() {
    let home = home();
    let arguments = ["run", "-i", "127.0.0.1", "-p", "0", "packages", "mroe"];
    let said = failure(&never_serving(home.path(), &arguments).output().unwrap());
    assert!(
        said.contains("error: the packages directory mroe is not there"),
        "{said}"
    );
    assert!(home.path().join("packages").exists() && !home.path().join("mroe").exists());
}

#[test]
fn an_empty_port_of_pypiservers_is_none_and_a_wrong_one_is_named() {
    let home = home();
    let check = |port| {
        let mut command = micropypi(home.path(), &["check-config", "--show"]);
        command.env("PYPISERVER_PORT", port).output().unwrap()
    };
    let shown = success(&check(""));
    assert!(shown.contains(r#"listen = ["[::]:8089"]"#), "{shown}");
    let shown = success(&check("8080"));
    assert!(shown.contains(r#"listen = ["[::]:8089", "[::]:8080"]"#), "{shown}");
    let run = |port| {
        let mut command = never_serving(home.path(), &["run", "-i", "127.0.0.1", "-p", "0", "packages"]);
        command.env("PYPISERVER_PORT", port).output().unwrap()
    };
    let said = failure(&run(""));
    assert!(said.contains("/dev/null/cache"), "{said}");
    for wrong in ["70000", "0"] {
        let expected = format!(
            "error: PYPISERVER_PORT in the environment: \"{wrong}\" is not a port: a number from 1 to 65535, or nothing for \
             the default\n"
        );
        for output in [check(wrong), run(wrong)] {
            assert_eq!(misconfiguration(&output), expected);
        }
    }
}
