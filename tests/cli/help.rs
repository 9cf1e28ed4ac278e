//! What the program tells of itself: help, man page, version, completions.

use std::path::Path;
use std::process::Command;

use crate::harness::{failure, home, is_empty, ran, success, taken, write};

#[test]
fn the_help_names_every_default_and_protect_takes_none() {
    let home = home();
    let help = success(&ran(home.path(), &["serve", "--help"]));
    for option in [
        "--mdns[=<BOOL>]",
        "--overwrite[=<BOOL>]",
        "--passwords <FILE>",
        "--protect <RIGHT>",
    ] {
        let (_, about) = help.split_once(option).unwrap();
        let about = about.split("\n  -").next().unwrap();
        assert!(about.contains("[default: "), "{option} {about}");
    }
    let (_taken, address) = taken();
    let output = ran(home.path(), &["--protect", "none", "--listen", &address.to_string()]);
    assert!(failure(&output).contains("cannot listen"), "{output:?}");
    assert!(
        is_empty(home.path()),
        "nothing is protected, so nobody needs a password"
    );
}

#[test]
fn the_packages_can_ask_for_man_page_and_completions() {
    let home = home();
    let man = success(&ran(home.path(), &["man"]));
    for expected in [
        ".TH micropypi 1",
        "\nmicropypi check\\-config\nSay whether",
        ".SH \"MICROPYPI CHECK\\-CONFIG\"",
        ".SH EXAMPLES\n  micropypi  ",
        ".SS NOTES\nThe password is asked for twice without echo",
        ".SH FILES",
        "/etc/micropypi/config.toml",
        "/etc/micropypi/htpasswd",
        "/var/lib/micropypi/packages",
        "/var/cache/micropypi",
    ] {
        assert!(man.contains(expected), "{expected:?} is not in\n{man}");
    }
    assert!(!man.contains("(1)"), "there is no other page:\n{man}");
    let flag = r"\fB\-\-fallback\-url\fR \fI<";
    assert_eq!(man.matches(flag).count(), 2, "once for `serve`, once for `run`:\n{man}");
    for shell in ["bash", "fish", "zsh"] {
        let script = success(&ran(home.path(), &["completions", shell]));
        assert!(script.contains("check-config"), "{shell}");
    }
    let version = success(&ran(home.path(), &["--version"]));
    assert_eq!(version, concat!("micropypi ", env!("CARGO_PKG_VERSION"), "\n"));
    let version = success(&ran(home.path(), &["run", "--version"]));
    assert!(
        version.ends_with(concat!(" ", env!("CARGO_PKG_VERSION"), "\n")),
        "{version}"
    );
}

#[test]
fn the_shell_offers_the_words_that_a_setting_takes() {
    let home = home();
    let script = ran(home.path(), &["completions", "bash"]);
    write(home.path(), "completions", success(&script));
    let commands = offered(home.path(), &[]);
    assert!(
        commands.ends_with("run passwd check-config healthcheck discover serve help\n"),
        "{commands}"
    );
    for words in [&["serve"][..], &[]] {
        let after = |flag| offered(home.path(), &[words, &[flag]].concat());
        assert_eq!(after("--log-level"), "error warn info debug\n", "{words:?}");
        assert_eq!(after("--protect"), "list download update none\n", "{words:?}");
    }
}

/// What the shell offers after these words.
fn offered(home: &Path, words: &[&str]) -> String {
    let script = "source completions; COMP_WORDS=(micropypi \"$@\" ''); COMP_CWORD=$(($# + 1)); \
                  _micropypi micropypi '' \"${!#}\"; echo \"${COMPREPLY[*]}\"";
    let mut bash = Command::new("bash");
    bash.current_dir(home)
        .args(["--norc", "-c", script, "bash"])
        .args(words);
    success(&bash.output().unwrap())
}
