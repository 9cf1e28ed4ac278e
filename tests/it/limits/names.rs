//! Names and versions that are none, and file names that leave no room for what goes beside the file.

use crate::dists::Dist;
use crate::form::Form;
use crate::harness::{Server, Site};

#[test]
fn file_names_that_are_none() {
    let server = Server::start();
    let long = format!("blinky-1.0{}.tar.gz", "0".repeat(300));
    for filename in [
        "../blinky-1.0.tar.gz",
        "../../etc/blinky-1.0.tar.gz",
        "/etc/blinky-1.0.tar.gz",
        "a/blinky-1.0.tar.gz",
        "..\\blinky-1.0.tar.gz",
        "blinky-1.0\u{0}.tar.gz",
        "blinky-1.0\u{1}.tar.gz",
        "blinké-1.0.tar.gz",
        ".blinky-1.0.tar.gz",
        "blinky-1.0.tar.gz.asc",
        "..",
        "-1.0.tar.gz",
        &long,
    ] {
        let dist = Dist {
            filename: filename.to_owned(),
            ..Dist::sdist("blinky", "1.0")
        };
        let answer = Form::upload(&dist).post(&server);
        assert_eq!(answer.status, 400, "{filename:?}: {}", answer.text());
        assert!(answer.text().len() > 20, "a sentence: {}", answer.text());
        assert_eq!(server.site.stored(), Vec::<String>::new(), "{filename:?}");
    }
}

#[test]
fn names_and_versions_that_are_none() {
    let server = Server::start();
    for name in ["-blinky", "blinky-", "bl/inky", "blinké", "", " ", &"x".repeat(300)] {
        let dist = Dist {
            name: name.to_owned(),
            ..Dist::sdist("blinky", "1.0")
        };
        let answer = Form::upload(&dist).post(&server);
        assert_eq!(answer.status, 400, "{name:?}: {}", answer.text());
    }
    for version in ["", "one", "1.0/../..", "1.0-", "1..0"] {
        let dist = Dist {
            version: version.to_owned(),
            ..Dist::sdist("blinky", "1.0")
        };
        let answer = Form::upload(&dist).post(&server);
        assert_eq!(answer.status, 400, "{version:?}: {}", answer.text());
    }
    server.site.assert_holds(&[]);
}

/// A wheel whose file name has so many bytes.
fn wheel_named_in(bytes: usize) -> Dist {
    let name = "b".repeat(60);
    let version = format!("1.{}", "0".repeat(bytes - name.len() - "-1.-py3-none-any.whl".len()));
    let dist = Dist::wheel(&name, &version);
    assert_eq!(dist.filename.len(), bytes);
    dist
}

#[test]
fn a_file_name_leaves_room_for_its_sidecars() {
    let server = Server::start();
    let (longest, metadata) = (wheel_named_in(246), |dist: &Dist| format!("{}.metadata", dist.filename));
    assert_eq!(metadata(&longest).len(), 255);
    let signed = Form::upload(&longest).file("gpg_signature", "x.asc", b"signature");
    assert_eq!(signed.post(&server).status, 200);
    assert_eq!(server.get(&format!("/packages/{}", metadata(&longest))).status, 200);
    for bytes in [247, 255, 256] {
        let words = [&format!("{bytes} bytes"), "246"];
        Form::upload(&wheel_named_in(bytes))
            .post(&server)
            .assert_says(400, &words);
    }
    assert_eq!(server.site.stored().len(), 2, "the longest and its signature");
}

#[test]
fn a_copied_file_whose_name_leaves_no_room_for_a_signature_is_replaced_without_one() {
    let copied = wheel_named_in(252);
    let short = Dist::wheel(&copied.name, "1");
    let replacing = Dist::wheel_with(&copied.name, "1", "Summary: another\n");
    let server = Site::holding(std::slice::from_ref(&copied))
        .set("store.overwrite", "true")
        .start();
    let signed = |dist: &Dist| Form::upload(dist).file("gpg_signature", "x.asc", b"signature");
    let words = [&format!("{}.asc", copied.filename), "without a signature"];
    for dist in [
        &replacing,
        &Dist {
            bytes: copied.bytes.clone(),
            ..short
        },
    ] {
        signed(dist).post(&server).assert_says(400, &words);
        server.site.assert_holds(std::slice::from_ref(&copied));
    }
    assert_eq!(Form::upload(&replacing).post(&server).status, 200);
    server.site.assert_holds(&[Dist {
        bytes: replacing.bytes,
        ..copied
    }]);
}

#[test]
fn a_copied_file_whose_name_leaves_no_room_is_removed_as_any_other() {
    let copied = wheel_named_in(250);
    let server = Site::holding(std::slice::from_ref(&copied)).start();
    let page = format!("/simple/{}/", copied.name);
    assert!(server.get(&page).text().contains(&copied.filename));
    assert_eq!(Form::removal(&copied).post(&server).status, 200);
    assert_eq!(server.get(&page).status, 404);
    server.site.assert_holds(&[]);
}
