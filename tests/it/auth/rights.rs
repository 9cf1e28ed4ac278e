//! What each right protects, and what it leaves open.

use std::fs;

use crate::dists::Dist;
use crate::form::Form;
use crate::harness::Site;
use crate::raw::Request;

#[test]
fn each_right_is_protected_alone() {
    let dist = Dist::sdist("blinky", "1.0");
    let list = [
        "/simple",
        "/simple/",
        "/simple/blinky",
        "/simple/blinky/",
        "/blinky",
        "/blinky/",
        "/blinky/json",
        "/pypi/blinky/json",
        "/pypi/blinky/1.0/json",
        "/packages",
        "/packages/",
        "/project/blinky",
        "/project/blinky/",
        "/blinky/1.0/",
        "/index.json",
        "/package/6/blinky/latest.json",
        "/blinky/package.json",
        "/blinky/1.0/package.json",
    ];
    let download = [
        "/packages/blinky-1.0.tar.gz",
        "/packages/blinky-1.0.tar.gz.metadata",
        "/packages/blinky-1.0.tar.gz.asc",
        "/boards/blinky/1.0.tar.gz",
    ];
    for (right, closed, open) in [
        ("list", list.as_slice(), download.as_slice()),
        ("download", &download, &list),
    ] {
        let site = Site::holding(std::slice::from_ref(&dist)).set("auth.protect", &format!("[{right:?}]"));
        fs::write(site.packages().join("blinky-1.0.tar.gz.asc"), "signature").unwrap();
        let server = site.start();
        for target in closed {
            let answer = server.get(target);
            assert_eq!(
                (answer.status, answer.header("www-authenticate").is_some()),
                (401, true),
                "{right}: {target}"
            );
            assert_eq!(
                server.send(Request::get(target).by_user()).status,
                200,
                "{right}: {target}"
            );
        }
        for target in open.iter().chain(&["/health", "/", "/micropypi.py", "/micropypi.mpy"]) {
            assert_eq!(server.get(target).status, 200, "{right}: {target}");
        }
        let is_told = server.get("/").text().contains("blinky");
        assert_eq!(is_told, right != "list", "the home page names the projects");
        let upload = Form::upload(&Dist::sdist("blinky", "2.0")).request("/");
        assert_eq!(server.send(upload).status, 200, "update is open when it is not named");
    }
}

/// Whoever may not see the index could try all beginnings of digests, which are 65,536.
#[test]
fn what_boards_get_is_told_to_those_alone_who_may_see_the_index_and_download() {
    for protected in ["", "list", "download"] {
        let site = Site::holding(&[Dist::wheel("blinky", "1.0")]);
        let rights: Vec<_> = Some(protected).filter(|right| !right.is_empty()).into_iter().collect();
        let server = site.set("auth.protect", &format!("{rights:?}")).start();
        let manifest = server
            .send(Request::get("/package/6/blinky/latest.json").by_user())
            .json();
        let digits = manifest["hashes"][0][1].as_str().unwrap();
        let target = format!("/file/{}/{digits}", &digits[..2]);
        // Once it was sent, it is ready for the next.
        let sent = server.send(Request::get(&target).by_user());
        let scope = if protected.is_empty() { "public, " } else { "private, " };
        assert!(sent.status == 200 && sent.header("cache-control").unwrap().starts_with(scope));
        let expected = if protected.is_empty() { 200 } else { 401 };
        assert_eq!(server.get(&target).status, expected, "{protected}");
        assert_eq!(
            server.get(&format!("/file/00/{}", &digits[..4])).status,
            expected,
            "{protected}"
        );
    }
}
