//! Names that build tools write, names that lie in old folders, and names that are none.

use super::*;
use proptest::prelude::*;

fn project(name: &str) -> ProjectName {
    ProjectName::parse(name).unwrap()
}

fn parts(file: &str) -> (String, String, DistKind) {
    let filename = DistFilename::parse(file).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(filename.as_str(), file);
    (
        filename.name().to_owned(),
        filename.version().to_string(),
        filename.kind().clone(),
    )
}

#[test]
fn sdists_of_any_age_are_split() {
    let tar_gz = DistKind::Sdist(SdistFormat::TarGz);
    for (file, name, version) in [
        ("micropython_mdns-1.6.0.tar.gz", "micropython_mdns", "1.6.0"),
        (
            "micropython-umqtt.simple-1.3.4.tar.gz",
            "micropython-umqtt.simple",
            "1.3.4",
        ),
        ("foo-0.2.0rc99+dev42.tar.gz", "foo", "0.2.0rc99+dev42"),
        ("foo-bar-0.1.0rc1+dev1.tar.gz", "foo-bar", "0.1.0rc1+dev1"),
        ("foo-1.0-dev-r123.tar.gz", "foo", "1.0-dev-r123"),
        ("foo_1-2.0.tar.gz", "foo_1", "2.0"),
        ("foo-2d-1.0.tar.gz", "foo-2d", "1.0"),
        ("foo-1.0-1.tar.gz", "foo", "1.0-1"),
        ("a-1-1.tar.gz", "a-1", "1"),
        ("a-1.TAR.GZ", "a", "1"),
        ("a-1.tgz", "a", "1"),
        ("foo-v1.0.tar.gz", "foo", "v1.0"),
        ("foo-bar-latest.tar.gz", "foo-bar", "latest"),
        ("foo.bar-latest.tar.gz", "foo.bar", "latest"),
        ("foo-1!2.0.tar.gz", "foo", "1!2.0"),
    ] {
        assert_eq!(parts(file), (name.to_owned(), version.to_owned(), tar_gz.clone()));
    }
}

#[test]
fn other_archives_are_sdists_too() {
    for (file, format) in [
        ("foo_1-2.0.zip", SdistFormat::Zip),
        ("foo_1-2.0.tar.bz2", SdistFormat::TarBz2),
        ("foo_1-2.0.tar.xz", SdistFormat::TarXz),
        ("foo_1-2.0.tar", SdistFormat::Tar),
    ] {
        assert_eq!(
            parts(file),
            ("foo_1".to_owned(), "2.0".to_owned(), DistKind::Sdist(format))
        );
    }
}

#[test]
fn binary_kinds_of_old_lose_their_platform() {
    for (file, name, version) in [
        ("foo-1.0-py3.8.egg", "foo", "1.0"),
        ("foo_bar-1.0_rc1-py2.7-linux-x86_64.egg", "foo_bar", "1.0_rc1"),
        ("foo-1.0.win32-py2.7.exe", "foo", "1.0"),
        ("foo-1.0.win-amd64-py3.3.msi", "foo", "1.0"),
        ("foo-bar-1.0.win32.exe", "foo-bar", "1.0"),
        ("foo-1.0.linux-x86_64.tar.gz", "foo", "1.0"),
        ("foo-1.0.macosx-10.9-x86_64.tar.gz", "foo", "1.0"),
    ] {
        assert_eq!(parts(file), (name.to_owned(), version.to_owned(), DistKind::Egg));
        assert_eq!(DistFilename::parse(file).unwrap().archive_format(), None);
    }
}

#[test]
fn wheels_are_split() {
    let filename = DistFilename::parse("Foo_Bar-1.0_1-2b-cp311.py3-none-any.whl").unwrap();
    assert_eq!((filename.project().as_str(), filename.name()), ("foo-bar", "Foo_Bar"));
    assert_eq!(*filename.version(), ReleaseVersion::parse("1.0.post1").unwrap());
    let DistKind::Wheel(tags) = filename.kind() else {
        panic!("not a wheel: {filename:?}")
    };
    assert_eq!(
        (tags.build.as_deref(), &*tags.python, tags.is_pure()),
        (Some("2b"), "cp311.py3", true)
    );
    assert!(filename.is_wheel() && filename.archive_format() == Some(ArchiveFormat::Zip));
}

#[test]
fn wheels_with_odd_parts_are_refused() {
    for file in [
        "foo-1.0.whl",
        "foo-1.0-py3-none.whl",
        "foo-1.0-b-py3-none-any.whl",
        "foo-1.0-py3--any.whl",
        "a-b-c-1.0-py3-none-any.whl",
        "-1.0-py3-none-any.whl",
    ] {
        assert!(DistFilename::parse(file).is_err(), "{file}");
    }
    assert!(DistFilename::parse("foo-latest-py3-none-any.whl").is_ok());
    assert!(DistFilename::parse_upload("foo-latest-py3-none-any.whl", &project("foo")).is_err());
}

#[test]
fn what_is_no_distribution_is_refused_in_a_sentence() {
    let long = format!("{}-1.0.tar.gz", "a".repeat(300));
    for (file, word) in [
        ("..", "path"),
        ("../a-1.0.tar.gz", "path"),
        ("a/b-1.0.tar.gz", "path"),
        ("a\\b-1.0.tar.gz", "path"),
        ("a-1.0\0.tar.gz", "'\\0'"),
        ("a-1.0\n.tar.gz", "'\\n'"),
        ("naïve-1.0.tar.gz", "'ï'"),
        ("a 1-1.0.tar.gz", "' '"),
        (".a-1.0.tar.gz", "begin"),
        ("", "begin"),
        (&long, "311 bytes"),
        ("foo.tar.gz", "no version"),
        ("foo-1.0.rpm", "must end with"),
        ("foo-1.0.tar.gz.asc", "must end with"),
        ("foo-1.0-py3-none-any.whl.metadata", "must end with"),
        (".tar.gz", "begin"),
        ("a_-1.0.tar.gz", "project name"),
        ("a-.tar.gz", "version"),
    ] {
        let error = DistFilename::parse(file).unwrap_err();
        assert!(error.to_string().contains(word), "{file:?}: {error}");
        assert!(
            DistFilename::parse_upload(file, &project("a")).is_err(),
            "upload of {file:?}"
        );
    }
}

#[test]
fn knowing_the_project_decides() {
    for (name, version) in [("a", "1-1"), ("a-1", "1")] {
        let filename = DistFilename::parse_upload("a-1-1.tar.gz", &project(name)).unwrap();
        assert_eq!((filename.name(), filename.version().as_str()), (name, version));
    }
    let filename = DistFilename::parse_upload("My.Pkg-2-1.0.zip", &project("my-pkg-2")).unwrap();
    assert_eq!((filename.name(), filename.version().as_str()), ("My.Pkg-2", "1.0"));
}

#[test]
fn uploads_are_refused_with_the_reason() {
    let refusal = |file: &str| DistFilename::parse_upload(file, &project("foo")).unwrap_err();
    assert!(matches!(refusal("bar-1.0.tar.gz"), FilenameError::OtherProject { .. }));
    assert!(matches!(
        refusal("bar-1.0-py3-none-any.whl"),
        FilenameError::OtherProject { .. }
    ));
    assert!(matches!(
        refusal("foo-1.0-dev-r123.tar.gz"),
        FilenameError::Version { .. }
    ));
    assert!(matches!(refusal("foo-1.0-py3.8.egg"), FilenameError::OldKind(_)));
    assert!(matches!(refusal("foo-1.0.tgz"), FilenameError::OldKind(_)));
    assert!(matches!(refusal("foo-1.0.tar.bz2"), FilenameError::OldKind(_)));
    for file in ["foo-1.0.TAR.GZ", "foo-1.0.Zip", "foo-1.0-py3-none-any.WHL"] {
        assert!(matches!(refusal(file), FilenameError::UpperCase(_)), "{file}");
    }
    assert!(matches!(
        refusal("foo-1.0-x-py3-none-any.whl"),
        FilenameError::BuildTag { build, .. } if build == "x"
    ));
    assert!(matches!(refusal("foo-1.0-py3-none.whl"), FilenameError::Wheel(_)));
    assert!(matches!(refusal("foo-1.0.rpm"), FilenameError::Extension(_)));
}

const NAME: &str = "[A-Za-z][A-Za-z0-9]{0,5}([-._]?[A-Za-z0-9]{1,4}){0,2}";
const ESCAPED_NAME: &str = "[a-z][a-z0-9]{0,5}(_[a-z0-9]{1,4}){0,2}";
const VERSION: &str = "([1-9]!)?(0|[1-9][0-9]{0,3})(\\.(0|[1-9][0-9]{0,3})){0,3}((a|b|rc)[0-9]{1,2})?(\\.post[0-9])?(\\.dev[0-9]{1,2})?(\\+[a-z0-9]{1,4}(\\.[a-z0-9]{1,4})?)?";

proptest! {
    #[test]
    fn parse_never_panics(file in any::<String>()) {
        let _ = DistFilename::parse(&file);
        let _ = DistFilename::parse_upload(&file, &project("a"));
    }

    #[test]
    fn parse_never_panics_on_what_looks_right(file in "[a1é][-._+!a1vV/ ]{0,12}(\\.tar\\.gz|\\.zip|\\.whl|-py3-none-any\\.whl|\\.egg|\\.exe|)") {
        if let Ok(filename) = DistFilename::parse(&file) {
            prop_assert!(file.starts_with(filename.name()));
            prop_assert!(file.len() > filename.name().len() + filename.version().as_str().len());
        }
        let _ = DistFilename::parse_upload(&file, &project("a"));
    }

    #[test]
    fn sdists_of_today_round_trip(name in ESCAPED_NAME, version in VERSION, extension in "\\.tar\\.gz|\\.zip") {
        let file = format!("{name}-{version}{extension}");
        for filename in [DistFilename::parse(&file).unwrap(), DistFilename::parse_upload(&file, &project(&name)).unwrap()] {
            prop_assert_eq!((filename.name(), filename.version().as_str()), (name.as_str(), version.as_str()));
        }
    }

    #[test]
    fn sdists_of_any_spelling_round_trip_where_the_project_is_known(name in NAME, version in VERSION) {
        let file = format!("{name}-{version}.tar.gz");
        let filename = DistFilename::parse_upload(&file, &project(&name.to_uppercase())).unwrap();
        prop_assert_eq!((filename.name(), filename.version().as_str()), (name.as_str(), version.as_str()));
    }

    #[test]
    fn wheels_round_trip(name in ESCAPED_NAME, version in VERSION, build in "(-[0-9][a-z]?)?", tags in "(py3|cp311|py2\\.py3)-(none|cp311)-(any|linux_armv7l)") {
        let file = format!("{name}-{version}{build}-{tags}.whl");
        for filename in [DistFilename::parse(&file).unwrap(), DistFilename::parse_upload(&file, &project(&name)).unwrap()] {
            prop_assert_eq!((filename.name(), filename.version().as_str()), (name.as_str(), version.as_str()));
            prop_assert!(filename.is_wheel());
        }
    }
}
