//! The real clients, as `tests/clients/install` put them into `target/clients`. Called by the tests.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::dists::Dist;
use crate::harness::{PASSWORD, Server, Site, USER};

/// Contents by relative path.
pub(crate) type Tree = BTreeMap<String, Vec<u8>>;

/// What a client did.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) success: bool,
    /// Everything that it wrote, colours and line breaks of the terminal taken out.
    pub(crate) text: String,
}

impl Outcome {
    /// Fails the test unless the client succeeded.
    pub(crate) fn succeeded(self) -> Self {
        assert!(self.success, "the client failed:\n{}", self.text);
        self
    }

    /// Fails the test unless the client failed and said all of the words.
    pub(crate) fn failed_saying(self, words: &[&str]) -> Self {
        assert!(!self.success, "the client did not fail:\n{}", self.text);
        self.says(words)
    }

    /// Fails the test unless the client said all of the words, wherever it broke its lines.
    pub(crate) fn says(self, words: &[&str]) -> Self {
        let flat = self.text.split_whitespace().collect::<Vec<_>>().join(" ");
        for word in words {
            assert!(flat.contains(word), "the client never says {word:?}:\n{}", self.text);
        }
        self
    }
}

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

/// A package by another maker, from `tests/clients/packages.txt`.
pub(crate) fn package(filename: &str) -> PathBuf {
    installed("packages").join(filename)
}

/// A site with packages by other makers, as they released them.
pub(crate) fn real_packages(filenames: &[&str]) -> Site {
    let site = Site::new();
    for filename in filenames {
        fs::copy(package(filename), site.packages().join(filename)).expect("a package file");
    }
    site
}

/// A client's program, to be run in its own home with a bare environment, for a minute at most.
pub(crate) struct Client {
    home: TempDir,
    command: Command,
}

impl Client {
    /// A program below `target/clients`.
    pub(crate) fn new(program: &str) -> Self {
        let home = tempfile::tempdir().expect("a temporary directory");
        let mut command = Command::new("timeout");
        command.arg("60").arg(installed(program));
        command.env_clear().envs([
            ("LANG", "C.UTF-8"),
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("COLUMNS", "500"),
        ]);
        // Some leave temporary files behind.
        command.env("HOME", home.path()).env("TMPDIR", home.path());
        command.current_dir(home.path());
        Self { home, command }
    }

    /// Adds arguments.
    pub(crate) fn args<I: IntoIterator<Item: AsRef<OsStr>>>(mut self, arguments: I) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets a variable of the environment.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets the directory that it runs in.
    pub(crate) fn within(mut self, directory: &Path) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// Writes a file into its home.
    pub(crate) fn file(self, name: &str, content: &[u8]) -> Self {
        fs::write(self.home.path().join(name), content).expect("a file in the client's home");
        self
    }

    /// Writes distributions into its home and names them as arguments.
    pub(crate) fn dists(mut self, dists: &[&Dist]) -> Self {
        for dist in dists {
            self = self.file(&dist.filename, &dist.bytes);
            self.command.arg(&dist.filename);
        }
        self
    }

    /// Runs it to its end.
    pub(crate) fn run(mut self) -> Outcome {
        let output = self.command.stdin(Stdio::null()).output().expect("coreutils' timeout");
        let mut text = [output.stdout, output.stderr].concat();
        if output.status.code() == Some(124) {
            text.extend_from_slice(b"(ended after a minute)\n");
        }
        Outcome {
            success: output.status.success(),
            text: plain(&String::from_utf8_lossy(&text)),
        }
    }
}

/// The text without the escape sequences of a terminal (ECMA-48 CSI).
fn plain(text: &str) -> String {
    let mut pieces = text.split("\u{1b}[");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| {
        let end = piece
            .find(|c: char| ('@'..='~').contains(&c))
            .map_or(piece.len(), |at| at + 1);
        text + &piece[end..]
    })
}

/// Twine before and after it took to checking metadata.
pub(crate) const TWINES: [&str; 2] = ["twine5/bin/twine", "twine/bin/twine"];

/// `twine upload` as the site's user, without files.
pub(crate) fn twine(program: &str, server: &Server) -> Client {
    let url = format!("{}/", server.url());
    Client::new(program).args(["upload", "--repository-url", &url, "-u", USER, "-p", PASSWORD])
}

/// `uv publish` as the site's user, without files.
pub(crate) fn uv_publish(server: &Server) -> Client {
    let url = format!("{}/", server.url());
    Client::new("uv/bin/uv").args([
        "publish",
        "--publish-url",
        &url,
        "--username",
        USER,
        "--password",
        PASSWORD,
    ])
}

/// `pip install` into a directory from one index, without build isolation's downloads.
pub(crate) fn pip_install(python: &str, index: &str, target: &Path) -> Client {
    Client::new(python)
        .args([
            "-m",
            "pip",
            "--isolated",
            "--disable-pip-version-check",
            "--no-cache-dir",
            "install",
        ])
        .args(["--index-url", index, "--target"])
        .args([target])
}

/// `uv pip install` into a directory from one index.
pub(crate) fn uv_install(index: &str, target: &Path) -> Client {
    let python = installed("uv/bin/python");
    Client::new("uv/bin/uv")
        .args([
            "--no-config",
            "--no-cache",
            "pip",
            "install",
            "--default-index",
            index,
            "--python",
        ])
        .args([python.as_path(), Path::new("--target"), target])
}

/// MicroPython 1.25.
pub(crate) const MICROPYTHON: &str = "micropython/bin/micropython";

/// Every MicroPython with the mip that its makers froze in. Each is told before its turn: a failed test tells last which
/// one it failed on. They are Debian trixie's; forky's, whose version no test may know (it was 1.26.1 at first); and, for
/// the one architecture that has it, a wheel's, built from the main line between 1.28 and 1.29.
pub(crate) fn micropythons() -> impl Iterator<Item = &'static str> {
    const PROGRAMS: &[&str] = &[
        MICROPYTHON,
        "micropython-forky/bin/micropython",
        #[cfg(target_arch = "x86_64")]
        "micropython-unix/bin/micropython",
    ];
    let version = "import sys, mip; print(sys.version, 'with mip', mip.__version__)";
    PROGRAMS.iter().copied().inspect(move |program| {
        let told = Client::new(program).args(["-c", version]).run();
        println!("{program}: {}", told.succeeded().text.trim());
    })
}

/// MicroPython 1.25 with so much heap (`40k`, `2M`), to run a script that may import upip, `upip_board` and mip.
pub(crate) fn micropython(heap: &str, script: &str) -> Client {
    let path = format!("{}:.frozen", installed("board").display());
    let heap = format!("heapsize={heap}");
    Client::new(MICROPYTHON)
        .env("MICROPYPATH", &path)
        .args(["-X", &heap, "-c", script])
}

/// `upip.install` of these specs on a board with so much heap, from these indexes, into a directory.
pub(crate) fn upip_install(heap: &str, indexes: &[&str], target: &Path, specs: &[&str]) -> Outcome {
    let script = format!(
        "import upip_board; upip_board.install({indexes:?}, {:?}, {specs:?})",
        target.display().to_string()
    );
    micropython(heap, &script).run()
}

/// `mip.install` of these arguments on a board of 40 KiB, into a directory. It fails without saying so: look at what
/// arrived.
pub(crate) fn mip_install(target: &Path, arguments: &str) -> Outcome {
    let script = format!(
        "import mip; mip.install({arguments}, target={:?})",
        target.display().to_string()
    );
    micropython("40k", &script).run()
}

/// What `mip.install` of these arguments puts on an empty board.
pub(crate) fn mip_files(arguments: &str) -> Tree {
    let board = tempfile::tempdir().expect("a temporary directory");
    let outcome = mip_install(board.path(), arguments).succeeded();
    let files = tree(board.path());
    assert!(!files.is_empty(), "mip.install({arguments}):\n{}", outcome.text);
    files
}

/// What upip puts on an empty board with so much heap.
pub(crate) fn upip_files(heap: &str, server: &Server, project: &str) -> Tree {
    let board = tempfile::tempdir().expect("a temporary directory");
    upip_install(heap, &[&server.url()], board.path(), &[project]).succeeded();
    tree(board.path())
}

/// What pip installs of a project and all that it requires.
pub(crate) fn pip_files(server: &Server, project: &str) -> Tree {
    let target = tempfile::tempdir().expect("a temporary directory");
    let index = format!("{}/simple/", server.url());
    let pip = pip_install("pip/bin/python", &index, target.path()).args(["--no-compile", project]);
    pip.run().succeeded();
    pip_tree(target.path())
}

/// What pip installs of an sdist, which its own backend builds.
pub(crate) fn built_files(sdist: &Path) -> Tree {
    let target = tempfile::tempdir().expect("a temporary directory");
    let pip = Client::new("pip/bin/pip").args([Path::new("--python"), &installed("build/bin/python")]);
    let pip = pip.args(["--isolated", "install", "--no-index", "--no-deps", "--no-compile"]);
    let pip = pip.args([
        Path::new("--no-build-isolation"),
        Path::new("--target"),
        target.path(),
        sdist,
    ]);
    pip.run().succeeded();
    pip_tree(target.path())
}

/// What pip left in a directory, less its metadata, the programs for a shell and what only type checkers read.
fn pip_tree(target: &Path) -> Tree {
    let mut files = tree(target);
    let is_for_type_checkers = |path: &str| path.ends_with(".pyi") || path.ends_with("/py.typed");
    files.retain(|path, _| !path.contains(".dist-info/") && !path.starts_with("bin/") && !is_for_type_checkers(path));
    files
}

/// Every file below a directory with its content, by relative path.
pub(crate) fn tree(root: &Path) -> Tree {
    let mut files = Tree::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory)
            .into_iter()
            .flatten()
            .map(|entry| entry.expect("an entry"))
        {
            let path = entry.path();
            if path.is_dir() {
                directories.push(path);
            } else {
                let name = path
                    .strip_prefix(root)
                    .expect("below the root")
                    .to_string_lossy()
                    .into_owned();
                files.insert(name, fs::read(&path).expect("a file"));
            }
        }
    }
    files
}
