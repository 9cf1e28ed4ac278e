//! The use cases of the index over real directories.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use tempfile::TempDir;

use super::*;
use crate::config::{Latest, Upip};
use crate::dist::ClaimedDigests;

const RULES: Rules = Rules {
    latest: Latest::Newest,
    upip: Upip::Tarball,
    upip_releases: 0,
};

struct Site {
    index: Index,
    folder: TempDir,
    cache: TempDir,
    placing: Placing,
}

impl Site {
    fn new(placing: Placing) -> Self {
        let (folder, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        Self {
            index: Self::index(&folder, &cache, placing),
            folder,
            cache,
            placing,
        }
    }

    fn index(folder: &TempDir, cache: &TempDir, placing: Placing) -> Index {
        let limits = Limits {
            members: 100,
            unpacked_bytes: 1 << 30,
            ratio: 200,
            metadata_bytes: 1 << 20,
        };
        let options = Options {
            limits,
            placing,
            rules: RULES,
            boards: BoardOptions::default(),
            settle: Duration::ZERO,
        };
        let store = Store::open(vec![folder.path().to_owned()]).unwrap();
        Index::new(store, Cache::open(cache.path()).unwrap(), options)
    }

    /// As after a restart of the server.
    fn restart(self) -> Self {
        self.index.flush();
        let Self {
            index,
            folder,
            cache,
            placing,
        } = self;
        drop(index);
        let site = Self {
            index: Self::index(&folder, &cache, placing),
            folder,
            cache,
            placing,
        };
        site.look();
        site
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn upload(&self, version: &str, summary: &str) -> Result<Outcome, PublishError> {
        self.upload_of("foo", version, summary)
    }

    fn upload_of(&self, name: &str, version: &str, summary: &str) -> Result<Outcome, PublishError> {
        let mut staged = self.index.store().stage().unwrap();
        staged.write(&sdist(name, version, summary)).unwrap();
        self.index.publish(Upload {
            staged,
            file_name: format!("{name}-{version}.tar.gz"),
            name: name.to_owned(),
            version: version.to_owned(),
            claimed: ClaimedDigests::default(),
            signature: None,
        })
    }

    fn look(&self) {
        self.index.refresh(Scope::All, Trust::Closed);
    }

    fn files(&self) -> Vec<String> {
        self.index.catalog().files().map(|file| file.path.to_string()).collect()
    }

    fn summary(&self, version: &str) -> String {
        let catalog = self.index.catalog();
        let project = catalog.project(&ProjectName::parse("foo").unwrap()).unwrap();
        project
            .release(&ReleaseVersion::parse(version).unwrap())
            .unwrap()
            .summary()
            .unwrap()
            .to_owned()
    }
}

fn sdist(name: &str, version: &str, summary: &str) -> Vec<u8> {
    let mut tarball = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut add = |path: String, content: &str| {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        tarball.append_data(&mut header, path, content.as_bytes()).unwrap();
    };
    let metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: {summary}\n");
    add(format!("{name}-{version}/PKG-INFO"), &metadata);
    add(format!("{name}-{version}/{name}.py"), "x = 1\n");
    tarball.into_inner().unwrap().finish().unwrap()
}

#[test]
fn an_upload_shows_at_once_and_again_after_a_restart() {
    let site = Site::new(Placing::New);
    assert!(matches!(site.upload("1.0", "one").unwrap(), Outcome::Published(_)));
    assert_eq!(
        (site.files(), site.summary("1.0")),
        (vec!["foo-1.0.tar.gz".to_owned()], "one".to_owned())
    );
    let before = site.index.catalog();
    site.look();
    assert!(
        Arc::ptr_eq(&before, &site.index.catalog()),
        "nothing changed, so nothing is replaced"
    );
}

#[test]
fn an_sdist_belongs_to_the_project_that_its_metadata_names() {
    let projects = |site: &Site| -> Vec<String> {
        let catalog = site.index.catalog();
        catalog.projects().map(|project| project.name().to_string()).collect()
    };
    let site = Site::new(Placing::New);
    // By its name alone, this is 1.post1 of `led`.
    site.upload_of("led-1", "1", "uploaded").unwrap();
    fs::create_dir(site.path().join("sub")).unwrap();
    fs::write(site.path().join("sub/fan-2-1.tar.gz"), sdist("fan-2", "1", "copied")).unwrap();
    fs::write(site.path().join("sub/cat-3-1.tar.gz"), sdist("cat", "3-1", "copied")).unwrap();
    site.look();
    let expected = ["cat", "fan-2", "led-1"];
    assert_eq!(projects(&site), expected);
    let site = site.restart();
    assert_eq!(projects(&site), expected);
    assert!(matches!(
        site.upload_of("led-1", "1", "uploaded").unwrap(),
        Outcome::Unchanged
    ));
    assert!(matches!(
        site.upload_of("fan-2", "1", "copied").unwrap(),
        Outcome::Unchanged
    ));
}

#[test]
fn of_namesakes_the_one_of_the_shallowest_folder_is_shown() {
    let site = Site::new(Placing::New);
    let folders = ["a", "b", "a/deep"];
    for folder in folders {
        fs::create_dir(site.path().join(folder)).unwrap();
        let path = site.path().join(folder).join("foo-1.0.tar.gz");
        fs::write(path, sdist("foo", "1.0", folder)).unwrap();
        site.look();
    }
    let shown = || {
        let catalog = site.index.catalog();
        let project = catalog.project(&ProjectName::parse("foo").unwrap()).unwrap();
        project.files().map(|file| file.path.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(site.files().len(), 3);
    assert_eq!(shown(), ["a/foo-1.0.tar.gz"]);
    fs::remove_file(site.path().join("a/foo-1.0.tar.gz")).unwrap();
    site.look();
    assert_eq!(shown(), ["b/foo-1.0.tar.gz"]);
    let removed = site.index.remove(&ProjectName::parse("foo").unwrap(), None).unwrap();
    assert_eq!(removed.len(), 2, "what was hidden does not come to light");
    assert_eq!(site.files().len(), 0);
}

#[test]
fn the_same_bytes_are_welcome_and_others_are_refused() {
    let site = Site::new(Placing::New);
    site.upload("1.0", "one").unwrap();
    assert!(matches!(site.upload("1.0", "one").unwrap(), Outcome::Unchanged));
    assert!(matches!(
        site.upload("1.0", "two").unwrap_err(),
        PublishError::Exists { .. }
    ));
    assert_eq!(site.summary("1.0"), "one");
    assert_eq!(
        fs::read_dir(site.path()).unwrap().count(),
        1,
        "a refused upload leaves nothing"
    );
}

#[test]
fn overwriting_replaces_a_file_where_it_lies_and_drops_its_signature() {
    let site = Site::new(Placing::Replace);
    fs::create_dir(site.path().join("sub")).unwrap();
    fs::write(site.path().join("sub/foo-1.0.tar.gz"), sdist("foo", "1.0", "one")).unwrap();
    fs::write(site.path().join("sub/foo-1.0.tar.gz.asc"), "signature").unwrap();
    site.look();
    site.upload("1.0", "two").unwrap();
    assert_eq!(
        (site.files(), site.summary("1.0")),
        (vec!["sub/foo-1.0.tar.gz".to_owned()], "two".to_owned())
    );
    assert!(!site.path().join("sub/foo-1.0.tar.gz.asc").exists());
}

#[test]
fn a_release_is_removed_with_its_sidecars() {
    let site = Site::new(Placing::New);
    site.upload("1.0", "one").unwrap();
    site.upload("2.0", "two").unwrap();
    fs::write(site.path().join("foo-1.0.tar.gz.yanked"), "broken").unwrap();
    let removed = site
        .index
        .remove(
            &ProjectName::parse("FOO").unwrap(),
            Some(&ReleaseVersion::parse("1").unwrap()),
        )
        .unwrap();
    assert_eq!(removed.len(), 1);
    assert_eq!(site.files(), ["foo-2.0.tar.gz"]);
    assert_eq!(fs::read_dir(site.path()).unwrap().count(), 1);
}

#[test]
fn half_a_file_is_not_shown_until_it_stays_as_it_is() {
    let site = Site::new(Placing::New);
    let whole = sdist("foo", "1.0", "one");
    let path = site.path().join("foo-1.0.tar.gz");
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    site.look();
    assert_eq!(site.files().len(), 0);
    assert!(site.index.unsettled().contains(&fs::canonicalize(&path).unwrap()));
    fs::write(&path, &whole).unwrap();
    site.look();
    assert_eq!(site.summary("1.0"), "one");
    assert!(site.index.unsettled().is_empty());
}

#[test]
fn a_broken_file_that_stays_is_listed_without_metadata() {
    let site = Site::new(Placing::New);
    fs::write(site.path().join("foo-1.0.tar.gz"), "no archive").unwrap();
    site.look();
    site.look();
    let catalog = site.index.catalog();
    let file = catalog.file("foo-1.0.tar.gz").unwrap();
    assert!(file.metadata.is_none() && file.defect.is_some());
}

#[test]
fn an_upload_inherits_nothing_from_an_earlier_file_of_its_name() {
    let site = Site::new(Placing::New);
    for ending in [".asc", ".yanked", ".metadata"] {
        fs::write(site.path().join(format!("foo-1.0.tar.gz{ending}")), "of another").unwrap();
    }
    site.upload("1.0", "one").unwrap();
    let site = site.restart();
    let catalog = site.index.catalog();
    let file = catalog.file("foo-1.0.tar.gz").unwrap();
    assert!(file.yanked.is_none() && !file.is_signed() && file.defect.is_none());
}

#[test]
fn another_spelling_is_the_same_file() {
    let site = Site::new(Placing::New);
    site.upload_of("foo-bar", "1.0", "one").unwrap();
    for (name, version) in [("Foo_Bar", "1.0"), ("foo.bar", "1.0.0")] {
        let refused = site.upload_of(name, version, "two").unwrap_err();
        assert!(refused.to_string().contains("foo-bar-1.0.tar.gz is here"), "{refused}");
    }
}

#[test]
fn a_folder_that_cannot_be_read_keeps_its_files_and_no_others() {
    let site = Site::new(Placing::New);
    let sub = site.path().join("sub");
    fs::create_dir(&sub).unwrap();
    fs::write(sub.join("foo-1.0.tar.gz"), sdist("foo", "1.0", "one")).unwrap();
    site.upload("2.0", "two").unwrap();
    site.look();
    give_up_roots_right_to_read();
    fs::set_permissions(&sub, Permissions::from_mode(0o000)).unwrap();
    fs::remove_file(site.path().join("foo-2.0.tar.gz")).unwrap();
    site.look();
    assert_eq!(site.files(), ["sub/foo-1.0.tar.gz"]);
    fs::set_permissions(&sub, Permissions::from_mode(0o755)).unwrap();
    fs::remove_file(sub.join("foo-1.0.tar.gz")).unwrap();
    site.look();
    assert_eq!(site.files().len(), 0);
}

/// Of this test's thread, so that modes count for it as for everybody.
fn give_up_roots_right_to_read() {
    let mut sets = capabilities(None).unwrap();
    sets.effective -= CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
    set_capabilities(None, sets).unwrap();
}

#[test]
fn a_file_whose_mode_is_mended_shows() {
    let site = Site::new(Placing::New);
    let path = site.path().join("foo-1.0.tar.gz");
    fs::write(&path, sdist("foo", "1.0", "one")).unwrap();
    give_up_roots_right_to_read();
    fs::set_permissions(&path, Permissions::from_mode(0o000)).unwrap();
    site.look();
    assert_eq!(site.files().len(), 0);
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    site.look();
    assert_eq!(site.files(), ["foo-1.0.tar.gz"]);
}

#[test]
fn what_nobody_closes_must_look_the_same_twice() {
    let site = Site::new(Placing::New);
    fs::write(site.path().join("foo-1.0.tar.gz"), sdist("foo", "1.0", "one")).unwrap();
    let poll = || site.index.refresh(Scope::All, Trust::SeenTwice);
    poll();
    assert_eq!(site.files().len(), 0);
    poll();
    assert_eq!(site.files(), ["foo-1.0.tar.gz"]);
}

#[test]
fn a_folder_that_goes_away_takes_its_files_along() {
    let site = Site::new(Placing::New);
    let sub = site.path().join("sub");
    fs::create_dir(&sub).unwrap();
    fs::write(sub.join("foo-1.0.tar.gz"), sdist("foo", "1.0", "one")).unwrap();
    site.look();
    assert_eq!(site.files(), ["sub/foo-1.0.tar.gz"]);
    fs::remove_dir_all(&sub).unwrap();
    let changed = [fs::canonicalize(site.path()).unwrap().join("sub")].into();
    site.index.refresh(Scope::Paths(changed), Trust::Closed);
    assert_eq!(site.files().len(), 0);
}

#[test]
fn a_yank_mark_shows_when_it_is_written() {
    let site = Site::new(Placing::New);
    site.upload("1.0", "one").unwrap();
    let mark = fs::canonicalize(site.path()).unwrap().join("foo-1.0.tar.gz.yanked");
    fs::write(&mark, "too hot\n").unwrap();
    site.index.refresh(Scope::Paths([mark].into()), Trust::Closed);
    assert_eq!(
        site.index.catalog().file("foo-1.0.tar.gz").unwrap().yanked.as_deref(),
        Some("too hot")
    );
}

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
        catalog.upip(project).fill("http://h:1"),
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
    let path = |board: &Board| {
        site.index
            .contents()
            .path(&board.files()[0].sha256, board.files()[0].size)
    };
    let board = site.index.board(&catalog, project, release).unwrap();
    // Of the right length, as a power cut may leave it.
    fs::write(path(&board), "......").unwrap();
    site.index.miss_content();
    site.index.tidy();
    let board = site.index.board(&catalog, project, release).unwrap();
    assert_eq!(fs::read(path(&board)).unwrap(), b"x = 1\n");
}

/// The release of this version, and what a board gets of it.
fn board(site: &Site, name: &str, version: &str) -> (Arc<Board>, String) {
    let catalog = site.index.catalog();
    let project = catalog.project_for_board(&ProjectName::parse(name).unwrap()).unwrap();
    let release = project.release(&ReleaseVersion::parse(version).unwrap()).unwrap();
    let board = site.index.board(&catalog, project, release).unwrap();
    (board, catalog.upip(project).fill("http://h:1"))
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
        site.index
            .contents()
            .path(&board.files()[0].sha256, board.files()[0].size)
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
    fs::write(site.path().join("baz-1.0.zip"), "no archive").unwrap();
    site.look();
    site.look();
    site.index.sweep();
    assert!(!shared.exists());
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
