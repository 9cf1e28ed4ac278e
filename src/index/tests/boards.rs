//! What boards get, and what is kept of it.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{Placing, Site, sdist};
use crate::board::mpy::MpyCross;
use crate::dist::{ProjectName, ReleaseVersion};
use crate::index::{Board, Release};

#[test]
fn boards_get_the_view_that_the_upload_made() {
    let site = Site::new(Placing::New);
    site.upload("1.0", "one").unwrap();
    site.index.prepare_boards();
    let catalog = site.index.catalog();
    let project = catalog.project(&ProjectName::parse("foo").unwrap()).unwrap();
    let release = &project.releases()[0];
    let board = site.index.board(&catalog, project, release).unwrap();
    let paths: Vec<_> = board.files().into_iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["foo.py"]);
    for _ in 0..2 {
        let (tarball, size) = site.index.tarball(release, &board).unwrap();
        assert_eq!(tarball.metadata().unwrap().len(), size);
    }
    assert_eq!(
        catalog.upip(project).fill("http://h:1".to_owned()),
        r#"{"info":{"version":"1.0"},"releases":{"1.0":[{"url":"http://h:1/boards/foo/1.0.tar.gz"}]}}"#
    );
}

#[test]
fn what_is_lost_of_the_cache_is_made_again() {
    let site = Site::new(Placing::New);
    site.upload("1.0", "one").unwrap();
    let catalog = site.index.catalog();
    let project = catalog.project(&ProjectName::parse("foo").unwrap()).unwrap();
    let release = &project.releases()[0];
    let path = |board: &Board| site.index.contents().path(&board.files()[0].content);
    let board = site.index.board(&catalog, project, release).unwrap();
    // Of the right length, as a power cut may leave it.
    fs::write(path(&board), "......").unwrap();
    site.index.miss_content();
    site.index.tidy();
    let board = site.index.board(&catalog, project, release).unwrap();
    assert_eq!(fs::read(path(&board)).unwrap(), b"x = 1\n");
}

/// A release of ten thousand sources, each of which takes the compiler its ten seconds, would leave the next without bytecode
/// for days.
#[test]
fn the_compiler_ends_with_its_time_for_a_release() {
    let mut site = Site::new(Placing::New);
    site.index.options.boards.compiler = Some(MpyCross::new("/bin/sh".into()));
    site.index.options.boards.compile_time = Duration::ZERO;
    site.upload("1.0", "one").unwrap();
    site.index.prepare_boards();
    let (board, _) = board(&site, "foo", "1.0");
    let notes: Vec<_> = board.notes().collect();
    assert_eq!(
        notes,
        ["foo.py and what comes after it are served as sources: compiling this release took more than 0 seconds"]
    );
    assert_eq!(board.files()[0].path, "foo.py");
}

/// The release of this version, and what a board gets of it.
fn board(site: &Site, name: &str, version: &str) -> (Arc<Board>, Bytes) {
    let catalog = site.index.catalog();
    let project = catalog.project_for_board(&ProjectName::parse(name).unwrap()).unwrap();
    let release = project.release(&ReleaseVersion::parse(version).unwrap()).unwrap();
    let board = site.index.board(&catalog, project, release).unwrap();
    (board, catalog.upip(project).fill("http://h:1".to_owned()))
}

#[test]
fn a_damaged_or_yanked_wheel_leaves_the_board_to_the_sdist() {
    let site = Site::new(Placing::New);
    fs::write(site.path().join("foo-1.0-py3-none-any.whl"), "no archive").unwrap();
    fs::write(site.path().join("foo-2.0.tar.gz"), "no archive").unwrap();
    site.look();
    site.look();
    site.upload("1.0", "good").unwrap();
    let (good, json) = board(&site, "foo", "1.0");
    assert_eq!(good.files()[0].path, "foo.py");
    assert_eq!(
        json, r#"{"info":{"version":"1.0"},"releases":{"1.0":[{"url":"http://h:1/boards/foo/1.0.tar.gz"}]}}"#,
        "a damaged newest file hides no good one"
    );
}

#[test]
fn of_a_project_that_was_yanked_as_a_whole_upip_gets_what_it_names() {
    let site = Site::new(Placing::New);
    site.upload("1.0", "one").unwrap();
    fs::write(site.path().join("foo-1.0.tar.gz.yanked"), "").unwrap();
    site.look();
    assert_eq!(
        board(&site, "foo", "1.0").1,
        r#"{"info":{"version":"yanked"},"releases":{"1.0":[{"url":"http://h:1/boards/foo/1.0.tar.gz"}]}}"#
    );
}

#[test]
fn upip_is_not_told_of_a_release_that_is_known_to_be_empty() {
    let site = Site::new(Placing::New);
    // upip unpacks no setup.py, and there is nothing else in it.
    fs::write(site.path().join("foo-2.0.tar.gz"), sdist("setup", "2.0", "two")).unwrap();
    site.look();
    site.upload("1.0", "one").unwrap();
    let latest = |site: &Site| {
        let json: serde_json::Value = serde_json::from_slice(&board(site, "foo", "1.0").1).unwrap();
        (
            json["info"]["version"].to_string(),
            json["releases"].as_object().unwrap().len(),
        )
    };
    site.index.prepare_boards();
    assert_eq!(latest(&site), ("\"1.0\"".to_owned(), 1));
    site.upload("0.9", "nine").unwrap();
    assert_eq!(latest(&site), ("\"1.0\"".to_owned(), 2));
    let site = site.restart();
    site.index.prepare_boards();
    assert_eq!(latest(&site), ("\"1.0\"".to_owned(), 2));
    // What takes its place is another matter.
    fs::write(site.path().join("foo-2.0.tar.gz"), sdist("foo", "2.0", "two")).unwrap();
    site.look();
    assert_eq!(latest(&site), ("\"2.0\"".to_owned(), 3));
}

#[test]
fn a_release_is_written_as_its_first_file_writes_it() {
    for _ in 0..16 {
        let site = Site::new(Placing::New);
        fs::write(site.path().join("foo-1.0.0.tar.gz"), sdist("foo", "1.0.0", "long")).unwrap();
        fs::write(site.path().join("foo-1.0.zip"), "no archive").unwrap();
        site.look();
        site.look();
        let catalog = site.index.catalog();
        let project = catalog.project(&ProjectName::parse("foo").unwrap()).unwrap();
        assert_eq!(project.releases()[0].version.as_str(), "1.0.0");
    }
}

#[test]
fn what_comes_while_boards_are_prepared_is_prepared_too() {
    let site = Site::new(Placing::New);
    std::thread::scope(|scope| {
        let uploads = scope.spawn(|| {
            for version in 0..100 {
                site.upload(&format!("1.{version}"), "one").unwrap();
            }
        });
        while !uploads.is_finished() {
            site.index.prepare_boards();
        }
    });
    site.index.prepare_boards();
    let catalog = site.index.catalog();
    let project = catalog.project(&ProjectName::parse("foo").unwrap()).unwrap();
    let is_prepared = |release: &&Release| site.index.cache.derived(&site.index.view_key(release)).is_some();
    assert_eq!(project.releases().iter().filter(is_prepared).count(), 100);
}

#[test]
fn the_sweep_takes_what_was_derived_from_files_that_are_gone() {
    let site = Site::new(Placing::New);
    let board = |site: &Site, name: &str| {
        let catalog = site.index.catalog();
        let project = catalog.project(&ProjectName::parse(name).unwrap()).unwrap();
        let release = &project.releases()[0];
        let board = site.index.board(&catalog, project, release).unwrap();
        let (tarball, _) = site.index.tarball(release, &board).unwrap();
        drop(tarball);
        site.index.contents().path(&board.files()[0].content)
    };
    let folders = |site: &Site| fs::read_dir(site.cache.path().join("tarballs")).unwrap().count();
    site.upload_of("foo", "1.0", "stays").unwrap();
    site.upload_of("bar", "1.0", "goes").unwrap();
    let shared = board(&site, "foo");
    assert_eq!(board(&site, "bar"), shared, "the same content is stored once");
    let site = site.restart();
    fs::remove_file(site.path().join("bar-1.0.tar.gz")).unwrap();
    site.look();
    assert_eq!((site.index.cache.known().unwrap(), folders(&site)), (2, 2));
    site.index.sweep();
    assert_eq!((site.index.cache.known().unwrap(), folders(&site)), (1, 1));
    assert!(shared.exists());
    fs::remove_file(site.path().join("foo-1.0.tar.gz")).unwrap();
    site.look();
    site.index.sweep();
    assert!(shared.exists(), "an empty folder may be a disk that comes later");
    let theirs = site.cache.path().join("tarballs/led");
    fs::create_dir(&theirs).unwrap();
    fs::write(site.path().join("baz-1.0.zip"), "no archive").unwrap();
    site.look();
    site.look();
    site.index.sweep();
    assert!(!shared.exists());
    assert!(theirs.exists(), "packages may lie below the cache");
}

#[test]
fn a_board_whose_view_was_forgotten_meanwhile_is_made_anew() {
    let site = Site::new(Placing::New);
    site.upload("1.0", "one").unwrap();
    let catalog = site.index.catalog();
    let project = catalog.project(&ProjectName::parse("foo").unwrap()).unwrap();
    let release = &project.releases()[0];
    let board = site.index.board(&catalog, project, release).unwrap();
    release.forget_view();
    release.keep_board(Arc::into_inner(board).unwrap());
    assert!(release.board(catalog.serial()).is_none());
}
