//! The README's day, end to end, by its own words: one command in an empty directory, twine in; pip, uv and upip out.

use crate::clients::installed;
use crate::harness::unshare;

/// In a network namespace of its own the server has its usual port, and an address that pip does not trust by itself.
#[test]
fn the_day_of_a_package_server() {
    let home = tempfile::tempdir().unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/seed_day.sh");
    // The server that the script leaves behind ends with the namespace.
    let mut command = unshare(&["--net", "--pid", "--fork", "--kill-child"]);
    command
        .args(["timeout", "120", "bash", script])
        .current_dir(home.path())
        .env("HOME", home.path());
    command.env("MICROPYPI", env!("CARGO_BIN_EXE_micropypi"));
    let output = command.env("CLIENTS", installed("")).output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{text}");
}
