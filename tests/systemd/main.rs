//! The packaged service under a real systemd as PID 1, in namespaces of its own (`run`, and the checks in `guest/`).
//! Needs root rights and mmdebstrap, and says so where they are missing.

use std::path::Path;
use std::process::Command;

/// Boots the Debian of this name for each file of checks.
fn checks_pass_on(suite: &str) {
    if let Some(reason) = missing() {
        println!("skipped, because {reason}");
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/systemd/run");
    let run = Command::new(script)
        .args([suite, env!("CARGO_BIN_EXE_micropypi")])
        .status();
    assert!(
        run.is_ok_and(|status| status.success()),
        "the checks above failed on {suite}"
    );
}

/// What this machine lacks.
fn missing() -> Option<&'static str> {
    if !rustix::process::geteuid().is_root() {
        return Some("only root can start a systemd in namespaces");
    }
    let mmdebstrap = Command::new("mmdebstrap").arg("--version").output();
    mmdebstrap.is_err().then_some("mmdebstrap is not installed")
}

#[test]
fn serves_on_debian_13() {
    checks_pass_on("trixie");
}

#[test]
fn serves_on_debian_12() {
    checks_pass_on("bookworm");
}
