//! The program in a directory of its own, and what it says when it has ended. Called by every test.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rustix::process::geteuid;
use tempfile::TempDir;

/// `micropypi` with these arguments, in a directory, with nothing of this process's environment.
pub(crate) fn micropypi(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_micropypi"));
    command.current_dir(directory).env_clear().env("HOME", directory);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The same as one who may do no more than the permissions say: root becomes another user.
pub(crate) fn unprivileged(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = micropypi(directory, arguments);
    if geteuid().is_root() {
        let program = command.get_program().to_owned();
        command = Command::new("unshare");
        command.current_dir(directory).env_clear().env("HOME", directory);
        command
            .args(["--user", "--map-user=65532"])
            .arg(program)
            .args(arguments);
    }
    command
}

pub(crate) fn home() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What a command that fails says.
#[track_caller]
pub(crate) fn failure(output: &Output) -> String {
    said_with(1, output)
}

/// What a command says whose configuration is wrong, after which systemd starts no service again.
#[track_caller]
pub(crate) fn misconfiguration(output: &Output) -> String {
    said_with(78, output)
}

#[track_caller]
fn said_with(status: i32, output: &Output) -> String {
    assert_eq!(output.status.code(), Some(status), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    text(&output.stderr)
}

#[track_caller]
pub(crate) fn success(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    text(&output.stdout)
}

pub(crate) fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).unwrap().next().is_none()
}
