//! Uploads in the place of what is there, where that is allowed.

use std::fs;

use crate::clients::twine;
use crate::dists::Dist;
use crate::form::{Form, sha256};
use crate::harness::Site;

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
