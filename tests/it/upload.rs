//! `POST /` and `POST /legacy/` field by field: what a form may say, and what comes of it.

use std::fs;
use std::io::Write;
use std::thread;

use crate::clients::twine;
use crate::dists::{Dist, metadata, zip};
use crate::form::{Form, sha256};
use crate::harness::{Server, Site};
use crate::raw::{Request, Response, connect};
use crate::simple::JSON;

#[test]
fn overwrite_replaces() {
    let server = Site::new().set("store.overwrite", "true").start();
    let first = Dist::sdist("blinky", "1.0");
    let second = Dist::sdist_with("blinky", "1.0", "", "x = 2\n");
    assert_eq!(Form::upload(&first).post(&server).status, 200);
    twine("twine/bin/twine", &server).dists(&[&second]).run().succeeded();
    assert!(server.get("/simple/blinky/").text().contains(&sha256(&second.bytes)));
    assert!(server.get("/packages/blinky-1.0.tar.gz").body == second.bytes);
    server.site.assert_holds(&[second]);
}

#[test]
fn what_replaces_another_spelling_keeps_its_name() {
    let site = Site::new().set("store.overwrite", "true");
    let server = site.start();
    let spelled = |filename: &str, source: &str| Dist {
        filename: filename.to_owned(),
        ..Dist::sdist_with("p19-x", "1.0", "", source)
    };
    let first = spelled("P19_X-1.0.tar.gz", "x = 1\n");
    let second = spelled("p19_x-1.0.0.tar.gz", "x = 2\n");
    for dist in [&first, &second] {
        assert_eq!(Form::upload(dist).post(&server).status, 200);
    }
    let page = server.get("/simple/p19-x/").text().to_owned();
    let link = format!("/P19_X-1.0.tar.gz#sha256={}\"", sha256(&second.bytes));
    assert!(page.contains(&link) && page.contains(">P19_X-1.0.tar.gz<"), "{page}");
    assert_eq!(site.stored(), ["P19_X-1.0.tar.gz"]);
    drop(server);
    assert_eq!(site.start().get("/simple/p19-x/").text(), page);
}

/// What lies in a directory that takes no uploads is hidden by what replaces it.
#[test]
fn what_replaces_a_file_of_another_directory_hides_it() {
    let site = Site::new().set("store.overwrite", "true");
    let site = site.set("store.packages", r#"["data/packages", "shelf"]"#);
    for folder in ["shelf", "shelf/old"] {
        let [first, second] = ["x = 1\n", "x = 2\n"].map(|source| Dist::sdist_with("p19-x", "1.0", "", source));
        fs::create_dir_all(site.path(folder)).unwrap();
        let path = site.path(folder).join("P19_X-1.0.tar.gz");
        fs::write(&path, &first.bytes).unwrap();
        let server = site.start();
        assert_eq!(Form::upload(&second).post(&server).status, 200);
        let page = server.get("/simple/p19-x/").text().to_owned();
        assert_eq!(page.matches("<a ").count(), 1, "{page}");
        assert!(page.contains(&sha256(&second.bytes)), "{page}");
        assert_eq!(site.stored(), ["P19_X-1.0.tar.gz"]);
        assert!(fs::read(&path).unwrap() == first.bytes);
        fs::remove_file(path).unwrap();
        fs::remove_file(site.packages().join("P19_X-1.0.tar.gz")).unwrap();
    }
}

/// A stick that is plugged into a sub-folder, or a container's second volume.
#[test]
fn a_file_in_a_sub_folder_of_another_disk_is_replaced_there() {
    let site = Site::new().set("store.overwrite", "true");
    let [first, second] = ["x = 1\n", "x = 2\n"].map(|source| Dist::sdist_with("blinky", "1.0", "", source));
    for folder in ["stick", "data/packages/stick"] {
        fs::create_dir(site.path(folder)).unwrap();
    }
    fs::write(site.path("stick").join(&first.filename), &first.bytes).unwrap();
    let server = site.start_with_mount("stick", "data/packages/stick");
    let answer = Form::upload(&second)
        .file("gpg_signature", "blinky.asc", b"signed")
        .post(&server);
    answer.assert_says(200, &["published"]);
    assert!(server.get("/packages/stick/blinky-1.0.tar.gz").body == second.bytes);
    let mut names: Vec<_> = fs::read_dir(site.path("stick"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["blinky-1.0.tar.gz", "blinky-1.0.tar.gz.asc"]);
    assert!(site.stored().is_empty());
}

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
        let form = Form::default()
            .field(":action", "file_upload")
            .field("name", "blinky")
            .field("version", "1.0");
        let form = form.field(field, &wrong).file("content", &dist.filename, &dist.bytes);
        let answer = form.post(&server);
        answer.assert_says(400, &[&wrong]);
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
    let mut form = Form::fields_of(&Dist::sdist("blinky", "1.0"));
    for number in 0..900 {
        form = form.field("classifiers", &format!("Topic :: Number {number}"));
    }
    let dist = Dist::sdist("blinky", "1.0");
    let form = form
        .field("attestations", &"[{}]".repeat(10_000))
        .file("content", &dist.filename, &dist.bytes);
    assert_eq!(form.post(&server).status, 200);
}

#[test]
fn name_and_version_must_agree_everywhere() {
    let server = Server::start();
    let dist = Dist::sdist("blinky", "1.0");
    let base = || Form::default().field(":action", "file_upload");
    let other_name = base()
        .field("name", "winky")
        .field("version", "1.0")
        .file("content", &dist.filename, &dist.bytes);
    other_name
        .post(&server)
        .assert_says(400, &["winky", "blinky-1.0.tar.gz"]);
    let other_version =
        base()
            .field("name", "blinky")
            .field("version", "2.0")
            .file("content", &dist.filename, &dist.bytes);
    other_version.post(&server).assert_says(400, &["2.0", "1.0"]);
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
    assert_eq!(server.site.stored(), Vec::<String>::new());
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
fn other_actions() {
    let server = Server::start();
    let act = |action: &str| {
        Form::default()
            .field(":action", action)
            .field("name", "blinky")
            .field("version", "1.0")
    };
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
    let remove = |name: &str| {
        Form::default()
            .field(":action", "remove_pkg")
            .field("name", name)
            .field("version", "1.0")
    };
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

/// The statuses of uploads at once, each signed, lowest first.
fn upload_at_once(server: &Server, dists: &[Dist]) -> Vec<u16> {
    let signed = |dist| Form::upload(dist).file("gpg_signature", "x.asc", b"signature");
    let mut statuses: Vec<u16> = thread::scope(|scope| {
        let posts: Vec<_> = dists
            .iter()
            .map(|dist| scope.spawn(move || signed(dist).post(server).status))
            .collect();
        posts.into_iter().map(|post| post.join().unwrap()).collect()
    });
    statuses.sort_unstable();
    statuses
}

#[test]
fn of_uploads_at_once_under_several_spellings_one_wins() {
    let server = Server::start();
    let spellings = ["My_Pkg-5.0", "my-pkg-5.0", "my.pkg-5.0", "my_pkg-5.0.0"];
    for round in 5..15 {
        let dists = spellings.map(|spelling| {
            let version = format!("{round}.0");
            let filename = spelling.replace("5.0", &version) + ".tar.gz";
            let source = format!("spelling = {spelling:?}\n");
            Dist {
                filename,
                ..Dist::sdist_with("my-pkg", &version, "", &source)
            }
        });
        assert_eq!(upload_at_once(&server, &dists), [200, 409, 409, 409]);
        let stored = server.site.stored();
        let is_winner = |dist: &&Dist| stored.contains(&dist.filename);
        let winners: Vec<_> = dists.iter().filter(is_winner).collect();
        let [winner] = *winners else {
            panic!("several are stored: {stored:?}")
        };
        assert!(stored.contains(&format!("{}.asc", winner.filename)), "{stored:?}");
        assert!(server.get("/simple/my-pkg/").text().contains(&sha256(&winner.bytes)));
    }
}

#[test]
fn of_two_uploads_at_once_one_wins() {
    let server = Server::start();
    let contents = ["a = 1\n", "a = 2\n", "a = 3\n", "a = 4\n"];
    let dists = contents.map(|source| Dist::sdist_with("blinky", "1.0", "", source));
    assert_eq!(upload_at_once(&server, &dists), [200, 409, 409, 409]);
    assert_eq!(server.site.stored(), ["blinky-1.0.tar.gz", "blinky-1.0.tar.gz.asc"]);
    let page = server.get("/simple/blinky/");
    let stored = fs::read(server.site.packages().join("blinky-1.0.tar.gz")).unwrap();
    assert!(page.text().contains(&sha256(&stored)));
}

#[test]
fn what_is_uploaded_shows_at_once() {
    let server = Server::start();
    for number in 0..20 {
        let dist = Dist::wheel("blinky", &format!("1.{number}"));
        assert_eq!(Form::upload(&dist).post(&server).status, 200);
        assert!(server.get("/simple/blinky/").text().contains(&dist.filename));
    }
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
    assert_eq!(server.site.stored(), Vec::<String>::new());
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
