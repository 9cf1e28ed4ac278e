//! The program in a directory of its own, and what it says when it has ended. Called by every test.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
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

/// What came of `micropypi` with these arguments.
pub(crate) fn ran(directory: &Path, arguments: &[&str]) -> Output {
    micropypi(directory, arguments).output().unwrap()
}

/// `micropypi` with these arguments, which never gets to serving: its cache cannot be made.
pub(crate) fn never_serving(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = micropypi(directory, arguments);
    command.env("MICROPYPI_STORE_CACHE", "/dev/null/cache");
    command
}

/// What came of `micropypi` with these arguments and a password on its standard input.
pub(crate) fn given_a_password(directory: &Path, arguments: &[&str]) -> Output {
    let mut child = micropypi(directory, arguments).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"open sesame\n").unwrap();
    child.wait_with_output().unwrap()
}

/// `micropypi` with these arguments as one who may do no more than the permissions say: root becomes another user.
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

/// An address that is taken for as long as the listener lives.
pub(crate) fn taken() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

pub(crate) fn home() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

pub(crate) fn write(directory: &Path, file: &str, content: impl AsRef<[u8]>) {
    fs::write(directory.join(file), content).unwrap();
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
