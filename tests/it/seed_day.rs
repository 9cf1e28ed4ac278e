//! The README's day, end to end, by its own words: one command in an empty directory, twine in; pip, uv and upip out.

use std::process::Command;

use rustix::process::geteuid;

use crate::clients::installed;

/// In a network namespace of its own the server has its usual port, and an address that pip does not trust by itself.
#[test]
fn the_day_of_a_package_server() {
    let home = tempfile::tempdir().unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/seed_day.sh");
    let mut command = Command::new("timeout");
    command.args(["120", "unshare", "--net", "--kill-child", "--pid", "--fork"]);
    if !geteuid().is_root() {
        command.arg("--map-root-user");
    }
    command.args(["bash", script]).env_clear().current_dir(home.path());
    command.envs([
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ("LANG", "C.UTF-8"),
    ]);
    command
        .env("HOME", home.path())
        .env("MICROPYPI", env!("CARGO_BIN_EXE_micropypi"));
    let output = command.env("CLIENTS", installed("")).output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{text}");
}
