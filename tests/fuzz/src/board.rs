//! What a board gets: projects that are read as their backend would build them, and requirements on one another.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::{self, Cursor, Read};

use micropypi::board::{self, Candidate, Patterns, Pin, Requirement, Sink, Universe};
use micropypi::dist::{ContentId, DistFilename, Limits, ProjectName, ReleaseVersion};

use crate::archive::{block, gzip};
use crate::seeds;

const LIMITS: Limits = Limits {
    members: 100,
    unpacked_bytes: 1 << 20,
    ratio: 10_000,
    metadata_bytes: 1 << 16,
};

/// The files that tell how a project is built and what it requires, in the order in which an input holds them, with NUL
/// between them.
const EVIDENCE: [&str; 5] = [
    "pyproject.toml",
    "setup.cfg",
    "setup.py",
    "foo.egg-info/requires.txt",
    "foo.egg-info/top_level.txt",
];

const MEMBERS: [&str; 8] = [
    "foo.py",
    "foo/__init__.py",
    "foo/bar/a.py",
    "foo/data/a.bin",
    "src/foo/__init__.py",
    "lib/b.py",
    "docs/a.md",
    "tests/test_a.py",
];

/// Most releases in one input of `resolve`.
const MAX_RELEASES: usize = 16;

/// Keeps what names the contents only.
#[derive(Default)]
struct Kept(HashSet<ContentId>);

impl Sink for Kept {
    fn stage(&mut self, content: &mut dyn Read) -> io::Result<ContentId> {
        ContentId::of(content)
    }

    fn keep(&mut self, content: &ContentId) -> io::Result<()> {
        self.0.insert(*content);
        Ok(())
    }
}

/// Holds a view to paths that a board can take, to contents that are kept, and to requirements that can be resolved.
pub(crate) fn view(input: &[u8]) {
    let filename = DistFilename::parse("foo-1.0.tar.gz").expect("it is a file name");
    let texts = input.split(|byte| *byte == 0);
    let evidence = EVIDENCE.into_iter().zip(texts).filter(|(_, text)| !text.is_empty());
    let members = MEMBERS.map(|member| (member, member.as_bytes()));
    let tar = members
        .into_iter()
        .chain(evidence)
        .map(|(path, content)| block(&format!("foo-1.0/{path}"), b'0', content));
    let tar = [tar.collect::<Vec<_>>().concat(), vec![0; 1024]].concat();
    let mut kept = Kept::default();
    let patterns = Patterns::default();
    let archive = Cursor::new(gzip(&tar));
    let Ok(view) = board::view(archive, &filename, None, &LIMITS, &patterns, &mut kept) else {
        return;
    };
    let paths: BTreeSet<&str> = view.files.iter().map(|file| &*file.path).collect();
    assert_eq!(paths.len(), view.files.len());
    for file in &view.files {
        assert!(file.path.len() <= 98 && !file.path.starts_with('/') && kept.0.contains(&file.content));
        assert!(file.path.split('/').all(|part| !["", ".", ".."].contains(&part)));
    }
    let projects = view.requires.iter().map(|required| ProjectName::parse(&required.name));
    let projects: BTreeSet<_> = projects.map(|project| project.expect("it was read as one")).collect();
    assert!(projects.len() == view.requires.len() && projects.len() <= 256);
    assert!(view.notes.iter().all(|note| !note.is_empty() && note.len() < 10_000));
}

pub(crate) fn view_seeds() -> Vec<Vec<u8>> {
    seeds(&[
        "[build-system]\nbuild-backend = 'setuptools.build_meta'\n[tool.setuptools]\npackages = ['foo', 'foo.bar']\npackage-dir = { 'foo.bar' = 'lib' }\npackage-data = { foo = ['data/*'] }\n\0\0\0a>=1\n[:python_version < '3.8' and (os_name == 'nt' or sys_platform in 'rp2 esp32')]\nb~=1.0\n[x]\nc\n\0foo\n",
        "[tool.micropypi]\ninclude = ['docs/', '!*.md', '{a,{b,c}}']\nexclude = ['*.bin']\n\0[options]\npackages = find:\npackage_dir =\n    = src\n[options.packages.find]\nwhere = src\nexclude = foo.*\n[options.package_data]\n* = *.bin\n\0setup(py_modules=['foo'])\n",
        "[build-system]\nbuild-backend = 'hatchling.build'\n[project]\nname = 'foo'\ndependencies = ['a_ = 1', 'a[b_]', 'a; python_version >= \"3.8\"', 'b (>=1,!=2.*) ; extra == \"x\"', 'c @ http://x']\n[tool.hatch.build.targets.wheel]\npackages = ['src/foo']\nexclude = ['*.md', '!a.md']\nsources = { 'src' = 'z', '' = 'pre' }\nforce-include = { 'docs' = 'foo/docs' }\n",
        "[build-system]\nbuild-backend = 'poetry.core.masonry.api'\n[tool.poetry]\nname = 'foo'\npackages = [{ include = 'foo', from = 'src', to = 'to' }]\ninclude = [{ path = 'docs/*.md', format = 'wheel' }]\nexclude = ['**/*.bin']\n",
        "[build-system]\nbuild-backend = 'pdm.backend'\n[tool.pdm.build]\nincludes = ['foo/', 'lib/*.py']\nexcludes = ['foo/data']\n",
        "[build-system]\nbuild-backend = 'uv_build'\n[tool.uv.build-backend]\nmodule-name = ['foo', 'foo.bar']\nmodule-root = ''\nwheel-exclude = ['data']\n",
        "[build-system]\nbuild-backend = 'flit_core.buildapi'\n[tool.flit.module]\nname = 'docs'\n",
    ])
}

/// Releases as lines of `name version requirement; requirement`, where `!` in front means that it is yanked.
#[derive(Default)]
struct Shelf(BTreeMap<ProjectName, Vec<Candidate>>);

impl Shelf {
    fn read(text: &str) -> Self {
        let mut shelf = Self::default();
        for line in text.lines().take(MAX_RELEASES) {
            let mut words = line.trim_start_matches('!').splitn(3, ' ');
            let [name, version] = [words.next(), words.next()].map(Option::unwrap_or_default);
            let (Ok(name), Ok(version)) = (ProjectName::parse(name), ReleaseVersion::parse(version)) else {
                continue;
            };
            let releases = shelf.0.entry(name).or_default();
            if releases.iter().all(|release| release.version != version) {
                releases.push(Candidate {
                    version,
                    requires: words
                        .next()
                        .unwrap_or_default()
                        .split(';')
                        .filter_map(requirement)
                        .collect(),
                    yanked: line.starts_with('!'),
                });
            }
        }
        shelf
    }
}

impl Universe for Shelf {
    fn releases(&self, project: &ProjectName) -> Vec<Candidate> {
        self.0.get(project).cloned().unwrap_or_default()
    }
}

fn requirement(text: &str) -> Option<Requirement> {
    let (name, range) = text.split_at(text.find(['<', '>', '=', '!', '~']).unwrap_or(text.len()));
    Some(Requirement {
        name: name.trim().to_owned(),
        range: range.parse().ok()?,
    })
}

/// Holds pins to releases that are here, and to an end for whoever follows them.
pub(crate) fn resolve(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else {
        return;
    };
    let shelf = Shelf::read(text);
    let mut pins = BTreeMap::new();
    for (project, release) in shelf
        .0
        .iter()
        .flat_map(|(project, releases)| releases.iter().map(move |r| (project, r)))
    {
        let resolution = board::resolve(project, release, &shelf);
        for missing in &resolution.missing {
            let name = ProjectName::parse(&missing.name).expect("only names are missing");
            let names = [board::alias(&name), Some(name)];
            assert!(names.iter().flatten().all(|name| !shelf.0.contains_key(name)));
        }
        let pin = Pin {
            project: project.clone(),
            version: release.version.clone(),
        };
        pins.insert(pin, resolution.pins);
    }
    for pin in pins.keys() {
        follow(pin, &pins, &mut Vec::new(), &mut BTreeSet::new());
    }
}

fn follow<'a>(pin: &'a Pin, pins: &'a BTreeMap<Pin, Vec<Pin>>, way: &mut Vec<&'a Pin>, done: &mut BTreeSet<&'a Pin>) {
    assert!(!way.contains(&pin), "{way:?} leads back to {pin:?}");
    if !done.insert(pin) {
        return;
    }
    way.push(pin);
    for next in pins.get(pin).expect("only what is here is pinned") {
        follow(next, pins, way, done);
    }
    way.pop();
}

pub(crate) fn resolve_seeds() -> Vec<Vec<u8>> {
    seeds(&[
        "a 1 b>=2;c<2\nb 1 a\nb 2 c\nc 1\nc 2\n",
        "a 1 b\nb 1 c;x\nc 1 a;d\nd 1 a>=2\na 2 micropython-c\n",
        "!foo 1\nmicropython-foo 2 foo>=3\nbar 1 foo;micropython-foo==2\nbaz 1.0rc1 foo==1;bar!=2.*;umqtt.simple==1.5\n",
        "a 1 b;c\nb 1 d<2\nc 1 d>=2\nd 1\nd 2\nd 3+local a~=1.0\n",
    ])
}
