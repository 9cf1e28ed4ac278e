//! The use cases of the index over real directories. What looks at them find is in `tests/scan.rs`, what boards get in
//! `tests/boards.rs`.

use std::fs;
use std::path::Path;
use std::thread;

use tempfile::TempDir;

use super::*;
use crate::config::{Latest, Upip};
use crate::dist::{ClaimedDigests, tar_gz};
use crate::store::Needed;

mod boards;
mod scan;

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
    let metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: {summary}\n");
    let path = |file: &str| format!("{name}-{version}/{file}");
    tar_gz(&[
        (&path("PKG-INFO"), metadata.as_bytes()),
        (&path(&format!("{name}.py")), b"x = 1\n"),
    ])
}

#[test]
fn an_upload_shows_at_once_and_again_after_a_restart() {
    let site = Site::new(Placing::New);
    assert!(matches!(site.upload("1.0", "one").unwrap(), Outcome::Published));
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
fn what_was_copied_by_hand_a_moment_ago_shows_once_its_upload_is_answered() {
    let site = Site::new(Placing::New);
    fs::write(site.path().join("foo-1.0.tar.gz"), sdist("foo", "1.0", "one")).unwrap();
    assert!(matches!(site.upload("1.0", "one").unwrap(), Outcome::Unchanged));
    assert_eq!(site.files(), ["foo-1.0.tar.gz"]);
}

#[test]
fn what_was_removed_by_hand_a_moment_ago_is_in_nobodys_way() {
    let site = Site::new(Placing::New);
    for summary in ["one", "one", "two"] {
        assert!(matches!(site.upload("1.0", summary).unwrap(), Outcome::Published));
        assert_eq!(site.summary("1.0"), summary);
        fs::remove_file(site.path().join("foo-1.0.tar.gz")).unwrap();
    }
    let site = Site::new(Placing::Replace);
    let sub = site.path().join("sub");
    fs::create_dir(&sub).unwrap();
    fs::write(sub.join("foo-1.0.tar.gz"), sdist("foo", "1.0", "one")).unwrap();
    site.look();
    fs::remove_dir_all(&sub).unwrap();
    site.upload("1.0", "two").unwrap();
    assert_eq!(site.files(), ["foo-1.0.tar.gz"]);
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
fn core_metadata_that_the_cache_does_not_hold_is_read_from_the_file() {
    let site = Site::new(Placing::New);
    site.upload("1.0", "one").unwrap();
    let file = Arc::clone(site.index.catalog().file("foo-1.0.tar.gz").unwrap());
    site.index.flush();
    let nothing = Needed {
        is_file: &|_| false,
        derived: &HashSet::new(),
    };
    site.index.cache.sweep(&nothing).unwrap();
    let metadata = site.index.core_metadata(&file).unwrap().unwrap();
    assert!(String::from_utf8(metadata).unwrap().contains("Summary: one"));
    fs::remove_file(site.path().join("foo-1.0.tar.gz")).unwrap();
    assert_eq!(
        site.index.core_metadata(&file).unwrap(),
        None,
        "gone, and not known yet"
    );
}

#[test]
fn what_is_removed_by_hand_as_soon_as_it_is_there_was_published() {
    let site = Site::new(Placing::New);
    for version in 0..20 {
        let file = site.path().join(format!("foo-1.{version}.tar.gz"));
        thread::scope(|scope| {
            let upload = scope.spawn(|| site.upload(&format!("1.{version}"), "one"));
            while !upload.is_finished() {
                fs::remove_file(&file).ok();
            }
            upload.join().unwrap().unwrap();
        });
    }
}
