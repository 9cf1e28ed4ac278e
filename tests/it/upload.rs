//! `POST /` and `POST /legacy/` field by field: what a form may say, and what comes of it.

mod at_once;
mod overwrite;

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;

use crate::clients::twine;
use crate::dists::{Dist, metadata, zip};
use crate::form::{Form, sha256};
use crate::harness::{Server, Site};
use crate::raw::{Request, Response, connect};
use crate::simple::JSON;

#[test]
fn a_legacy_path_takes_uploads_too() {
    let server = Server::start();
    for (target, version) in [("/legacy/", "1.0"), ("/legacy", "1.1"), ("/", "1.2")] {
        let form = Form::upload(&Dist::sdist("blinky", version));
        assert_eq!(server.send(form.request(target).by_user()).status, 200, "{target}");
    }
}

#[test]
fn digests_that_differ_refuse_the_upload() {
    let server = Server::start();
    let dist = Dist::sdist("blinky", "1.0");
    let digests = [
        ("md5_digest", "0".repeat(32)),
        ("sha256_digest", "0".repeat(64)),
        ("blake2_256_digest", "0".repeat(64)),
    ];
    for (field, wrong) in digests {
        let form = Form::of("file_upload", "blinky", "1.0").field(field, &wrong);
        let form = form.file("content", &dist.filename, &dist.bytes);
        form.post(&server).assert_says(400, &[&wrong]);
        assert_eq!(server.site.stored(), Vec::<String>::new(), "{field}");
    }
}

/// Its field for the BLAKE2b of 256 bits holds the one of 512.
#[test]
fn setup_py_of_python_3_11_uploads() {
    let server = Server::start();
    let dist = Dist::sdist("blinky", "1.0");
    let form = |digest: &str| Form::upload(&dist).field("blake2_256_digest", digest);
    assert_eq!(form(&"0f".repeat(64)).post(&server).status, 200);
    form(&"0f".repeat(48))
        .post(&server)
        .assert_says(400, &["blake2_256_digest must be 64 hexadecimal digits"]);
}

#[test]
fn fields_may_follow_the_file() {
    let server = Server::start();
    let dist = Dist::wheel("blinky", "1.0");
    let form = Form::default()
        .file("content", &dist.filename, &dist.bytes)
        .field(":action", "file_upload");
    let form = form
        .field("name", "Blinky")
        .field("version", "1.0")
        .field("sha256_digest", &sha256(&dist.bytes));
    assert_eq!(form.post(&server).status, 200);
}

#[test]
fn hundreds_of_fields_and_attestations_are_read_over() {
    let server = Server::start();
    let dist = Dist::sdist("blinky", "1.0");
    let form = (0..900).fold(Form::fields_of(&dist), |form, number| {
        form.field("classifiers", &format!("Topic :: Number {number}"))
    });
    let form = form
        .field("attestations", &"[{}]".repeat(10_000))
        .file("content", &dist.filename, &dist.bytes);
    assert_eq!(form.post(&server).status, 200);
}

#[test]
fn name_and_version_must_agree_everywhere() {
    let server = Server::start();
    let dist = Dist::sdist("blinky", "1.0");
    for (name, version, words) in [
        ("winky", "1.0", ["winky", "blinky-1.0.tar.gz"]),
        ("blinky", "2.0", ["2.0", "1.0"]),
    ] {
        let form = Form::of("file_upload", name, version).file("content", &dist.filename, &dist.bytes);
        form.post(&server).assert_says(400, &words);
    }
    let renamed = Dist {
        name: "winky".into(),
        filename: "winky-1.0.tar.gz".into(),
        ..dist.clone()
    };
    Form::upload(&renamed)
        .post(&server)
        .assert_says(400, &["winky", "blinky"]);
    let renumbered = Dist {
        version: "2.0".into(),
        filename: "blinky-2.0.tar.gz".into(),
        ..dist
    };
    Form::upload(&renumbered)
        .post(&server)
        .assert_says(400, &["2.0", "1.0"]);
    server.site.assert_holds(&[]);
}

#[test]
fn spellings_of_one_name_and_version_agree() {
    let server = Server::start();
    let dist = Dist {
        name: "Blinky.LED".into(),
        version: "1.0.0".into(),
        ..Dist::sdist("blinky-led", "1.0")
    };
    assert_eq!(Form::upload(&dist).post(&server).status, 200);
}

#[test]
fn old_forms_of_distributions_are_refused_by_name() {
    let server = Server::start();
    for filename in [
        "blinky-1.0.tar.bz2",
        "blinky-1.0-py3.11.egg",
        "blinky-1.0.exe",
        "blinky.tar.gz",
        "blinky-1.0.whl",
    ] {
        let dist = Dist::new("blinky", "1.0", filename, b"anything".to_vec());
        Form::upload(&dist).post(&server).assert_says(400, &[filename]);
    }
    let latin = Dist::new("blinky", "spring", "blinky-spring.tar.gz", b"anything".to_vec());
    Form::upload(&latin).post(&server).assert_says(400, &["spring"]);
    server.site.assert_holds(&[]);
}

#[test]
fn a_zip_sdist_is_taken() {
    let server = Server::start();
    let text = metadata("blinky", "1.0", "");
    let bytes = zip(&[("blinky-1.0/PKG-INFO".to_owned(), text.as_bytes())]);
    let dist = Dist::new("blinky", "1.0", "blinky-1.0.zip", bytes);
    assert_eq!(Form::upload(&dist).post(&server).status, 200);
    assert_eq!(
        server.get("/packages/blinky-1.0.zip").header("content-type"),
        Some("application/zip")
    );
}

#[test]
fn a_signature_that_comes_later_shows_at_once() {
    let dist = Dist::sdist("blinky", "1.0");
    // Nobody else notices what changes in the folder.
    let server = Site::new().package(&dist).set("store.watch", r#""off""#).start();
    let signed = Form::upload(&dist).file("gpg_signature", "x.asc", b"signature");
    signed.post(&server).assert_says(200, &["unchanged"]);
    assert!(server.get("/simple/blinky/").text().contains("data-gpg-sig=\"true\""));
    let json = server
        .send(Request::get("/simple/blinky/").header("Accept", JSON))
        .json();
    assert_eq!(json["files"][0]["gpg-sig"], true);
}

#[test]
fn a_signature_is_kept_beside_its_file_and_listed_nowhere() {
    let server = Server::start();
    let dist = Dist::sdist("blinky", "1.0");
    let signature = Dist::new(
        "",
        "",
        "blinky-1.0.tar.gz.asc",
        b"-----BEGIN PGP SIGNATURE-----\n".to_vec(),
    );
    twine("twine5/bin/twine", &server)
        .dists(&[&dist, &signature])
        .run()
        .succeeded();
    assert_eq!(server.site.stored(), ["blinky-1.0.tar.gz", "blinky-1.0.tar.gz.asc"]);
    assert!(fs::read(server.site.packages().join("blinky-1.0.tar.gz.asc")).unwrap() == signature.bytes);
    assert!(!server.get("/simple/blinky/").text().contains(".asc<"));
    assert!(!server.get("/packages/").text().contains(".asc"));
}

#[test]
fn what_is_in_the_way_and_cannot_be_read_is_named() {
    let server = Server::start();
    let dist = Dist::sdist("blinky", "1.0");
    let link = server.site.packages().join(&dist.filename);
    symlink(server.site.path("a stick that was pulled out"), &link).unwrap();
    let words = [
        "blinky-1.0.tar.gz is in the way",
        "No such file",
        "remove it from the packages directory",
    ];
    Form::upload(&dist).post(&server).assert_says(409, &words);
    fs::remove_file(link).unwrap();
    assert_eq!(Form::upload(&dist).post(&server).status, 200);
}

#[test]
fn other_actions() {
    let server = Server::start();
    let act = |action: &str| Form::of(action, "blinky", "1.0");
    for action in ["verify", "submit"] {
        assert_eq!(act(action).post(&server).status, 200, "{action}");
    }
    assert_eq!(server.get("/simple/blinky/").status, 404);
    act("doc_upload")
        .file("content", "docs.zip", b"PK")
        .post(&server)
        .assert_says(410, &["Documentation"]);
    act("dance").post(&server).assert_says(400, &["dance", "file_upload"]);
}

#[test]
fn a_release_is_removed_by_any_spelling() {
    let server = Server::start();
    for dist in [Dist::both("blinky-led", "1.0"), Dist::both("blinky-led", "2.0")].concat() {
        assert_eq!(Form::upload(&dist).post(&server).status, 200);
    }
    let remove = |name: &str| Form::of("remove_pkg", name, "1.0");
    assert_eq!(server.send(remove("blinky-led").request("/")).status, 401);
    assert_eq!(server.site.stored().len(), 4);
    assert_eq!(remove("Blinky.LED").post(&server).status, 200);
    assert_eq!(
        server.site.stored(),
        ["blinky_led-2.0-py3-none-any.whl", "blinky_led-2.0.tar.gz"]
    );
    assert!(!server.get("/simple/blinky-led/").text().contains("1.0"));
    remove("blinky-led").post(&server).assert_says(404, &["1.0"]);
}

#[test]
fn a_get_of_the_upload_paths_is_no_upload() {
    let server = Server::start();
    assert_eq!(server.get("/").status, 200);
    server
        .send(Request::new("PUT", "/"))
        .assert_says(405, &["upload by POST to the base URL"]);
    for target in ["/legacy/", "/RPC2"] {
        server
            .get(target)
            .assert_says(405, &[&format!("{target} takes POST only"), "/simple/"]);
    }
}

#[test]
fn an_upload_to_an_unknown_path_hears_the_right_one() {
    let server = Server::start();
    let request = Form::upload(&Dist::noise(8 << 20))
        .request("/pypi/our/uploads/")
        .by_user();
    let mut stream = connect(server.address).unwrap();
    // To the end: a client that cannot send what it has never looks at the answer.
    stream.write_all(&request.bytes(server.address)).unwrap();
    let answer = Response::read(&mut stream).unwrap();
    answer.assert_says(
        404,
        &["/pypi/our/uploads/ is not here", "upload to the base URL itself"],
    );
}
