//! The index as pip (the oldest that runs here, one like that of Debian 12, and the newest) and uv see it.

use std::fs;
use std::path::Path;

use crate::clients::{Client, Outcome, package, pip_install, tree, uv_install};
use crate::dists::Dist;
use crate::form::sha256;
use crate::harness::{PASSWORD, Server, Site, USER};

const VERSION: &str = "0.2.0rc99+dev42";

/// A command that installs into a directory from one index.
type Installer = fn(&str, &Path) -> Client;

/// Every installer by name; the oldest pip comes first, and the first two read no core metadata from the index.
const INSTALLERS: [(&str, Installer); 4] = [
    ("pip-old", |index, target| {
        pip_install("pip-old/bin/python", index, target)
    }),
    ("pip-23", |index, target| {
        pip_install("pip-23/bin/python", index, target)
    }),
    ("pip", |index, target| pip_install("pip/bin/python", index, target)),
    ("uv", uv_install),
];

/// What `blinky` is after each installer has installed the specs from the index.
fn each_installs(index: &str, specs: &[&str], check: impl Fn(&str, &Path)) {
    for (name, install) in INSTALLERS {
        let target = tempfile::tempdir().unwrap();
        install(index, target.path()).args(specs).run().succeeded();
        check(name, target.path());
    }
}

fn version_of(target: &Path, module: &str) -> String {
    let source = fs::read_to_string(target.join(module).join("__init__.py")).unwrap();
    source
        .trim_start_matches("VERSION = \"")
        .trim_end_matches("\"\n")
        .to_owned()
}

fn server_with(dists: &[Dist]) -> Server {
    Site::holding(dists).start()
}

#[test]
fn every_base_url_installs_an_exact_version() {
    let server = server_with(&[Dist::wheel("Blinky.LED", VERSION), Dist::wheel("Blinky.LED", "9.0")]);
    for base in ["/simple/", "/simple", "/", ""] {
        let index = server.url() + base;
        each_installs(&index, &["blinky-led==0.2.0rc99+dev42"], |name, target| {
            assert_eq!(version_of(target, "Blinky_LED"), VERSION, "{name} from {index}");
        });
    }
}

#[test]
fn the_newest_that_fits_is_chosen_with_what_it_requires() {
    let dists = [
        Dist::wheel_with("blinky", "1.0", "Requires-Dist: abacus (>=1.5)\n"),
        Dist::wheel_with("blinky", "2.0", "Requires-Python: >=99\n"),
        Dist::wheel("blinky", "1.5"),
        Dist::wheel("blinky", "3.0rc1"),
        Dist::wheel("abacus", "1.0"),
        Dist::wheel("abacus", "2.0"),
    ];
    let site = Site::holding(&dists);
    fs::write(
        site.packages().join("blinky-1.5-py3-none-any.whl.yanked"),
        "loose screw",
    )
    .unwrap();
    let server = site.start();
    each_installs(&format!("{}/simple/", server.url()), &["blinky"], |name, target| {
        assert_eq!(version_of(target, "blinky"), "1.0", "{name}");
        assert_eq!(version_of(target, "abacus"), "2.0", "{name}");
    });
}

#[test]
fn the_list_of_all_files_serves_as_an_index() {
    let dists = [
        Dist::wheel_with("blinky", "1.0", "Requires-Dist: abacus\n"),
        Dist::wheel_with("blinky", "2.0", "Requires-Python: >=99\n"),
        Dist::wheel("abacus", "1.0"),
        Dist::wheel("abacus", "2.0"),
    ];
    let site = Site::holding(&dists);
    fs::write(site.packages().join("abacus-2.0-py3-none-any.whl.yanked"), "").unwrap();
    let server = site.start();
    let list = format!("{}/packages/", server.url());
    let specs = ["--no-index", "--find-links", &list, "blinky"];
    each_installs(&server.url(), &specs, |name, target| {
        assert_eq!(version_of(target, "blinky"), "1.0", "{name}");
        // uv warns of a yanked file in such a list, and installs it.
        if name != "uv" {
            assert_eq!(version_of(target, "abacus"), "1.0", "{name}");
        }
    });
}

#[test]
fn metadata_spares_the_download_of_what_is_not_installed() {
    for (name, install) in INSTALLERS.into_iter().skip(2) {
        let server = server_with(&[
            Dist::wheel_with("blinky", "1.0", "Requires-Dist: abacus<2\n"),
            Dist::wheel("abacus", "1.0"),
            Dist::wheel_with("winky", "2.0", "Requires-Dist: abacus>=2\n"),
            Dist::wheel_with("winky", "1.0", "Requires-Dist: abacus\n"),
        ]);
        let target = tempfile::tempdir().unwrap();
        install(&format!("{}/simple/", server.url()), target.path())
            .args(["blinky", "winky"])
            .run()
            .succeeded();
        assert_eq!(version_of(target.path(), "winky"), "1.0", "{name}");
        server.await_log("/packages/winky-2.0-py3-none-any.whl.metadata");
        // What is installed is fetched when all is decided.
        server.await_log("/packages/winky-1.0-py3-none-any.whl ");
        let log = server.log();
        assert!(!log.contains("/packages/winky-2.0-py3-none-any.whl "), "{name}:\n{log}");
    }
}

#[test]
fn a_missing_project_sends_them_to_the_extra_index() {
    let (first, second) = (Server::start(), server_with(&[Dist::wheel("blinky", "1.0")]));
    let extra = format!("{}/simple/", second.url());
    each_installs_with(
        &format!("{}/simple/", first.url()),
        &["--extra-index-url", &extra, "blinky"],
    );
    let fallback = Site::new().set("index.fallback_url", &format!("{extra:?}")).start();
    each_installs_with(&format!("{}/simple/", fallback.url()), &["blinky"]);
}

fn each_installs_with(index: &str, arguments: &[&str]) {
    each_installs(index, arguments, |name, target| {
        assert_eq!(version_of(target, "blinky"), "1.0", "{name}");
    });
}

#[test]
fn hashes_are_checked() {
    let dist = Dist::wheel("blinky", "1.0");
    let server = server_with(std::slice::from_ref(&dist));
    let index = format!("{}/simple/", server.url());
    for (name, install) in INSTALLERS {
        for (digest, succeeds) in [(sha256(&dist.bytes), true), ("0".repeat(64), false)] {
            let target = tempfile::tempdir().unwrap();
            let line = format!("blinky==1.0 --hash=sha256:{digest}\n");
            let client = install(&index, target.path()).file("requirements.txt", line.as_bytes());
            let outcome = client.args(["--require-hashes", "-r", "requirements.txt"]).run();
            assert_eq!(outcome.success, succeeds, "{name}: {}", outcome.text);
        }
    }
}

#[test]
fn uv_knows_the_upload_time() {
    let server = server_with(&[Dist::wheel("blinky", "1.0")]);
    let target = tempfile::tempdir().unwrap();
    let until = |day: &str| -> Outcome {
        uv_install(&format!("{}/simple/", server.url()), target.path())
            .args(["--exclude-newer", day, "blinky"])
            .run()
    };
    until("2020-01-01").failed_saying(&["blinky"]);
    until("2999-01-01").succeeded();
}

#[test]
fn credentials_in_the_url_open_a_protected_index() {
    let site = Site::new()
        .package(&Dist::wheel("blinky", "1.0"))
        .set("auth.protect", r#"["list", "download", "update"]"#);
    let server = site.start();
    each_installs_with(
        &format!("http://{USER}:{PASSWORD}@{}/simple/", server.address),
        &["blinky"],
    );
    for (name, install) in INSTALLERS {
        let target = tempfile::tempdir().unwrap();
        let outcome = install(&format!("{}/simple/", server.url()), target.path())
            .args(["blinky"])
            .run();
        assert!(!outcome.success, "{name}: {}", outcome.text);
    }
}

/// On a 403 it would say only that nothing was found.
#[test]
fn pip_says_that_the_password_is_wrong_or_missing() {
    let site = Site::new().set("auth.protect", r#"["list", "update"]"#);
    let server = site.package(&Dist::wheel("blinky", "1.0")).start();
    for credentials in ["alice:wrong", "alice"] {
        let index = format!("http://{credentials}@{}/simple/", server.address);
        for (python, words) in [
            // It asks for others, which nobody types here.
            ("pip-old/bin/python", "User for 127.0.0.1"),
            ("pip-23/bin/python", "401 Error, Credentials not correct"),
            ("pip/bin/python", "401 Error, Credentials not correct"),
        ] {
            let target = tempfile::tempdir().unwrap();
            let pip = pip_install(python, &index, target.path()).args(["blinky"]);
            pip.run().failed_saying(&[words]);
        }
    }
}

#[test]
fn real_packages_install_as_their_makers_meant() {
    let site = Site::new();
    let wheels = [
        "microdot-2.7.0-py3-none-any.whl",
        "picozero-0.6.1-py3-none-any.whl",
        "micropython_servo-1.0.1-py3-none-any.whl",
        "micropython_max7219-0.2.0-py3-none-any.whl",
    ];
    for filename in wheels {
        fs::copy(package(filename), site.packages().join(filename)).unwrap();
    }
    let server = site.start();
    let specs = [
        "microdot==2.7.0",
        "picozero",
        "micropython-servo",
        "micropython-max7219",
    ];
    each_installs(&format!("{}/simple/", server.url()), &specs, |name, target| {
        let files = tree(target);
        for module in [
            "microdot/__init__.py",
            "picozero/picozero.py",
            "servo/__init__.py",
            "max7219/__init__.py",
        ] {
            assert!(
                files.contains_key(module),
                "{name}: {module} is not in {:?}",
                files.keys()
            );
        }
    });
}
