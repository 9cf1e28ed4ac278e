//! What looks at the directories find: copies that are not done, what cannot be read, what has gone.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

use super::*;
use crate::index::scan::Unread;
use crate::store::Look;

/// What may still be growing, and is looked at again.
fn unsettled(site: &Site) -> Vec<String> {
    let unsettled = site.index.observed.unsettled();
    unsettled.iter().map(ToString::to_string).collect()
}

#[test]
fn a_file_that_becomes_another_projects_leaves_nothing_behind() {
    let site = Site::new(Placing::New);
    let releases = |content: Vec<u8>| -> Vec<String> {
        fs::write(site.path().join("led-1-1.tar.gz"), content).unwrap();
        site.look();
        let catalog = site.index.catalog();
        let files = catalog
            .projects()
            .flat_map(|project| project.files().map(|file| (project.name(), file)));
        files
            .map(|(name, file)| format!("{name} {}", file.name.version()))
            .collect()
    };
    assert_eq!(releases(sdist("led-1", "1", "one")), ["led-1 1"]);
    assert_eq!(releases(sdist("led", "1-1", "two")), ["led 1-1"]);
    fs::remove_file(site.path().join("led-1-1.tar.gz")).unwrap();
    site.look();
    assert_eq!(site.index.catalog().project_count(), 0);
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
fn half_a_file_is_not_shown_until_it_stays_as_it_is() {
    let site = Site::new(Placing::New);
    let whole = sdist("foo", "1.0", "one");
    let path = site.path().join("foo-1.0.tar.gz");
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    site.look();
    assert_eq!(site.files().len(), 0);
    assert_eq!(unsettled(&site), ["foo-1.0.tar.gz"]);
    fs::write(&path, &whole).unwrap();
    site.look();
    assert_eq!(site.summary("1.0"), "one");
    assert!(unsettled(&site).is_empty());
}

#[test]
fn what_is_written_over_while_it_is_read_does_not_show_with_a_digest_of_both() {
    let site = Site::new(Placing::New);
    let path = fs::canonicalize(site.path()).unwrap().join("foo-1.0.tar.gz");
    fs::write(&path, sdist("foo", "1.0", "one")).unwrap();
    let Look::There(found) = site.index.store().look(&path) else {
        panic!()
    };
    fs::write(&path, sdist("foo", "1.0", "another")).unwrap();
    let unread = Unread {
        found: vec![found],
        trust: Trust::Closed,
    };
    assert!(site.index.read(unread, &|_| ()).is_empty());
    assert_eq!(unsettled(&site), ["foo-1.0.tar.gz"], "it is looked at again");
    site.look();
    assert_eq!(site.summary("1.0"), "another");
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

#[test]
fn a_link_that_leads_where_nobody_may_look_keeps_nothing_beside_it() {
    let site = Site::new(Placing::New);
    let locked = tempfile::tempdir().unwrap();
    fs::create_dir(locked.path().join("builds")).unwrap();
    fs::write(locked.path().join("builds/foo-1.0.tar.gz"), sdist("foo", "1.0", "one")).unwrap();
    symlink(locked.path().join("builds"), site.path().join("linked")).unwrap();
    symlink("circle", site.path().join("circle")).unwrap();
    site.upload("2.0", "two").unwrap();
    site.look();
    give_up_roots_right_to_read();
    fs::set_permissions(locked.path(), Permissions::from_mode(0o000)).unwrap();
    fs::remove_file(site.path().join("foo-2.0.tar.gz")).unwrap();
    site.look();
    assert_eq!(site.files(), ["linked/foo-1.0.tar.gz"]);
    fs::remove_file(site.path().join("linked")).unwrap();
    site.look();
    assert_eq!(site.files().len(), 0);
    fs::set_permissions(locked.path(), Permissions::from_mode(0o700)).unwrap();
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
fn core_metadata_that_nobody_closes_must_look_the_same_twice() {
    let site = Site::new(Placing::New);
    site.upload("1.0", "of the archive").unwrap();
    let sidecar = site.path().join("foo-1.0.tar.gz.metadata");
    let whole = "Metadata-Version: 2.1\nName: foo\nVersion: 1.0\nSummary: of the sidecar\n";
    let poll = || site.index.refresh(Scope::All, Trust::SeenTwice);
    fs::write(&sidecar, "of a copy that was given up").unwrap();
    poll();
    fs::remove_file(&sidecar).unwrap();
    poll();
    assert!(unsettled(&site).is_empty());
    for growing in [&whole[..60], whole] {
        fs::write(&sidecar, growing).unwrap();
        poll();
        assert_eq!(site.summary("1.0"), "of the archive", "{growing}");
    }
    poll();
    assert_eq!(site.summary("1.0"), "of the sidecar");
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
    let reason = |text: &[u8]| {
        fs::write(&mark, text).unwrap();
        site.index.refresh(Scope::Paths([mark.clone()].into()), Trust::Closed);
        site.index.catalog().file("foo-1.0.tar.gz").unwrap().yanked.clone()
    };
    assert_eq!(reason(b"too hot\n").as_deref(), Some("too hot"));
    // One that is too long is cut, between two characters.
    let long = "\u{fc}ber".repeat(2_000);
    let cut = reason(long.as_bytes()).unwrap();
    assert!(cut.len() > 4_000 && long.starts_with(&*cut), "{cut}");
    // As an editor writes it that does not know UTF-8.
    assert_eq!(
        reason(b"zu hei\xdf f\xfcr hier").as_deref(),
        Some("zu hei\u{fffd} f\u{fffd}r hier")
    );
}

#[test]
fn a_look_that_an_upload_and_its_removal_overtake_leaves_nothing_behind() {
    let site = Site::new(Placing::New);
    let survey = site.index.survey();
    fs::write(site.path().join("foo-1.0.tar.gz"), sdist("foo", "1.0", "one")).unwrap();
    let seen = site.index.changes(Scope::All, Trust::Closed, &|_| ());
    assert_eq!(seen.put.len(), 1);
    // What the request sees and does between the look and its end.
    fs::remove_file(site.path().join("foo-1.0.tar.gz")).unwrap();
    site.upload("1.0", "two").unwrap();
    site.index.remove(&ProjectName::parse("foo").unwrap(), None).unwrap();
    let again = site.index.conclude(&survey, seen).expect("a second look");
    assert_eq!(site.files().len(), 0);
    site.index.refresh(again, Trust::Closed);
    assert_eq!(site.files().len(), 0);
}
