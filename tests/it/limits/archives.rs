//! Archives that are bombs, leave their directory, or hold no metadata.

use crate::dists::{Dist, metadata, tar_gz, zip};
use crate::form::Form;
use crate::harness::{Server, Site};

/// Fails the test unless an upload is refused in these words and leaves nothing.
#[track_caller]
fn assert_refused(server: &Server, dist: &Dist, words: &[&str]) {
    Form::upload(dist).post(server).assert_says(400, words);
    assert_eq!(server.site.stored(), Vec::<String>::new(), "{}", dist.filename);
}

/// An sdist of these members below its top directory, and no others.
fn sdist_of(members: &[(&str, &[u8])]) -> Dist {
    let members: Vec<_> = members
        .iter()
        .map(|(path, content)| (format!("blinky-1.0/{path}"), *content))
        .collect();
    Dist::new("blinky", "1.0", "blinky-1.0.tar.gz", tar_gz(&members))
}

/// A wheel of these members, and no others.
fn wheel_of(members: &[(&str, &[u8])]) -> Dist {
    let members: Vec<_> = members
        .iter()
        .map(|(path, content)| ((*path).to_owned(), *content))
        .collect();
    Dist::new("blinky", "1.0", "blinky-1.0-py3-none-any.whl", zip(&members))
}

#[test]
fn archive_bombs() {
    let server = Site::new()
        .set("limits.unpacked_bytes", "20000000")
        .set("limits.unpack_ratio", "10000")
        .set("limits.archive_members", "100")
        .start();
    let zeros = vec![0; 30_000_000];
    let text = metadata("blinky", "1.0", "");
    assert_refused(
        &server,
        &sdist_of(&[("zeros", &zeros), ("PKG-INFO", text.as_bytes())]),
        &["unpacked_bytes"],
    );
    let info = ("blinky-1.0.dist-info/METADATA", text.as_bytes());
    assert_refused(
        &server,
        &wheel_of(&[("blinky/zeros", &zeros), info]),
        &["unpacked_bytes"],
    );
    let names: Vec<String> = (0..200).map(|number| format!("m{number}.py")).collect();
    let members: Vec<_> = names.iter().map(|name| (name.as_str(), b"".as_slice())).collect();
    assert_refused(&server, &sdist_of(&members), &["archive_members"]);
    let ratio = Site::new().set("limits.unpack_ratio", "50").start();
    assert_refused(
        &ratio,
        &sdist_of(&[("zeros", &zeros), ("PKG-INFO", text.as_bytes())]),
        &["unpack_ratio"],
    );
}

#[test]
fn members_that_leave_the_archive() {
    let server = Server::start();
    let text = metadata("blinky", "1.0", "");
    for path in ["../../evil.py", "blinky-1.0/../../evil.py", "/etc/evil.py"] {
        let members = [
            ("blinky-1.0/PKG-INFO".to_owned(), text.as_bytes()),
            (path.to_owned(), b"".as_slice()),
        ];
        let dist = Dist::new("blinky", "1.0", "blinky-1.0.tar.gz", tar_gz(&members));
        assert_refused(&server, &dist, &["evil.py"]);
        assert_refused(
            &server,
            &wheel_of(&[("blinky-1.0.dist-info/METADATA", text.as_bytes()), (path, b"")]),
            &["evil.py"],
        );
    }
}

#[test]
fn metadata_that_is_none() {
    let server = Server::start();
    assert_refused(
        &server,
        &sdist_of(&[("PKG-INFO", b"Name: bl\xffinky\nVersion: 1.0\n")]),
        &["UTF-8"],
    );
    assert_refused(&server, &wheel_of(&[("blinky/__init__.py", b"")]), &["METADATA"]);
    let (one, other) = (metadata("blinky", "1.0", ""), metadata("winky", "1.0", ""));
    assert_refused(
        &server,
        &sdist_of(&[("PKG-INFO", one.as_bytes()), ("PKG-INFO", other.as_bytes())]),
        &["metadata twice", "PKG-INFO"],
    );
    let huge = [one.into_bytes(), vec![b'x'; 100_000_000]].concat();
    assert_refused(&server, &sdist_of(&[("PKG-INFO", &huge)]), &["metadata_bytes"]);
    for rubbish in [b"".as_slice(), b"rubbish", b"\x1f\x8b\x08\x00", b"PK\x03\x04"] {
        for filename in ["blinky-1.0.tar.gz", "blinky-1.0-py3-none-any.whl", "blinky-1.0.zip"] {
            assert_refused(&server, &Dist::new("blinky", "1.0", filename, rubbish.to_vec()), &[]);
        }
    }
}
