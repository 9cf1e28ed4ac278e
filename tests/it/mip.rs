//! mip itself on MicroPython 1.25, held against what pip installs from the same server.

use crate::clients::{micropython, mip_files, mip_install, pip_files, tree};
use crate::dists::Dist;
use crate::form::Form;
use crate::harness::{Server, Site};
use crate::prefix::Prefix;

const PLUS: &str = "0.2.0rc99+dev42";

/// A project with modules, data and folders, which requires another, which requires a third.
pub(crate) fn family() -> [Dist; 5] {
    let requires = "Requires-Dist: pulse>=1,<2\nRequires-Dist: gamma\nRequires-Dist: nowhere; extra == 'test'\n";
    let font: Vec<u8> = (0..=255).cycle().take(10_000).collect();
    let blinky: [(&str, &[u8]); 5] = [
        ("blinky/__init__.py", b"from pulse import beat\n"),
        ("blinky/deep/down/led.py", b"ON = 1\r\n"),
        ("blinky/data/font.bin", &font),
        ("blinky/data/grün & blau.txt", b"1"),
        ("blinky_extra.py", b""),
    ];
    let pulse = |version: &str, source: &str| {
        let files = [("pulse.py", source.as_bytes())];
        Dist::wheel_of("pulse", version, "Requires-Dist: gamma\n", &files)
    };
    [
        Dist::wheel_of("blinky", "1.0", requires, &blinky),
        pulse("1.0", "def beat(): return 'slow'\n"),
        pulse("1.5", "from gamma import G\n\ndef beat(): return G\n"),
        pulse("2.0", "syntax error\n"),
        Dist::wheel_of("gamma", "1.0", "", &[("gamma.py", b"G = 2.2\n")]),
    ]
}

#[test]
fn mip_installs_what_pip_installs_with_all_it_requires() {
    let server = Server::start();
    for dist in family() {
        assert_eq!(Form::upload(&dist).post(&server).status, 200);
    }
    let host = pip_files(&server, "blinky");
    assert_eq!(host.len(), 7, "{:?}", host.keys());
    for arguments in ["", ", mpy=False", ", version='latest'", ", version='1.0'"] {
        let board = mip_files(&format!("'blinky', index='{}'{arguments}", server.url()));
        assert_eq!(board, host, "{arguments}");
    }
}

#[test]
fn what_mip_installed_runs() {
    let server = Site::holding(&family()).start();
    let board = tempfile::tempdir().unwrap();
    mip_install(board.path(), &format!("'blinky', index='{}'", server.url())).succeeded();
    let script = format!(
        "import sys; sys.path.insert(0, {:?}); import blinky; print(blinky.beat())",
        board.path()
    );
    micropython("2M", &script).run().succeeded().says(&["2.2"]);
}

#[test]
fn what_lies_on_the_board_already_is_not_fetched_again() {
    let server = Site::holding(&family()).start();
    let board = tempfile::tempdir().unwrap();
    let arguments = format!("'blinky', index='{}'", server.url());
    mip_install(board.path(), &arguments).succeeded();
    let again = mip_install(board.path(), &arguments).succeeded();
    let again = again.says(&["Exists: ", "blinky/data/font.bin"]);
    assert!(!again.text.contains("Copying"), "{}", again.text);
}

#[test]
fn an_exact_version_is_asked_for_with_its_plus() {
    let exact = "Requires-Dist: blinky==0.2.0rc99+dev42\n";
    let server = Site::holding(&[
        Dist::wheel("blinky", PLUS),
        Dist::wheel("blinky", "0.2.0rc99"),
        Dist::wheel("blinky", "0.3"),
        Dist::wheel_with("needs-blinky", "1.0", exact),
    ])
    .start();
    let version = |arguments: &str| {
        let files = mip_files(&format!("{arguments}, index='{}'", server.url()));
        String::from_utf8(files["blinky/__init__.py"].clone()).unwrap()
    };
    let url = server.url();
    for arguments in [
        "'blinky', version='0.2.0rc99+dev42'",
        "'Blinky', version='0.2.0.rc99+dev42'",
        "'needs_blinky'",
        &format!("'{url}/blinky/0.2.0rc99+dev42/'"),
        &format!("'{url}/needs-blinky/'"),
    ] {
        assert_eq!(version(arguments), "VERSION = \"0.2.0rc99+dev42\"\n", "{arguments}");
    }
    for arguments in ["'blinky'", "'blinky', version='latest'"] {
        assert_eq!(version(arguments), "VERSION = \"0.3\"\n", "{arguments}");
    }
}

#[test]
fn micropython_foo_and_foo_find_each_other() {
    let server = Site::holding(&[
        Dist::wheel("micropython-blinky", "1.0"),
        Dist::wheel("abacus", "1.0"),
        Dist::wheel_with("reader", "1.0", "Requires-Dist: blinky\n"),
    ])
    .start();
    for (asked, module) in [
        ("blinky", "micropython_blinky"),
        ("micropython-abacus", "abacus"),
        ("reader", "micropython_blinky"),
    ] {
        let board = mip_files(&format!("'{asked}', index='{}'", server.url()));
        assert!(
            board.contains_key(&format!("{module}/__init__.py")),
            "{asked}: {:?}",
            board.keys()
        );
    }
}

#[test]
fn mip_says_that_a_package_is_not_here_and_installs_nothing() {
    let server = Site::holding(&family()).start();
    for arguments in ["'nothing'", "'blinky', version='9.0'"] {
        let board = tempfile::tempdir().unwrap();
        let outcome = mip_install(board.path(), &format!("{arguments}, index='{}'", server.url()));
        outcome.says(&["Package not found"]);
        assert!(tree(board.path()).is_empty(), "{arguments}");
    }
}

#[test]
fn any_base_url_will_do() {
    let site = Site::holding(&family());
    let server = site.start();
    let host = pip_files(&server, "blinky");
    let behind = site.set("trusted_proxies", r#"["127.0.0.0/8"]"#);
    let behind = behind.set("store.cache", r#""other""#).start();
    let proxy = Prefix::of(&behind, "/lan/pypi");
    for base in [server.url(), proxy.url()] {
        for arguments in [
            format!("'blinky', index='{base}'"),
            format!("'blinky', index='{base}/'"),
            format!("'{base}/blinky/'"),
            format!("'{base}/blinky'"),
            format!("'{base}/blinky/package.json'"),
            format!("'{base}/blinky/1.0/'"),
        ] {
            assert_eq!(mip_files(&arguments), host, "{arguments}");
        }
    }
}

#[test]
fn a_version_in_the_url_is_exact() {
    let server = Site::holding(&family()).start();
    for (url, pulse) in [("pulse/1.0/", "1.0"), ("pulse/1.5/package.json", "1.5")] {
        let board = mip_files(&format!("'{}/{url}'", server.url()));
        let exact = mip_files(&format!("'pulse', index='{}', version='{pulse}'", server.url()));
        assert_eq!(board, exact, "{url}");
    }
}

#[test]
fn mip_fetches_the_module_that_finds_the_server() {
    let server = Server::start();
    for file in ["micropypi.py", "micropypi.mpy"] {
        let board = tempfile::tempdir().unwrap();
        mip_install(board.path(), &format!("'{}/{file}'", server.url())).succeeded();
        assert_eq!(tree(board.path()).keys().collect::<Vec<_>>(), [file]);
        let script = format!(
            "import sys; sys.path.insert(0, {:?}); import micropypi; print(micropypi.find, micropypi.install)",
            board.path()
        );
        micropython("2M", &script)
            .run()
            .succeeded()
            .says(&["<function find at", "<function install at"]);
    }
}
