//! mpremote over a serial line to a board: a pty, with MicroPython and a raw REPL at its other end. What arrives is written
//! by the code that mpremote has the board run.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::clients::{Client, MICROPYTHON, Outcome, Tree, installed, micropythons, mip_install, real_packages, tree};
use crate::dists::Dist;
use crate::harness::{Server, Site};

/// A board whose file system is a directory, and whose `sys.path` is that directory's `lib`.
struct Board {
    home: TempDir,
    terminal: String,
    process: Child,
}

impl Board {
    fn start() -> Self {
        Self::running(MICROPYTHON)
    }

    /// A board of that MicroPython.
    fn running(program: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut command = Command::new(installed("mpremote/bin/python"));
        command.args(["-c", include_str!("board.py")]);
        command.arg(installed(program));
        command.args(["-c", include_str!("raw_repl.py")]);
        command.env_clear().env("MICROPYPATH", home.path().join("lib"));
        let command = command.current_dir(home.path()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut terminal = String::new();
        let mut told = BufReader::new(process.stdout.take().unwrap());
        told.read_line(&mut terminal).unwrap();
        Self {
            home,
            terminal: terminal.trim().to_owned(),
            process,
        }
    }

    /// `mpremote mip` with these arguments.
    fn mip(&self, arguments: &[&str]) -> Outcome {
        let client = Client::new("mpremote/bin/mpremote").args(["connect", &self.terminal, "resume", "mip"]);
        client.args(arguments).run()
    }

    /// The files on the board.
    fn files(&self) -> Tree {
        tree(self.home.path())
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        // It may have ended already; there is nobody to tell.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn server() -> Server {
    let files: [(&str, &[u8]); 2] = [
        ("blinky/__init__.py", b"from pulse import VERSION\n"),
        ("blinky/data/bytes.bin", &[0, 1, 2, 4, 5, 13, 10, 255, 39, 92]),
    ];
    let requires = "Requires-Dist: pulse<2\n";
    Site::holding(&[
        Dist::wheel_of("blinky", "0.2.0rc99+dev42", requires, &files),
        Dist::wheel("blinky", "1.0"),
        Dist::wheel("pulse", "1.0"),
        Dist::wheel("pulse", "2.0"),
    ])
    .start()
}

#[test]
fn mpremote_installs_an_exact_version_with_what_it_requires() {
    let server = server();
    for program in micropythons() {
        let board = Board::running(program);
        let arguments = ["--index", &server.url(), "install", "blinky@0.2.0rc99+dev42"];
        board.mip(&arguments).succeeded().says(&["Done"]);
        let files = board.files();
        let expected = [
            "lib/blinky/__init__.py",
            "lib/blinky/data/bytes.bin",
            "lib/pulse/__init__.py",
        ];
        assert_eq!(files.keys().collect::<Vec<_>>(), expected);
        assert_eq!(files["lib/blinky/data/bytes.bin"], [0, 1, 2, 4, 5, 13, 10, 255, 39, 92]);
        assert_eq!(files["lib/pulse/__init__.py"], b"VERSION = \"1.0\"\n");
        let again = board.mip(&arguments).succeeded().says(&["Exists:"]);
        assert!(!again.text.contains("Installing:"), "{}", again.text);
    }
}

#[test]
fn mpremote_installs_by_url_and_into_a_folder() {
    let (server, board) = (server(), Board::start());
    let [project, module, bytecode] =
        ["blinky/", "micropypi.py", "micropypi.mpy"].map(|path| format!("{}/{path}", server.url()));
    board.mip(&["install", &project]).succeeded();
    board.mip(&["install", &module]).succeeded();
    board.mip(&["--target", "up", "install", &bytecode]).succeeded();
    let files = board.files();
    let expected = ["lib/blinky/__init__.py", "lib/micropypi.py", "up/micropypi.mpy"];
    assert_eq!(files.keys().collect::<Vec<_>>(), expected);
    assert_eq!(files["lib/micropypi.py"], server.get("/micropypi.py").body);
    assert_eq!(files["up/micropypi.mpy"], server.get("/micropypi.mpy").body);
}

#[test]
fn mpremote_prefers_bytecode_unless_told_otherwise() {
    let bytecode = [b"M\x06\x00\x1f".as_slice(), &[0, 4, 0x80, 0xff]].concat();
    let files: [(&str, &[u8]); 2] = [("fast.py", b"ON = 1\n"), ("fast.mpy", &bytecode)];
    let server = Site::holding(&[Dist::wheel_of("fast", "1.0", "", &files)]).start();
    for (option, path, content) in [
        ("--mpy", "lib/fast.mpy", &*bytecode),
        ("--no-mpy", "lib/fast.py", b"ON = 1\n"),
    ] {
        let board = Board::start();
        board
            .mip(&["--index", &server.url(), option, "install", "fast"])
            .succeeded();
        assert_eq!(board.files(), Tree::from([(path.to_owned(), content.to_vec())]));
    }
}

#[test]
fn mpremote_says_that_a_package_is_not_here() {
    let (server, board) = (server(), Board::start());
    let index = server.url();
    for spec in ["nothing", "blinky@9.0"] {
        let outcome = board.mip(&["--index", &index, "install", spec]);
        outcome.failed_saying(&["Package not found"]);
    }
    assert!(board.files().is_empty());
}

#[test]
fn mpremote_and_mip_install_the_same_real_package() {
    let (server, board) = (
        real_packages(&["micropython_mdns-1.8.0.tar.gz"]).start(),
        Board::start(),
    );
    let outcome = board.mip(&[
        "--index",
        &server.url(),
        "--target",
        "lib",
        "--no-mpy",
        "install",
        "micropython-mdns",
    ]);
    outcome.succeeded();
    let other = tempfile::tempdir().unwrap();
    mip_install(
        &other.path().join("lib"),
        &format!("'micropython-mdns', index='{}'", server.url()),
    )
    .succeeded();
    assert_eq!(board.files(), tree(other.path()));
    assert!(board.files().contains_key("lib/mdns_client/client.py"));
}
