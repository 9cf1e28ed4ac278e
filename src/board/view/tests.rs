use std::collections::BTreeMap;
use std::io::Cursor;

use ::zip::write::SimpleFileOptions;

use super::*;
use crate::dist::{ContentId, tar_gz};

/// A cache in memory.
#[derive(Default)]
struct Shelf {
    staged: BTreeMap<[u8; 32], Vec<u8>>,
    kept: BTreeMap<[u8; 32], Vec<u8>>,
}

impl Sink for Shelf {
    fn stage(&mut self, content: &mut dyn Read) -> io::Result<ContentId> {
        let mut bytes = Vec::new();
        let content = ContentId::of_copied(content, &mut bytes)?;
        self.staged.insert(content.sha256, bytes);
        Ok(content)
    }

    fn keep(&mut self, content: &ContentId) -> io::Result<()> {
        self.kept.insert(content.sha256, self.staged[&content.sha256].clone());
        Ok(())
    }
}

fn limits() -> Limits {
    Limits {
        members: 1_000,
        unpacked_bytes: 1 << 20,
        ratio: 1_000,
        metadata_bytes: 1 << 16,
    }
}

fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    dist::zip(members, SimpleFileOptions::default())
}

fn view_of(file: &str, bytes: Vec<u8>, patterns: &Patterns) -> (View, Shelf) {
    let mut shelf = Shelf::default();
    let filename = DistFilename::parse(file).unwrap();
    let view = view(Cursor::new(bytes), &filename, None, &limits(), patterns, &mut shelf).unwrap();
    (view, shelf)
}

fn paths(files: &[BoardFile]) -> Vec<&str> {
    files.iter().map(|file| &*file.path).collect()
}

fn owned(patterns: &[&str]) -> Vec<String> {
    patterns.iter().map(|pattern| (*pattern).to_owned()).collect()
}

#[test]
fn a_classic_sdist_gives_what_upip_unpacked() {
    let bytes = tar_gz(&[
        ("foo-1.0/foo.py", b"x = 1"),
        ("foo-1.0/LICENSE", b""),
        ("foo-1.0/setup.py", b"setup()"),
        ("foo-1.0/foo.egg-info/requires.txt", b"bar==1.0\n[extra]\nbaz\n"),
    ]);
    let (view, shelf) = view_of("foo-1.0.tar.gz", bytes, &Patterns::default());
    assert_eq!(paths(&view.files), ["foo.py"]);
    assert_eq!(shelf.kept.values().collect::<Vec<_>>(), [b"x = 1"]);
    assert_eq!(
        (view.files[0].content.size, shelf.kept.keys().next()),
        (5, Some(&view.files[0].content.sha256))
    );
    assert_eq!(
        view.requires
            .iter()
            .map(|requirement| &*requirement.name)
            .collect::<Vec<_>>(),
        ["bar"]
    );
    assert!(view.refused.is_empty());
}

/// Anybody may upload, and anybody may ask for the page that shows the notes.
#[test]
fn notes_are_few_and_short() {
    let names = |start: &str| -> Vec<String> { (0..300).map(|n| format!("{start}{n}")).collect() };
    let wheel = |names: &[String]| {
        let members: Vec<(&str, &[u8])> = names.iter().map(|name| (&**name, &b""[..])).collect();
        view_of("foo-1.0-py3-none-any.whl", zip(&members), &Patterns::default()).0
    };
    let many = wheel(&names("foo?")).notes;
    assert_eq!(many.len(), 257);
    assert_eq!(many[256], "and 44 more notes");
    let long = &wheel(&names("README")).notes[0];
    assert!(long.starts_with("left out, as tests") && long.ends_with('…') && long.chars().count() == 1_001);
}

#[test]
fn what_macos_leaves_behind_is_not_there() {
    let pyproject = b"[build-system]\nbuild-backend = 'setuptools.build_meta'\n[project]\nname = 'foo'";
    let bytes = tar_gz(&[
        ("._foo-1.0", b""),
        ("foo-1.0/._foo.py", b""),
        ("foo-1.0/foo.py", b"x = 1"),
        ("foo-1.0/.DS_Store", b""),
        ("foo-1.0/._pyproject.toml", b""),
        ("foo-1.0/pyproject.toml", pyproject),
    ]);
    let (view, _) = view_of("foo-1.0.tar.gz", bytes, &Patterns::default());
    assert_eq!((paths(&view.files), view.notes.len()), (vec!["foo.py"], 0));
}

#[test]
fn only_what_is_in_the_view_is_kept() {
    let bytes = tar_gz(&[("foo-1.0/foo.py", b"x"), ("foo-1.0/Makefile", b"all:")]);
    let (_, shelf) = view_of("foo-1.0.tar.gz", bytes, &Patterns::default());
    assert_eq!((shelf.staged.len(), shelf.kept.len()), (2, 1));
}

#[test]
fn a_wheel_is_what_it_installs() {
    let bytes = zip(&[
        ("foo/__init__.py", b""),
        ("foo/data.json", b"{}"),
        ("tests/test_foo.py", b""),
        ("foo-1.0.dist-info/METADATA", b"Metadata-Version: 2.1"),
    ]);
    let (view, _) = view_of("foo-1.0-py3-none-any.whl", bytes, &Patterns::default());
    assert_eq!(paths(&view.files), ["foo/__init__.py", "foo/data.json"]);
    assert_eq!(view.notes, ["left out, as tests, documents or files of tools: tests"]);
}

#[test]
fn included_leftovers_are_read_a_second_time() {
    let members: [(&str, &[u8]); 3] = [
        ("foo-1.0/docs/help.txt", b"help"),
        ("foo-1.0/foo.py", b"x"),
        (
            "foo-1.0/pyproject.toml",
            b"[tool.micropypi]\ninclude = ['docs/']\nexclude = ['foo.py']",
        ),
    ];
    let (view, shelf) = view_of("foo-1.0.tar.gz", tar_gz(&members), &Patterns::default());
    assert_eq!(paths(&view.files), ["docs/help.txt"]);
    assert_eq!(shelf.kept.values().collect::<Vec<_>>(), [b"help"]);
}

#[test]
fn the_servers_patterns_count_too() {
    let bytes = tar_gz(&[("foo-1.0/foo.py", b"x"), ("foo-1.0/bar.py", b"y")]);
    let (view, _) = view_of(
        "foo-1.0.tar.gz",
        bytes,
        &Patterns::new(&[], &owned(&["bar.py"])).unwrap(),
    );
    assert_eq!(paths(&view.files), ["foo.py"]);
}

#[test]
fn broken_project_patterns_are_noted() {
    let bytes = tar_gz(&[
        ("foo-1.0/foo.py", b"x"),
        ("foo-1.0/pyproject.toml", b"[tool.micropypi]\ninclude = ['a[']"),
    ]);
    let (view, _) = view_of("foo-1.0.tar.gz", bytes, &Patterns::default());
    assert_eq!(paths(&view.files), ["foo.py"]);
    assert!(
        view.notes
            .contains(&"[tool.micropypi] does not count: the pattern \"a[\" cannot be read".to_owned())
    );
}

#[test]
fn bottomless_project_patterns_are_noted() {
    let pyproject = format!(
        "[tool.micropypi]\ninclude = ['{}{}']",
        "{".repeat(2_000),
        "}".repeat(2_000)
    );
    let bytes = tar_gz(&[
        ("foo-1.0/foo.py", b"x"),
        ("foo-1.0/pyproject.toml", pyproject.as_bytes()),
    ]);
    let (view, _) = view_of("foo-1.0.tar.gz", bytes, &Patterns::default());
    assert_eq!(paths(&view.files), ["foo.py"]);
    assert_eq!(
        view.notes,
        ["[tool.micropypi] does not count: a pattern has more than 32 braces"]
    );
}

#[test]
fn a_pattern_that_matches_nothing_is_noted() {
    let pyproject = "[tool.micropypi]\ninclude = ['fonts/', 'docs/', '*.bin', 'foo.py']"
        .parse()
        .unwrap();
    let patterns = Patterns::default().with_project(&pyproject).unwrap();
    let bytes = zip(&[("foo.py", b""), ("docs/a.txt", b"")]);
    let (view, _) = view_of("foo-1.0-py3-none-any.whl", bytes, &patterns);
    assert_eq!(paths(&view.files), ["docs/a.txt", "foo.py"]);
    assert_eq!(
        view.notes,
        ["nothing in this file matches \"fonts/\", \"*.bin\", which [tool.micropypi] includes"]
    );
}

#[test]
fn bytecode_stands_for_its_source() {
    let bytes = tar_gz(&[
        ("foo-1.0/a.py", b""),
        ("foo-1.0/a.mpy", b"M\x06\x00\x1f"),
        ("foo-1.0/b.mpy", b"M\x06\x00\x1f"),
        ("foo-1.0/old.mpy", b"M\x05\x00\x1f"),
        ("foo-1.0/c.py", b""),
        ("foo-1.0/c.mpy", b"M\x06\x14\x1f"),
    ]);
    let (view, _) = view_of("foo-1.0.tar.gz", bytes, &Patterns::default());
    assert_eq!(paths(&view.files), ["a.py", "b.mpy", "c.py"]);
    let six: Vec<_> = view.files_as(Code::Bytecode).iter().map(|file| &*file.path).collect();
    assert_eq!(six, ["a.mpy", "b.mpy", "c.py"]);
    assert_eq!(
        view.to_compile().iter().map(|file| &*file.path).collect::<Vec<_>>(),
        ["c.py"]
    );
    assert_eq!(view.notes.len(), 2);
}

#[test]
fn links_in_the_package_are_refused() {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    header.set_entry_type(tar::EntryType::Symlink);
    for path in ["foo-1.0/foo.py", "foo-1.0/docs/a.md"] {
        tar.append_link(&mut header, path, "elsewhere").unwrap();
    }
    let bytes = tar.into_inner().unwrap().finish().unwrap();
    let (view, _) = view_of("foo-1.0.tar.gz", bytes, &Patterns::default());
    assert_eq!(view.refused.len(), 1);
    assert_eq!(
        view.refused[0].to_string(),
        "foo.py cannot be installed on a board: it is a link, and a board's file system has none"
    );
    assert_eq!(
        view.notes.last().unwrap(),
        "there is nothing in it that a board could import"
    );
}

#[test]
fn pyproject_is_found_in_an_sdist() {
    let bytes = tar_gz(&[
        ("foo-1.0/foo/pyproject.toml", b"x = 1"),
        ("foo-1.0/pyproject.toml", b"y = 2"),
    ]);
    let found = read_pyproject(
        Cursor::new(bytes),
        &DistFilename::parse("foo-1.0.tar.gz").unwrap(),
        &limits(),
    );
    assert!(found.unwrap().unwrap().contains_key("y"));
}

#[test]
fn pure_wheels_go_before_sdists_and_platform_wheels_never() {
    let files = [
        "a-1.tar.gz",
        "a-1.zip",
        "a-1-py3-none-any.whl",
        "a-1-py2-none-any.whl",
        "a-1-cp311-cp311-linux_x86_64.whl",
    ];
    let files = files.map(|file| DistFilename::parse(file).unwrap());
    let chosen = |range: &[DistFilename]| choose(range).map(|file| file.as_str().to_owned());
    assert_eq!(chosen(&files).unwrap(), "a-1-py3-none-any.whl");
    assert_eq!(chosen(&files[..2]).unwrap(), "a-1.tar.gz");
    assert_eq!(chosen(&files[4..]), None);
}

/// As pip chooses.
#[test]
fn the_latest_build_describes_a_release() {
    let chosen = |files: &[&str]| {
        let files: Vec<_> = files.iter().map(|file| DistFilename::parse(file).unwrap()).collect();
        choose(&files).map(|file| file.as_str().to_owned()).unwrap()
    };
    let builds =
        ["py3", "1-py3", "9-py3", "0010a-py3", "10-py3", "py2.py3"].map(|tags| format!("a-1-{tags}-none-any.whl"));
    let builds = builds.each_ref().map(String::as_str);
    assert_eq!(chosen(&builds), "a-1-0010a-py3-none-any.whl");
    assert_eq!(chosen(&builds[..3]), "a-1-9-py3-none-any.whl");
    assert_eq!(chosen(&["a-1-7-py2-none-any.whl", "a-1.zip"]), "a-1.zip");
    assert_eq!(
        chosen(&["a-1.tar.gz", "a-1-cp311-none-any.whl"]),
        "a-1-cp311-none-any.whl"
    );
}

/// A few megabytes hold so many paths that all of them would fill the memory.
#[test]
fn of_endless_paths_the_rest_is_left_out() {
    let folder = "d".repeat(4_000);
    let paths: Vec<_> = (0..3_000).map(|at| format!("foo-1/{folder}/{at}.py")).collect();
    let mut members: Vec<(&str, &[u8])> = vec![("foo-1/foo.py", b"")];
    members.extend(paths.iter().map(|path| (path.as_str(), &b""[..])));
    let limits = Limits {
        members: 4_000,
        unpacked_bytes: 64 << 20,
        ..limits()
    };
    let filename = DistFilename::parse("foo-1.tar.gz").unwrap();
    let archive = Cursor::new(tar_gz(&members));
    let mut shelf = Shelf::default();
    let view = view(archive, &filename, None, &limits, &Patterns::default(), &mut shelf).unwrap();
    assert_eq!(view.files.len(), 1);
    assert!((2_000..2_100).contains(&view.refused.len()));
    assert!(
        view.notes.iter().any(|note| note.starts_with("of paths of more than")),
        "{:?}",
        view.notes
    );
}
