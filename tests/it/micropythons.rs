//! The same journeys on every MicroPython that has a mip of its own, as a person would type them. What is asserted here
//! must hold for the versions that forky will bring, too. Other tests may borrow the board.

use tempfile::TempDir;

use crate::bytecode::compiling;
use crate::clients::{Client, Outcome, Tree, micropythons, pip_files, tree};
use crate::harness::{Server, Site, eventually};
use crate::mip::family;

/// An empty board: what lies in its `lib` can be imported.
pub(crate) struct Board {
    program: &'static str,
    flash: TempDir,
}

impl Board {
    /// A board with this program of [`micropythons`].
    pub(crate) fn with(program: &'static str) -> Self {
        let flash = tempfile::tempdir().unwrap();
        Self { program, flash }
    }

    /// The script, with the heap that this MicroPython takes by itself.
    fn run(&self, script: &str) -> Outcome {
        let path = format!("{}/lib:.frozen", self.flash.path().display());
        let client = Client::new(self.program).env("MICROPYPATH", &path);
        client.args(["-c", script]).run()
    }

    /// `mip.install` of these arguments, into `lib`.
    pub(crate) fn mip(&self, arguments: &str) -> Outcome {
        self.run(&format!("import mip; mip.install({arguments})"))
    }

    /// The files in its `lib`.
    pub(crate) fn files(&self) -> Tree {
        tree(&self.flash.path().join("lib"))
    }
}

/// A server that has compiled this release.
fn compiled(server: &Server, release: &str) {
    eventually("the bytecode", || {
        let manifest = server.get(&format!("/package/6/{release}.json"));
        (!manifest.text().contains(".py\"")).then_some(())
    });
}

#[test]
fn every_mip_installs_what_pip_installs_with_all_it_requires_and_it_runs() {
    let server = family().iter().fold(compiling(), Site::package).start();
    for release in ["blinky/1.0", "pulse/1.5", "gamma/1.0"] {
        compiled(&server, release);
    }
    let sources = pip_files(&server, "blinky");
    let bytecode = sources.keys().map(|path| path.replace(".py", ".mpy"));
    let bytecode: Vec<_> = bytecode.collect();
    for program in micropythons() {
        for options in ["", ", version='latest'", ", version='1.0'", ", mpy=False"] {
            let board = Board::with(program);
            let arguments = format!("'blinky', index='{}'{options}", server.url());
            board.mip(&arguments).succeeded();
            if options.contains("mpy=False") {
                assert_eq!(board.files(), sources);
            } else {
                assert_eq!(board.files().into_keys().collect::<Vec<_>>(), bytecode);
            }
            let beat = board.run("import blinky, blinky_extra; print(blinky.beat())");
            beat.succeeded().says(&["2.2"]);
            let again = board.mip(&arguments).succeeded();
            assert!(!again.text.contains("Copying"), "{}", again.text);
        }
    }
}

#[test]
fn every_mip_installs_an_exact_version() {
    let server = Site::holding(&family()).start();
    let url = server.url();
    for program in micropythons() {
        for arguments in [
            format!("'pulse', index='{url}', version='1.0'"),
            format!("'pulse', index='{url}/simple/', version='1.0'"),
            format!("'{url}/pulse/1.0/'"),
        ] {
            let board = Board::with(program);
            board.mip(&arguments).succeeded();
            let beat = board.run("import pulse; print(pulse.beat())");
            beat.succeeded().says(&["slow"]);
        }
    }
}

#[test]
fn every_mip_says_that_a_package_is_not_here_and_installs_nothing() {
    let server = Site::holding(&family()).start();
    for program in micropythons() {
        for arguments in ["'nothing'", "'blinky', version='9.0'"] {
            let board = Board::with(program);
            let outcome = board.mip(&format!("{arguments}, index='{}'", server.url()));
            outcome.says(&["Package not found: "]);
            assert!(board.files().is_empty(), "{arguments}");
        }
    }
}

#[test]
fn every_mip_fetches_the_module_that_finds_the_server() {
    let server = Server::start();
    for program in micropythons() {
        for file in ["micropypi.py", "micropypi.mpy"] {
            let board = Board::with(program);
            board.mip(&format!("'{}/{file}'", server.url())).succeeded();
            assert_eq!(board.files().into_keys().collect::<Vec<_>>(), [file]);
            let found = board.run("import micropypi; print(micropypi.find, micropypi.install)");
            found.succeeded().says(&["<function find at", "<function install at"]);
        }
    }
}
