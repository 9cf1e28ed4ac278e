//! What a start tells in the log: what it made, and what is to be done about the password file.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::harness::{failure, home, never_serving, success, text, unprivileged};

#[test]
fn the_log_on_a_terminal_is_coloured_unless_that_is_declined() {
    let home = home();
    // Nothing is served for ever: this cache cannot be made.
    let command = concat!(env!("CARGO_BIN_EXE_micropypi"), " --cache /dev/null/cache --packages");
    let shown = |packages: &str, declined: &str| {
        let mut script = Command::new("script");
        let command = format!("{command} {packages}");
        script.args(["--quiet", "--command", &command, "/dev/null"]);
        script.current_dir(home.path()).env("NO_COLOR", declined);
        text(&script.stdin(Stdio::null()).output().unwrap().stdout)
    };
    let coloured = shown("one", "");
    assert!(
        coloured.contains("\x1b[32m INFO\x1b[0m made the packages"),
        "{coloured}"
    );
    let plain = shown("two", "1");
    assert!(plain.contains("Z  INFO made the packages"), "{plain}");
}

#[test]
fn a_packages_directory_that_is_made_is_told() {
    let home = home();
    let start = || {
        let mut command = never_serving(home.path(), &["run", "-i", "127.0.0.1", "-p", "0", "typo"]);
        failure(&command.output().unwrap())
    };
    let told = "made the packages directory typo, which was not there";
    let said = start();
    assert_eq!(said.matches(told).count(), 1, "{said}");
    let said = start();
    assert!(!said.contains(told), "{said}");
}

#[test]
fn a_password_file_of_another_user_is_told_with_the_remedy() {
    let home = home();
    let file = home.path().join("htpasswd");
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o000)).unwrap();
    let arguments = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--mdns=false",
        "--passwords",
        "htpasswd",
    ];
    let mut start = unprivileged(home.path(), &arguments);
    let said = failure(&start.output().unwrap());
    assert!(said.contains("htpasswd cannot be read by the user "), "{said}");
    assert!(said.contains("; in a container's compose file: user: \""), "{said}");
    let said = failure(&start.env("INVOCATION_ID", "1").output().unwrap());
    assert!(said.contains("as whom this server runs\n"), "{said}");
}

#[test]
fn a_line_to_paste_is_for_the_file_whatever_its_name() {
    let home = home();
    let folder = home.path().join("ann's stick");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("passwords"), "").unwrap();
    fs::set_permissions(folder.join("passwords"), Permissions::from_mode(0o644)).unwrap();
    let start = || {
        let mut command = never_serving(home.path(), &["serve", "--passwords", "ann's stick/passwords"]);
        failure(&command.output().unwrap())
    };
    let said = start();
    assert!(
        said.contains(r"run `micropypi passwd USER --file 'ann'\''s stick/passwords'`"),
        "{said}"
    );
    let exposed = "can be read by every user of this machine; run: ";
    let remedy = said.lines().find_map(|line| Some(line.split_once(exposed)?.1)).unwrap();
    success(
        &Command::new("sh")
            .args(["-c", remedy])
            .current_dir(home.path())
            .output()
            .unwrap(),
    );
    let said = start();
    assert!(!said.contains(exposed), "{remedy} did nothing: {said}");
}

/// As NixOS's module has it: the copy cannot be written, and goes with the service.
#[test]
fn a_password_file_that_is_a_credential_is_mended_where_it_comes_from() {
    let home = home();
    let credentials = home.path().join("credentials");
    fs::create_dir(&credentials).unwrap();
    fs::write(credentials.join("htpasswd"), "").unwrap();
    let start = never_serving(home.path(), &["serve"])
        .env("CREDENTIALS_DIRECTORY", &credentials)
        .output();
    let said = failure(&start.unwrap());
    assert!(
        said.contains("run `micropypi passwd USER --file FILE`, where FILE is what the unit's credential is loaded from, and restart the service"),
        "{said}"
    );
}
