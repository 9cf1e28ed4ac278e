//! Texts: file names, core metadata, the htpasswd file, the configuration.

use std::fs;
use std::iter;
use std::sync::LazyLock;

use micropypi::auth::Passwords;
use micropypi::config::{self, Flags};
use micropypi::dist::{CoreMetadata, DistFilename, ProjectName, ReleaseVersion};
use tempfile::TempDir;

use crate::seeds;

pub(crate) fn filename(input: &[u8]) {
    let Ok(file) = str::from_utf8(input) else {
        return;
    };
    let _ = ProjectName::parse(file);
    let _ = ReleaseVersion::parse(file);
    let Ok(filename) = DistFilename::parse(file) else {
        return;
    };
    assert_eq!(filename.as_str(), file);
    assert!(file.starts_with(filename.name()) && !file.contains(['/', '\\', '\0']));
    assert_eq!(
        ProjectName::parse(filename.project().as_str()).as_ref(),
        Ok(filename.project())
    );
    if let Ok(upload) = DistFilename::parse_upload(file, filename.project()) {
        assert_eq!(upload.project(), filename.project());
        assert!(upload.version().pep440().is_some() && upload.archive_format().is_some());
    }
}

pub(crate) fn filename_seeds() -> Vec<Vec<u8>> {
    seeds(&[
        "foo-1.0.tar.gz",
        "a-1-1.tar.gz",
        "foo_1-2.0.zip",
        "foo-1.0-dev-r123.tar.gz",
        "foo-0.2.0rc99+dev42.tar.gz",
        "Foo_Bar-1.0_1-2b-cp311.py3-none-any.whl",
        "foo-1.0.win32-py2.7.exe",
        "foo-1!1.0.post1.tar.bz2",
        "foo_bar-1.0-py2.7-linux-x86_64.egg",
        "foo-1.0.linux-x86_64.tar.gz",
        "foo-1.0.tgz",
        "foo.tar.xz",
        "..",
    ])
}

pub(crate) fn metadata(input: &[u8]) {
    static FILENAME: LazyLock<DistFilename> =
        LazyLock::new(|| DistFilename::parse("foo-1.0.tar.gz").expect("it is a file name"));
    let Ok(metadata) = CoreMetadata::parse(input) else {
        return;
    };
    assert!(!metadata.name.is_empty() && !metadata.version.is_empty());
    if metadata.agrees_with(&FILENAME).is_ok() {
        assert_eq!(ProjectName::parse(&metadata.name).as_ref(), Ok(FILENAME.project()));
    }
}

pub(crate) fn metadata_seeds() -> Vec<Vec<u8>> {
    seeds(&[
        "Metadata-Version: 2.4\nName: foo\nVersion: 1.0\nProject-URL: a, b\nClassifier: x\nRequires-Dist: y>=1; extra == 'z'\n\nbody\n",
        "Metadata-Version: 1.0\r\nName: foo\r\nVersion: 1.0\r\nDescription: a\r\n        b\r\n       |c\r\nLicense: UNKNOWN\r\n",
    ])
}

pub(crate) fn htpasswd(input: &[u8]) {
    let (passwords, errors) = Passwords::parse(input);
    let lines = input.split(|byte| *byte == b'\n').count();
    assert!(passwords.len() + errors.len() <= lines);
    for error in errors {
        assert!(!error.to_string().is_empty());
    }
}

pub(crate) fn htpasswd_seeds() -> Vec<Vec<u8>> {
    seeds(&[
        "alice:$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC\n# comment\n\nbob:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\r\n",
        "carol:$apr1$xxxxxxxx$dxHfLAsjHkDRmG83UXe8K0\ndave:rqXexS6ZhobKA\nno colon\n:\nx:$5$rounds=1000$salt$hash\n",
    ])
}

/// The configuration is read from a file, so that a mistake can be shown in its place.
pub(crate) fn config(input: &[u8]) {
    thread_local! {
        // What is static is never dropped, and the folder would stay.
        static FOLDER: TempDir = tempfile::tempdir().expect("a folder for the file");
    }
    let file = FOLDER.with(|folder| folder.path().join("config.toml"));
    fs::write(&file, input).expect("the folder is our own");
    if let Err(error) = config::load(Some(&file), Flags::default(), iter::empty()) {
        assert!(!error.to_string().is_empty());
    }
}

pub(crate) fn config_seeds() -> Vec<Vec<u8>> {
    seeds(&[
        include_str!("../../../packaging/config.toml"),
        "listen = [\"[::]:8089\"]\n[store]\npackages = [\"a\"]\nwatch = \"poll\"\n[auth]\nprotect = [\"update\"]\n",
        "lisen = 1\n[limits]\nunpack_ratio = -1\n[tls]\n[mdns]\nname = \"ä\"\n",
    ])
}
