//! Core metadata is found where it belongs, once.

use super::*;
use super::{gzip, header, raw_tar, tar_gz, zip};

const INFO: &[u8] = b"Metadata-Version: 2.1\nName: foo\nVersion: 1.0\n";

fn read(archive: Vec<u8>, file: &str) -> Result<Option<Vec<u8>>, ArchiveError> {
    read_core_metadata(Cursor::new(archive), &DistFilename::parse(file).unwrap(), &LIMITS)
}

fn read_sdist(members: &[(&str, &[u8])]) -> Result<Option<Vec<u8>>, ArchiveError> {
    let (tar, zip) = (
        read(tar_gz(members), "foo-1.0.tar.gz"),
        read(zip(members, deflated()), "foo-1.0.zip"),
    );
    assert_eq!(format!("{tar:?}"), format!("{zip:?}"), "both formats agree");
    tar
}

fn read_wheel(members: &[(&str, &[u8])]) -> Result<Option<Vec<u8>>, ArchiveError> {
    read(zip(members, deflated()), "Foo-1.0-py3-none-any.whl")
}

#[test]
fn an_sdist_has_its_metadata_at_the_top() {
    let nested: (&str, &[u8]) = ("foo-1.0/foo.egg-info/PKG-INFO", b"other");
    assert_eq!(
        read_sdist(&[nested, ("foo-1.0/PKG-INFO", INFO)]).unwrap().as_deref(),
        Some(INFO)
    );
    assert_eq!(read_sdist(&[nested, ("foo-1.0/foo.py", b"")]).unwrap(), None);
    assert_eq!(read_sdist(&[]).unwrap(), None);
}

#[test]
fn two_are_refused() {
    for second in ["foo-1.0/PKG-INFO", "bar-1.0/PKG-INFO"] {
        let tar = gzip(&raw_tar(&[
            (header("foo-1.0/PKG-INFO", EntryType::Regular, INFO.len() as u64), INFO),
            (header(second, EntryType::Regular, 0), b""),
        ]));
        let error = read(tar, "foo-1.0.tar.gz").unwrap_err();
        assert!(
            matches!(&error, ArchiveError::TwoMetadata { second: path, .. } if path == second),
            "{error}"
        );
    }
}

#[test]
fn a_wheel_has_its_metadata_in_the_fitting_dist_info() {
    for directory in ["foo-1.0.dist-info", "Foo-1.0.dist-info", "FOO-1.0.0.dist-info"] {
        let path = format!("{directory}/METADATA");
        let members: [(&str, &[u8]); 2] = [("vendored-2.dist-info/METADATA", b"other"), (&path, INFO)];
        assert_eq!(read_wheel(&members).unwrap().as_deref(), Some(INFO));
    }
}

#[test]
fn a_wheel_without_metadata_says_where_it_belongs() {
    let without = read_wheel(&[("foo.py", b"")]).unwrap_err();
    assert_eq!(without.to_string(), "the wheel has no Foo-1.0.dist-info/METADATA");
    let other = read_wheel(&[
        ("foo-2.0.dist-info/METADATA", INFO),
        ("x/foo-1.0.dist-info/METADATA", INFO),
    ])
    .unwrap_err();
    assert!(
        other
            .to_string()
            .ends_with(r#"only a "foo-2.0.dist-info/METADATA" that does not fit the file name"#),
        "{other}"
    );
}

#[test]
fn metadata_that_is_no_text_or_no_file_is_refused() {
    let not_utf8 = read_sdist(&[("foo-1.0/PKG-INFO", b"Name: caf\xe9\n")]).unwrap_err();
    assert!(matches!(not_utf8, ArchiveError::MetadataNotUtf8 { at: 9, .. }));
    let link = gzip(&raw_tar(&[(header("foo-1.0/PKG-INFO", EntryType::Symlink, 0), b"")]));
    assert!(matches!(
        read(link, "foo-1.0.tar.gz"),
        Err(ArchiveError::MetadataKind { .. })
    ));
}

#[test]
fn metadata_of_100_mb_is_refused() {
    let large = vec![b'a'; 100_000_000];
    let limits = Limits {
        unpacked_bytes: 1 << 30,
        ratio: 1_000_000,
        ..LIMITS
    };
    for (archive, file) in [
        (tar_gz(&[("foo-1.0/PKG-INFO", &large)]), "foo-1.0.tar.gz"),
        (
            zip(&[("foo-1.0.dist-info/METADATA", &large)], deflated()),
            "foo-1.0-py3-none-any.whl",
        ),
    ] {
        let error = read_core_metadata(Cursor::new(archive), &DistFilename::parse(file).unwrap(), &limits).unwrap_err();
        assert!(
            matches!(error, ArchiveError::MetadataTooLarge { limit, .. } if limit == 1 << 20),
            "{error}"
        );
    }
}

#[test]
fn kinds_of_old_are_never_opened() {
    assert_eq!(read(b"anything".to_vec(), "foo-1.0-py2.7.egg").unwrap(), None);
    assert_eq!(read(b"anything".to_vec(), "foo-1.0.tar.bz2").unwrap(), None);
}
