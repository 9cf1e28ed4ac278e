//! What a project requires on a board: names and ranges of its core metadata, with the markers evaluated for
//! MicroPython and the extras left out. (Source: PEP 508.) Called by `view/reading.rs`; what it gives, `resolve.rs`
//! pins.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::LazyLock;

use pep440_rs::{Version, VersionSpecifiers};
use serde::{Deserialize, Serialize};

use super::declared::{strings, table};
use super::marker::{Environment, Marker};
use super::source_tree::SourceTree;
use crate::dist::{CoreMetadata, ProjectName};

/// A requirement that holds on a board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    /// The project's name as it is written: other indexes may know no other spelling.
    pub name: String,
    /// The versions that will do; empty: any.
    pub range: VersionSpecifiers,
}

/// As a note names it.
impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.range.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{} {}", self.name, self.range)
        }
    }
}

/// Most bytes of a requirement. Uploads are anyone's, and what reads and resolves them takes time for each byte.
const MAX_LINE: usize = 4096;

/// Most lines that are looked at, most of them for extras that nobody asks for.
const MAX_LINES: usize = 2_000;

/// Most projects that a release requires, most conditions on the versions of one, and most notes on them.
const MAX_REQUIREMENTS: usize = 256;

/// Most characters of a requirement in a note.
const MAX_QUOTED: usize = 100;

/// What `sys.platform` says on the boards that MicroPython has ports for.
const PLATFORMS: [&str; 11] = [
    "esp32",
    "rp2",
    "pyboard",
    "esp8266",
    "samd",
    "nrf52",
    "mimxrt",
    "renesas-ra",
    "alif",
    "zephyr",
    "cc3200",
];

/// The minor version of the Python that requirements are read for. MicroPython claims to be 3.4 (`sys.version_info`), but who
/// writes `python_version >= "3.8"` names the oldest CPython that a project is tested on, and no board is meant to go without.
/// Some years ahead of CPython: what only its versions of today lack is a backport, whichever of them is the newest.
const MODERN: u64 = 20;

/// Pythons from the claimed one on: what only they require are backports of CPython's own modules, and no board can run them.
const OLD: RangeInclusive<u64> = 4..=MODERN - 1;

/// Each platform as the modern Python, and as all old ones.
static BOARDS: LazyLock<(Vec<Environment>, Vec<Environment>)> = LazyLock::new(|| {
    let platforms = |minor| PLATFORMS.map(|platform| environment(platform, minor));
    (platforms(MODERN).into(), OLD.flat_map(platforms).collect())
});

fn environment(sys_platform: &'static str, minor: u64) -> Environment {
    Environment {
        sys_platform,
        python: Version::new([3, minor]),
        implementation: Version::new([1, 26, 0]),
    }
}

/// From the core metadata, else from setuptools' `requires.txt`, else from `[project] dependencies`; with notes on what
/// was left out.
pub(super) fn read(metadata: Option<&CoreMetadata>, tree: &SourceTree) -> (Vec<Requirement>, Vec<String>) {
    let mut reading = Reading::default();
    let lines = lines(metadata, tree);
    for line in lines.iter().take(MAX_LINES) {
        reading.take(line);
    }
    if lines.len() > MAX_LINES {
        reading.note(format!(
            "of more than {MAX_LINES} lines of requirements the rest is left out"
        ));
    }
    (reading.requires, reading.notes)
}

fn lines(metadata: Option<&CoreMetadata>, tree: &SourceTree) -> Vec<String> {
    let declared = metadata
        .map(|metadata| metadata.requires_dist.clone())
        .filter(|list| !list.is_empty());
    let egg_info = || Some(egg_info(tree.egg_info_text("requires.txt")?));
    let dependencies = || Some(strings(table(&tree.pyproject().ok()?, &["project"])?, "dependencies"));
    declared.or_else(egg_info).or_else(dependencies).unwrap_or_default()
}

/// Requirements as they come by, those of one project put together.
#[derive(Default)]
struct Reading {
    requires: Vec<Requirement>,
    /// Where each project's requirement is.
    known: BTreeMap<ProjectName, usize>,
    notes: Vec<String>,
}

impl Reading {
    fn take(&mut self, line: &str) {
        match requirement(line) {
            Ok(Some((requirement, note))) => {
                self.add(requirement);
                if let Some(note) = note {
                    self.note(note);
                }
            }
            Ok(None) => {}
            Err(note) => self.note(note),
        }
    }

    fn add(&mut self, requirement: Requirement) {
        let Ok(project) = ProjectName::parse(&requirement.name) else {
            return;
        };
        let Some(known) = self.known.get(&project) else {
            return match self.requires.len() {
                ..MAX_REQUIREMENTS => {
                    self.known.insert(project, self.requires.len());
                    self.requires.push(requirement);
                }
                _ => self.note(format!(
                    "of more than {MAX_REQUIREMENTS} requirements the rest is left out"
                )),
            };
        };
        let known = &mut self.requires[*known];
        let new: Vec<_> = requirement
            .range
            .iter()
            .filter(|new| !known.range.iter().any(|old| old == *new))
            .collect();
        match known.range.len() + new.len() {
            ..=MAX_REQUIREMENTS => known.range = known.range.iter().chain(new).cloned().collect(),
            _ => self.note(too_many_conditions(&requirement.name)),
        }
    }

    fn note(&mut self, note: String) {
        if self.notes.len() < MAX_REQUIREMENTS && !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

/// The requirement if it holds on any board, with a note if it does not hold on all; or why it is left out.
fn requirement(line: &str) -> Result<Option<(Requirement, Option<String>)>, String> {
    let quoted = quoted(line);
    if line.len() > MAX_LINE {
        return Err(format!(
            "the requirement {quoted} is longer than {MAX_LINE} bytes and is left out"
        ));
    }
    let unreadable = || format!("the requirement {quoted} cannot be read and is left out");
    let (head, marker) = line
        .split_once(';')
        .map_or((line, None), |(head, marker)| (head, Some(marker)));
    let (name, constraint) = split_name(head).ok_or_else(unreadable)?;
    let range = if constraint.starts_with('@') {
        None
    } else {
        Some(range(constraint).ok_or_else(unreadable)?)
    };
    let marker = marker
        .map_or(Ok(Marker::Always(true)), Marker::parse)
        .map_err(|_| unreadable())?;
    let (modern, old) = &*BOARDS;
    let boards = modern.iter().filter(|board| marker.holds(board)).count();
    if boards == 0 {
        return if old.iter().any(|board| marker.holds(board)) {
            Err(format!("{quoted} is left out: it is for old versions of CPython only"))
        } else {
            Ok(None)
        };
    }
    let range = range
        .ok_or_else(|| format!("the requirement {quoted} is left out: a board cannot install from that address"))?;
    if range.len() > MAX_REQUIREMENTS {
        return Err(too_many_conditions(&quoted));
    }
    let note = (boards < modern.len()).then(|| format!("{quoted} holds on some boards only, and is installed on all"));
    let name = name.to_owned();
    Ok(Some((Requirement { name, range }, note)))
}

fn too_many_conditions(name: &str) -> String {
    format!("of more than {MAX_REQUIREMENTS} conditions on the version of {name} the rest is left out")
}

/// A requirement for a note.
fn quoted(line: &str) -> String {
    match line.char_indices().nth(MAX_QUOTED) {
        Some((end, _)) => format!("{:?}…", &line[..end]),
        None => format!("{line:?}"),
    }
}

/// The name that a PEP 508 line begins with, and what follows its extras, which boards do not know. None where it is no name.
fn split_name(head: &str) -> Option<(&str, &str)> {
    let head = head.trim();
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let (name, rest) = head.split_at(head.find(|c| !is_part(c)).unwrap_or(head.len()));
    ProjectName::parse(name).ok()?;
    let rest = rest.trim_start();
    match rest.strip_prefix('[') {
        Some(extras) => Some((name, extras.split_once(']')?.1.trim_start())),
        None => Some((name, rest)),
    }
}

/// The versions that a PEP 508 line names, with or without parentheses; a comma may follow the last.
fn range(constraint: &str) -> Option<VersionSpecifiers> {
    let inside = match constraint.strip_prefix('(') {
        Some(rest) => rest.strip_suffix(')')?.trim(),
        None => constraint,
    };
    VersionSpecifiers::from_str(inside.strip_suffix(',').unwrap_or(inside)).ok()
}

/// `requires.txt` as PEP 508 lines: a section is an extra, a marker, or both as `[extra:marker]`.
fn egg_info(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut section = Some(String::new());
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if lines.len() > MAX_LINES {
            break;
        }
        match line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            // Each line gets a copy, so one that is too long is cut, and still too long.
            Some(head) => section = head.strip_prefix(':').map(|head| head.chars().take(MAX_LINE).collect()),
            None => match section.as_deref() {
                Some("") => lines.push(line.to_owned()),
                Some(marker) => lines.push(format!("{line} ; {marker}")),
                None => {}
            },
        }
    }
    lines
}

#[cfg(test)]
mod tests;
