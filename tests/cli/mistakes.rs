//! What is wrong with a configuration: where it stands, in the words of its source, and by which status the program ends.

use std::fs;

use crate::harness::{failure, home, micropypi, misconfiguration, ran, write};

#[test]
fn a_wrong_key_is_shown_in_place() {
    let home = home();
    write(home.path(), "c.toml", "[store]\noverwite = true\n");
    let output = ran(home.path(), &["serve", "--config", "c.toml"]);
    let expected = "\
error: c.toml:2:1: unknown key `store.overwite`
  |
2 | overwite = true
  | ^^^^^^^^ did you mean `overwrite` below `[store]`?
";
    assert_eq!(misconfiguration(&output), expected);
}

#[test]
fn every_mistake_of_every_source_is_told_at_once() {
    let home = home();
    write(home.path(), "c.toml", "listen = ['here']\n");
    let output = micropypi(home.path(), &["serve", "--log-level", "loud"])
        .env("MICROPYPI_CONFIG", "c.toml")
        .env("MICROPYPI_MDNS_NAMES", "lab")
        .output()
        .unwrap();
    let said = misconfiguration(&output);
    for expected in [
        "error: 3 settings are wrong\n",
        "c.toml:1:11: this is not an IP address and a port\n",
        "MICROPYPI_MDNS_NAMES in the environment: no such setting\n  = did you mean `MICROPYPI_MDNS_NAME`?\n",
        "log.level on the command line: unknown value `loud`, expected one of `error`, `warn`, `info`, `debug`\n",
    ] {
        assert!(said.contains(expected), "{expected:?} is not in\n{said}");
    }
}

#[test]
fn an_address_without_a_port_is_answered_in_the_words_of_its_source() {
    let home = home();
    let flag = ran(home.path(), &["--listen", "127.0.0.1"]);
    let expected = "\
error: listen on the command line: this is not an IP address and a port
  = for example `--listen '[::]:8089'`
";
    assert_eq!(misconfiguration(&flag), expected);
    let variable = micropypi(home.path(), &[])
        .env("MICROPYPI_LISTEN", "127.0.0.1")
        .output()
        .unwrap();
    let said = misconfiguration(&variable);
    assert!(
        said.ends_with("  = for example `MICROPYPI_LISTEN=[::]:8089`\n"),
        "{said}"
    );
}

#[test]
fn a_named_file_that_is_missing_is_an_error_with_its_cause() {
    let home = home();
    let output = ran(home.path(), &["check-config", "--config", "none.toml"]);
    let expected = "\
error: cannot read the configuration file none.toml
caused by: No such file or directory (os error 2)
";
    assert_eq!(failure(&output), expected);
}

#[test]
fn only_a_configuration_that_stays_wrong_keeps_systemd_from_another_start() {
    let unit = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/micropypi.service")).unwrap();
    assert!(unit.contains("\nRestartPreventExitStatus=78\n"), "{unit}");
    let home = home();
    // A file that is no text.
    write(home.path(), "c.toml", b"\xff");
    let output = ran(home.path(), &["-c", "c.toml"]);
    assert!(
        misconfiguration(&output).contains("the configuration file c.toml is not UTF-8"),
        "{output:?}"
    );
    // A disk that is not there yet, and a password file that somebody is writing.
    for settings in [
        "[store]\npackages = ['packages', 'stick']\n",
        "[auth]\npasswords = '.'\n",
    ] {
        let settings = format!("listen = ['127.0.0.1:0']\n{settings}");
        write(home.path(), "c.toml", settings);
        failure(&ran(home.path(), &["-c", "c.toml"]));
    }
    // Docker knows two answers to its question.
    write(home.path(), "c.toml", "lisen = 1\n");
    let health = ran(home.path(), &["healthcheck", "-c", "c.toml"]);
    assert!(failure(&health).contains("did you mean `listen`?"), "{health:?}");
}
