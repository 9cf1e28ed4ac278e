//! Uploads at once, of which one wins, and what shows at once of an upload.

use std::fs;
use std::thread;

use crate::dists::Dist;
use crate::form::{Form, sha256};
use crate::harness::Server;

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
