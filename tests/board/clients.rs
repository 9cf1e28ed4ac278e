//! The tools in `target/clients`. Called by the tests.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Files by their path in a folder.
pub(crate) type Tree = BTreeMap<String, Vec<u8>>;

/// A file below `target/clients`.
pub(crate) fn installed(relative: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("target/tmp has a parent");
    let path = target.join("clients").join(relative);
    assert!(
        path.exists(),
        "{} is missing: run tests/clients/install",
        path.display()
    );
    path
}

/// Runs a command for a minute at most, with a home of its own, and gives what it wrote to stdout.
pub(crate) fn run(program: &str, home: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("timeout");
    command
        .arg("60")
        .arg(installed(program))
        .args(arguments)
        .current_dir(home);
    command
        .env_clear()
        .env("HOME", home)
        .env("PATH", "/usr/bin:/bin")
        .env("LANG", "C.UTF-8");
    command
        .env("PIP_NO_INDEX", "1")
        .env("UV_OFFLINE", "1")
        .env("UV_PYTHON", installed("build/bin/python"));
    command
        .env("MICROPYPATH", installed("board"))
        .env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
    let output = command.output().expect("timeout is in coreutils");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{program} {arguments:?}:\n{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// Writes files below a folder.
pub(crate) fn write(folder: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// Every file below a folder.
pub(crate) fn read(folder: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                tree.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    tree
}

/// What `pip install --target` gives, less its metadata, its scripts and what only type checkers read; an sdist is built by
/// its own backend.
pub(crate) fn pip_installed(dist: &Path, home: &Path) -> Tree {
    let (python, target) = (installed("build/bin/python"), home.join("installed"));
    let arguments = [
        "--python",
        python.to_str().unwrap(),
        "install",
        "--quiet",
        "--no-deps",
        "--no-compile",
        "--no-build-isolation",
        "--target",
        target.to_str().unwrap(),
        dist.to_str().unwrap(),
    ];
    run("pip/bin/pip", home, &arguments);
    let mut tree = read(&target);
    tree.retain(|path, _| !path.contains(".dist-info/") && !path.starts_with("bin/") && !is_for_type_checkers(path));
    tree
}

fn is_for_type_checkers(path: &str) -> bool {
    path.ends_with(".pyi") || path.ends_with("/py.typed")
}
