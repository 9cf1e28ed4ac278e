//! Bad input and narrow places: each is refused with a status and a sentence, and leaves nothing behind.

use std::fs::{self, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;

use crate::dists::{Dist, metadata, tar_gz, zip};
use crate::form::{Form, content_type};
use crate::harness::{Server, Site, eventually};
use crate::raw::{Request, Response, connect};

fn assert_refused(server: &Server, dist: &Dist, words: &[&str]) {
    Form::upload(dist).post(server).assert_says(400, words);
    assert_eq!(server.site.stored(), Vec::<String>::new(), "{}", dist.filename);
}

fn sdist_of(members: &[(&str, &[u8])]) -> Dist {
    let members: Vec<_> = members
        .iter()
        .map(|(path, content)| (format!("blinky-1.0/{path}"), *content))
        .collect();
    Dist::new("blinky", "1.0", "blinky-1.0.tar.gz", tar_gz(&members))
}

fn wheel_of(members: &[(&str, &[u8])]) -> Dist {
    let members: Vec<_> = members
        .iter()
        .map(|(path, content)| ((*path).to_owned(), *content))
        .collect();
    Dist::new("blinky", "1.0", "blinky-1.0-py3-none-any.whl", zip(&members))
}

#[test]
fn too_large() {
    let server = Site::new().set("limits.upload_bytes", "1000").start();
    let dist = Dist::new("blinky", "1.0", "blinky-1.0.tar.gz", vec![7; 100_000]);
    Form::upload(&dist).post(&server).assert_says(413, &["1000"]);
    assert_eq!(server.site.stored(), Vec::<String>::new());
}

/// How large the whole is does not tell of what.
#[test]
fn too_large_a_form_is_not_put_down_to_the_file() {
    let server = Site::new()
        .set("limits.upload_bytes", "10000")
        .set("limits.field_bytes", "1000")
        .start();
    let dist = Dist::sdist("blinky", "1.0");
    let form = Form::upload(&dist).field("description", &"x".repeat(20_000));
    form.post(&server).assert_says(
        413,
        &[
            "the form is larger than 11000 bytes",
            "10000 for the file ([limits] upload_bytes)",
            "1000 for what is beside it ([limits] field_bytes)",
        ],
    );
    assert_eq!(server.site.stored(), Vec::<String>::new());
}

/// nginx answers 502 in its own words where it cannot pass on all.
#[test]
fn a_refused_body_is_taken_however_large() {
    let server = Site::new().set("limits.upload_bytes", "1000").start();
    let form = || Request::new("POST", "/").body(&content_type(), vec![7; 64 << 20]);
    for (request, status) in [(form().by_user(), 413), (form(), 401)] {
        let mut stream = connect(server.address).unwrap();
        stream
            .write_all(&request.bytes(server.address))
            .expect("the server goes on reading");
        assert_eq!(Response::read(&mut stream).unwrap().status, status);
    }
}

#[test]
fn too_many_fields_and_too_large_a_field() {
    let server = Site::new()
        .set("limits.form_fields", "20")
        .set("limits.field_bytes", "1000")
        .start();
    let many = (0..30).fold(Form::default(), |form, number| {
        form.field("classifiers", &number.to_string())
    });
    many.post(&server).assert_says(400, &["20", "fields"]);
    let dist = Dist::sdist("blinky", "1.0");
    let long = |field: &str| {
        let form = Form::fields_of(&dist).field(field, &"x".repeat(1001));
        form.file("content", &dist.filename, &dist.bytes).post(&server)
    };
    // One that is read, and one that is not.
    for field in ["md5_digest", "description"] {
        let words = format!("the form field {field} is larger than 1000 bytes");
        long(field).assert_says(400, &[&words]);
    }
    assert_eq!(server.site.stored(), Vec::<String>::new());
}

#[test]
fn a_signature_that_is_none() {
    let server = Server::start();
    let dist = Dist::sdist("blinky", "1.0");
    let signed = Form::upload(&dist).file("gpg_signature", "blinky-1.0.tar.gz.asc", &[b'x'; 9_000]);
    let answer = signed.post(&server);
    answer.assert_says(400, &["gpg_signature is larger than 8192 bytes"]);
    assert!(
        !answer.text().contains("[limits]"),
        "no setting helps: {}",
        answer.text()
    );
    assert_eq!(server.site.stored(), Vec::<String>::new());
}

#[test]
fn no_content_or_two() {
    let server = Server::start();
    let dist = Dist::sdist("blinky", "1.0");
    Form::fields_of(&dist).post(&server).assert_says(400, &["content"]);
    let twice = Form::upload(&dist).file("content", &dist.filename, &dist.bytes);
    twice.post(&server).assert_says(400, &["content", "twice"]);
    let no_file = Form::fields_of(&dist).field("content", "text");
    no_file.post(&server).assert_says(400, &["content", "file name"]);
    Form::default()
        .file("content", &dist.filename, &dist.bytes)
        .post(&server)
        .assert_says(400, &[":action"]);
    let nameless = Form::default()
        .field(":action", "file_upload")
        .file("content", &dist.filename, &dist.bytes);
    nameless.post(&server).assert_says(400, &["name"]);
    assert_eq!(server.site.stored(), Vec::<String>::new());
}

#[test]
fn no_form_at_all() {
    let server = Server::start();
    server
        .send(Request::new("POST", "/").by_user())
        .assert_says(400, &["multipart/form-data"]);
    let json = Request::new("POST", "/")
        .by_user()
        .body("application/json", b"{}".to_vec());
    server.send(json).assert_says(400, &["multipart/form-data"]);
    let cut = Form::upload(&Dist::sdist("blinky", "1.0")).into_unfinished();
    server
        .send(Request::new("POST", "/").by_user().body(&content_type(), cut))
        .assert_says(400, &["cut short"]);
    assert_eq!(server.site.stored(), Vec::<String>::new());
}

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

/// Asks for a release to be removed.
fn removal(dist: &Dist) -> Form {
    Form::default()
        .field(":action", "remove_pkg")
        .field("name", &dist.name)
        .field("version", &dist.version)
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
    assert_eq!(removal(&copied).post(&server).status, 200);
    assert_eq!(server.get(&page).status, 404);
    server.site.assert_holds(&[]);
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
    assert_eq!(server.site.stored(), Vec::<String>::new());
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

#[test]
fn a_disk_that_is_full_in_the_middle() {
    let server = Site::new().start_on_tmpfs("size=1m");
    Form::upload(&Dist::noise(4 << 20))
        .post(&server)
        .assert_says(507, &["disk is full"]);
    assert_eq!(server.stored(), Vec::<String>::new());
    let small = Dist::sdist("blinky", "1.0");
    assert_eq!(Form::upload(&small).post(&server).status, 200);
    assert_eq!(server.stored(), [small.filename]);
}

#[test]
fn a_read_only_directory() {
    let server = Site::new().start_on_tmpfs("ro");
    Form::upload(&Dist::sdist("blinky", "1.0"))
        .post(&server)
        .assert_says(503, &["packages directory"]);
    assert_eq!(server.get("/simple/").status, 200);
    assert!(server.log().contains("is on a read-only file system"));
}

#[test]
fn a_directory_of_another_user_is_told_at_the_start() {
    let site = Site::new();
    let directory = site.packages().canonicalize().unwrap();
    let expected = format!("{} cannot be written by the user ", directory.display());
    let warned = |server: Server| server.log().matches(&expected).count();
    assert_eq!(warned(site.start_unprivileged()), 0);
    fs::set_permissions(&directory, Permissions::from_mode(0o555)).unwrap();
    let server = site.start_unprivileged();
    assert!(server.log().contains("; run: chown -R ") && server.log().contains("compose file: user: \""));
    Form::upload(&Dist::sdist("blinky", "1.0"))
        .post(&server)
        .assert_says(503, &["packages directory"]);
    assert_eq!(warned(server), 1);
    let nobody_uploads = site.without("auth.passwords").without_file("htpasswd");
    assert_eq!(warned(nobody_uploads.start_unprivileged()), 0);
}

#[test]
fn what_the_server_may_not_look_at_is_not_taken_for_removed() {
    let dist = Dist::sdist("blinky", "1.0");
    let server = Site::holding(std::slice::from_ref(&dist)).start_unprivileged();
    for mode in [0o555, 0o000] {
        fs::set_permissions(server.site.packages(), Permissions::from_mode(mode)).unwrap();
        removal(&dist).post(&server).assert_says(503, &["packages directory"]);
    }
    fs::set_permissions(server.site.packages(), Permissions::from_mode(0o755)).unwrap();
    server.site.assert_holds(std::slice::from_ref(&dist));
    assert_eq!(removal(&dist).post(&server).status, 200);
    server.site.assert_holds(&[]);
}

#[test]
fn a_directory_that_went_away_and_came_back() {
    let server = Server::start();
    let (packages, away) = (server.site.packages(), server.site.path("away"));
    let dist = Dist::sdist("blinky", "1.0");
    // As a container engine asks.
    let checked = || {
        let mut healthcheck = server.site.command();
        let output = healthcheck
            .args(["healthcheck", "--url", &server.url()])
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(checked(), (Some(0), String::new()));
    fs::rename(&packages, &away).unwrap();
    server
        .get("/health")
        .assert_says(503, &["the packages directory does not answer"]);
    let (status, said) = checked();
    assert!(status == Some(1) && said.contains(" 503 "), "{said}");
    Form::upload(&dist)
        .post(&server)
        .assert_says(503, &["packages directory", "nothing was stored"]);
    server.await_log(&format!("{} is gone", packages.display()));
    fs::rename(&away, &packages).unwrap();
    assert_eq!(checked(), (Some(0), String::new()));
    assert_eq!(Form::upload(&dist).post(&server).status, 200);
    server.site.assert_holds(&[dist]);
}

/// Puts a plain file into the place of a directory.
fn supplant(directory: &Path, away: &Path) {
    fs::rename(directory, away).unwrap();
    fs::write(directory, "").unwrap();
}

#[test]
fn a_plain_file_in_the_place_of_the_directory_is_no_directory() {
    let held = Dist::sdist("abacus", "1.0");
    let server = Site::new().package(&held).start();
    let (packages, away) = (server.site.packages(), server.site.path("away"));
    let dist = Dist::sdist("blinky", "1.0");
    supplant(&packages, &away);
    Form::upload(&dist)
        .post(&server)
        .assert_says(503, &["packages directory", "nothing was stored"]);
    server.await_log(&format!("{} is gone", packages.display()));
    eventually("nothing is listed", || {
        Some(()).filter(|()| server.get("/simple/abacus/").status == 404)
    });
    fs::remove_file(&packages).unwrap();
    fs::rename(&away, &packages).unwrap();
    assert_eq!(Form::upload(&dist).post(&server).status, 200);
    server.site.assert_holds(&[held, dist]);
}

#[test]
fn a_plain_file_in_the_place_of_a_sub_folder_is_no_directory() {
    let site = Site::new()
        .set("store.overwrite", "true")
        .set("store.watch", r#""off""#);
    let (held, other) = (
        Dist::sdist("abacus", "1.0"),
        Dist::sdist_with("abacus", "1.0", "", "other = 1\n"),
    );
    let folder = site.packages().join("sub");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join(&held.filename), &held.bytes).unwrap();
    let server = site.start();
    supplant(&folder, &server.site.path("away"));
    // It would have replaced the one in the sub-folder.
    assert_eq!(Form::upload(&other).post(&server).status, 200);
    assert_eq!(server.get(&format!("/packages/sub/{}", held.filename)).status, 404);
    assert!(server.get(&format!("/packages/{}", other.filename)).body == other.bytes);
}

#[test]
fn a_head_that_never_ends_is_given_up() {
    let server = Site::new().set("limits.header_seconds", "1").start();
    let mut stream = connect(server.address).unwrap();
    stream.write_all(b"GET /simple/ HTTP/1.1\r\nHost: x\r\n").unwrap();
    Response::read(&mut stream)
        .unwrap()
        .assert_says(408, &["1 s", "header_seconds"]);
}

#[test]
fn a_head_that_never_ends_holds_up_no_stop() {
    let server = Site::new().set("limits.header_seconds", "600").start();
    let mut stream = connect(server.address).unwrap();
    stream.write_all(b"GET /simple/ HTTP/1.1\r\nHost: x\r\n").unwrap();
    // Accepted after that one.
    assert_eq!(server.get("/health").status, 200);
    let (status, log) = server.stop();
    assert!(status.success() && !log.contains("did not end in time"), "{log}");
}

#[test]
fn a_connection_that_asks_nothing_more_is_ended_without_a_word() {
    let server = Site::new().set("limits.header_seconds", "1").start();
    let mut stream = connect(server.address).unwrap();
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    assert_eq!(answers.matches("HTTP/1.1").count(), 1, "{answers}");
    assert!(answers.starts_with("HTTP/1.1 200"), "{answers}");
}

#[test]
fn a_body_that_stops_is_given_up() {
    let server = Site::new().set("limits.body_idle_seconds", "1").start();
    let dist = Dist::sdist("blinky", "1.0");
    let body = Form::upload(&dist).into_unfinished();
    let head = Request::new("POST", "/")
        .by_user()
        .header("Content-Type", &content_type())
        .header("Content-Length", "100000");
    let mut stream = connect(server.address).unwrap();
    stream.write_all(head.head(server.address).as_bytes()).unwrap();
    stream.write_all(&body).unwrap();
    Response::read(&mut stream).unwrap().assert_says(408, &["1 s"]);
    assert_eq!(server.site.stored(), Vec::<String>::new());
}

#[test]
fn a_second_signal_cuts_off_what_the_first_waits_for_and_leaves_nothing_of_it() {
    let site = Site::new();
    let server = site.start();
    let head = Request::new("POST", "/")
        .by_user()
        .header("Content-Type", &content_type())
        .header("Content-Length", "100000");
    let mut stream = connect(server.address).unwrap();
    stream.write_all(head.head(server.address).as_bytes()).unwrap();
    let begun = Form::upload(&Dist::sdist("blinky", "1.0")).into_unfinished();
    stream.write_all(&begun).unwrap();
    eventually("the upload has begun", || server.site.stored().pop());
    server.signal(Signal::TERM);
    server.await_log("waiting for 1 open requests");
    let (status, log) = server.stop();
    assert!(status.success() && log.contains("open requests are cut off"), "{log}");
    site.assert_holds(&[]);
}

#[test]
fn many_connections_need_no_setting_of_the_shell() {
    let server = Site::new().start_after("ulimit -S -n 64");
    let idle: Vec<_> = (0..100).map(|_| connect(server.address).unwrap()).collect();
    assert_eq!(server.get("/health").status, 200);
    drop(idle);
}

#[test]
fn a_crowd_that_there_are_no_files_for_does_not_fill_the_log() {
    let site = Site::new().set("limits.header_seconds", "1");
    let server = site.start_after("ulimit -n 64");
    let crowd: Vec<_> = (0..100).map(|_| connect(server.address).unwrap()).collect();
    // Each is let in when others were given up, and is given up.
    for mut client in crowd {
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    }
    assert_eq!(server.get("/health").status, 200);
    let words = server.log().matches("cannot accept connections").count();
    let workers = thread::available_parallelism().unwrap().get();
    assert!((1..=workers).contains(&words), "{}", server.log());
}

/// Asks on a connection that stays open, and reads up to the end of the answer.
fn ask_and_stay(stream: &mut TcpStream) {
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\nok\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        answer.extend_from_slice(&byte);
    }
}

#[test]
fn further_connections_wait() {
    let server = Site::new().set("limits.connections", "1").start();
    let mut first = connect(server.address).unwrap();
    ask_and_stay(&mut first);
    let mut second = connect(server.address).unwrap();
    second
        .write_all(Request::get("/health").head(server.address).as_bytes())
        .unwrap();
    for _ in 0..20 {
        ask_and_stay(&mut first);
    }
    second.set_nonblocking(true).unwrap();
    let waiting = second.read(&mut [0]).unwrap_err();
    assert_eq!(waiting.kind(), ErrorKind::WouldBlock);
    second.set_nonblocking(false).unwrap();
    drop(first);
    assert_eq!(Response::read(&mut second).unwrap().status, 200);
}

#[test]
fn a_crowd_that_waits_for_what_boards_get_leaves_threads_to_others() {
    let dist = Dist::sdist("blinky", "1.0");
    let server = Site::new().package(&dist).set("store.watch", r#""off""#).start();
    let contents = server.site.path("data/cache/files");
    eventually("what boards get is made", || {
        contents
            .read_dir()
            .ok()?
            .flatten()
            .any(|entry| entry.path().is_dir())
            .then_some(())
    });
    // So it is made again for the first who asks, from a pipe that nobody writes into.
    fs::remove_dir_all(contents).unwrap();
    let file = server.site.packages().join(&dist.filename);
    fs::remove_file(&file).unwrap();
    make_pipe(&file);
    let pulse = Dist::sdist_with("pulse", "1.0", "", "BEAT = 1\n");
    assert_eq!(Form::upload(&pulse).post(&server).status, 200);
    let known = server.get("/project/pulse/");
    known.assert_says(200, &["<code>pulse/__init__.py</code>"]);
    let tarball = server.get("/boards/pulse/1.0.tar.gz");
    assert_eq!(tarball.status, 200);
    let crowd = crowd(&server, &Request::board("/package/6/blinky/latest.json"));
    assert_eq!(server.get("/health").status, 200);
    // What is known stays so, whatever else comes.
    assert_eq!(Form::upload(&Dist::sdist("abacus", "1.0")).post(&server).status, 200);
    assert!(server.get("/project/pulse/").body == known.body);
    let manifest = server.get("/package/6/pulse/latest.json");
    manifest.assert_says(200, &["pulse/__init__.py"]);
    assert!(server.get("/boards/pulse/1.0.tar.gz").body == tarball.body);
    drop(crowd);
}

#[test]
fn a_crowd_of_uploads_leaves_threads_to_others() {
    let dist = Dist::sdist("blinky", "1.0");
    let server = Site::new().set("store.watch", r#""off""#).start();
    // It is compared with what is there, which comes from a pipe that nobody writes into.
    make_pipe(&server.site.packages().join(&dist.filename));
    let crowd = crowd(&server, &Form::upload(&dist).request("/").by_user());
    // All but the one that is compared have a file in the staging area, beside the pipe.
    eventually("all are received", || {
        (server.site.stored().len() >= crowd.len()).then_some(())
    });
    assert_eq!(server.get("/health").status, 200);
    drop(crowd);
}

fn make_pipe(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

/// To open a pipe is to wait for its other end.
#[test]
fn a_signature_is_a_small_file() {
    let dist = Dist::sdist("blinky", "1.0");
    let site = Site::new().package(&dist).set("store.watch", r#""off""#);
    let beside = site.packages().join("blinky-1.0.tar.gz.asc");
    let target = "/packages/blinky-1.0.tar.gz.asc";
    make_pipe(&beside);
    assert_eq!(site.start().get(target).status, 404);
    fs::remove_file(&beside).unwrap();
    fs::write(&beside, "signature").unwrap();
    let server = site.start();
    assert_eq!(server.get(target).text(), "signature");
    fs::write(&beside, vec![b'x'; 8193]).unwrap();
    assert_eq!(server.get(target).status, 500);
    server.await_log("the .asc file is too large");
    fs::remove_file(&beside).unwrap();
    make_pipe(&beside);
    assert_eq!(server.get(target).status, 404);
}

/// More clients than the server has threads, each with this request.
fn crowd(server: &Server, request: &Request) -> Vec<TcpStream> {
    let clients = thread::available_parallelism().unwrap().get() * 20;
    let client = |_| {
        let mut client = connect(server.address).unwrap();
        client.write_all(&request.bytes(server.address)).unwrap();
        client
    };
    (0..clients).map(client).collect()
}

/// Has a client take one byte of an answer, and waits until it is cut off.
fn assert_cut_off(server: &Server, dist: &Dist) {
    let mut stuck = connect(server.address).unwrap();
    let request = Request::get(&format!("/packages/{}", dist.filename));
    stuck.write_all(request.head(server.address).as_bytes()).unwrap();
    stuck.read_exact(&mut [0]).unwrap();
    // It holds the only connection: the answer to another comes when it is cut off, and not before.
    assert_eq!(server.get("/health").status, 200);
    let cut = Response::read(&mut stuck).map_or(0, |answer| answer.body.len());
    assert!(cut < dist.bytes.len());
}

#[test]
fn a_client_that_takes_nothing_is_cut_off() {
    // More than the buffers of both ends hold.
    let dist = Dist::noise(64 << 20);
    let site = Site::new().package(&dist).set("limits.connections", "1");
    let brief = site.clone().set("limits.body_idle_seconds", "1");
    assert_cut_off(&brief.start(), &dist);
    // A reload has the same effect.
    let server = site.start();
    brief.configure();
    server.signal(Signal::HUP);
    server.await_log("reloaded");
    assert_cut_off(&server, &dist);
}

#[test]
fn a_slow_upload_that_moves_passes() {
    let server = Site::new()
        .set("limits.body_idle_seconds", "1")
        .set("limits.header_seconds", "1")
        .start();
    let request = Form::upload(&Dist::sdist("blinky", "1.0")).request("/").by_user();
    let bytes = request.bytes(server.address);
    let (head, body) = bytes.split_at(request.head(server.address).len());
    let mut stream = connect(server.address).unwrap();
    stream.write_all(head).unwrap();
    // A weak link: the whole takes twice as long as any pause may.
    let pieces = 20;
    for piece in body.chunks(body.len() / pieces + 1) {
        thread::sleep(Duration::from_secs(2) / u32::try_from(pieces).unwrap());
        stream.write_all(piece).unwrap();
    }
    assert_eq!(Response::read(&mut stream).unwrap().status, 200);
}

#[test]
fn broken_requests_do_no_harm() {
    let server = Server::start();
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(200_000));
    for bytes in [
        b"\x00\x01\x02\r\n\r\n".as_slice(),
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        long.as_bytes(),
    ] {
        let mut stream = connect(server.address).unwrap();
        // The server may close before it has read all of it.
        let _ = stream.write_all(bytes);
        let answer = Response::read(&mut stream);
        assert!(answer.is_none_or(|answer| (400..600).contains(&answer.status)));
    }
    assert_eq!(server.get("/health").status, 200);
}

/// RFC 9112 section 3.2; HTTP/1.0 knows no Host.
#[test]
fn a_request_names_one_host() {
    let server = Site::new().package(&Dist::sdist("blinky", "1.0")).start();
    // Ready answers, others, and no route at all.
    for target in [
        "/simple/blinky/",
        "/blinky/json",
        "/Blinky/json",
        "/health",
        "/absent/a",
    ] {
        let status = |request: &str| {
            let mut stream = connect(server.address).unwrap();
            write!(stream, "GET {target} {request}Connection: close\r\n\r\n").unwrap();
            Response::read(&mut stream).unwrap().status
        };
        let usual = if target == "/absent/a" { 404 } else { 200 };
        for (request, expected) in [
            ("HTTP/1.1\r\nHost: x\r\n", usual),
            ("HTTP/1.1\r\nHost:\r\n", usual),
            ("HTTP/1.1\r\nHost: [fe80::1%25eth0]:8089\r\n", usual),
            ("HTTP/1.0\r\n", usual),
            ("HTTP/1.1\r\n", 400),
            ("HTTP/1.1\r\nHost: a\"b\r\n", 400),
            ("HTTP/1.1\r\nHost: x\r\nHost: x\r\n", 400),
            ("HTTP/1.0\r\nHost: x\r\nHost: y\r\n", 400),
        ] {
            assert_eq!(status(request), expected, "{target} {request:?}");
        }
    }
}

/// Writes a gzipped sdist of so many bytes, which compress to nothing less.
fn write_large_sdist(stored: u64, out: impl Write) {
    let text = metadata("large", "1.0", "");
    let mut tar = tar::Builder::new(GzEncoder::new(out, Compression::none()));
    for (path, size) in [("large-1.0/PKG-INFO", text.len() as u64), ("large-1.0/zeros", stored)] {
        let mut header = tar::Header::new_ustar();
        header.set_size(size);
        let content: &mut dyn std::io::Read = if path.ends_with("PKG-INFO") {
            &mut text.as_bytes()
        } else {
            &mut std::io::Read::take(std::io::repeat(0), stored)
        };
        tar.append_data(&mut header, path, content).unwrap();
    }
    tar.into_inner().and_then(GzEncoder::finish).unwrap();
}

/// Counts what is written to it.
struct Counter(u64);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_large_upload_is_never_in_memory() {
    const SIZE: u64 = 300 << 20;
    let server = Server::start();
    // The first upload pays for what every upload needs once.
    assert_eq!(Form::upload(&Dist::sdist("blinky", "1.0")).post(&server).status, 200);
    let mut file = Counter(0);
    write_large_sdist(SIZE, &mut file);
    let dist = Dist::new("large", "1.0", "large-1.0.tar.gz", Vec::new());
    let fields = Form::default()
        .field(":action", "file_upload")
        .field("name", "large")
        .field("version", "1.0");
    let form = fields
        .file("content", &dist.filename, b"")
        .request("/")
        .by_user()
        .bytes(server.address);
    let text = String::from_utf8(form).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    // The file's content goes before the last line break and boundary of the body.
    let (before, after) = body.split_at(body[..body.len() - 2].rfind("\r\n").unwrap());
    let length = body.len() as u64 + file.0;
    let head = head.replace(
        &format!("Content-Length: {}", body.len()),
        &format!("Content-Length: {length}"),
    );

    let before_upload = server.memory("VmHWM");
    let mut stream = connect(server.address).unwrap();
    stream.write_all(format!("{head}\r\n\r\n{before}").as_bytes()).unwrap();
    write_large_sdist(SIZE, &mut stream);
    stream.write_all(after.as_bytes()).unwrap();
    assert_eq!(Response::read(&mut stream).unwrap().status, 200);
    let grown = server.memory("VmHWM") - before_upload;
    assert!(grown < 8 << 10, "the process grew by {grown} KiB");
}

/// Numbers that are too large for the kernel or for a counter would end each connection, or the start.
#[test]
fn the_largest_numbers_that_are_taken_serve() {
    let numbers = ["form_fields", "archive_members", "unpack_ratio", "connections"];
    let site = numbers
        .iter()
        .fold(Site::new(), |site, key| site.set(&format!("limits.{key}"), "500000000"));
    let site = ["header_seconds", "body_idle_seconds"]
        .iter()
        .fold(site, |site, key| site.set(&format!("limits.{key}"), "2147483"));
    let server = site.start();
    assert_eq!(Form::upload(&Dist::sdist("blinky", "1.0")).post(&server).status, 200);
}
