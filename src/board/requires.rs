//! What a project requires on a board: names and ranges of its core metadata, with the markers evaluated for
//! MicroPython and the extras left out. (Source: PEP 508.) Called by `view.rs`; what it gives, `resolve.rs` pins.

use std::str::FromStr;
use std::sync::LazyLock;

use pep440_rs::VersionSpecifiers;
use pep508_rs::{MarkerEnvironment, MarkerEnvironmentBuilder, VerbatimUrl, VersionOrUrl};
use serde::{Deserialize, Serialize};

use super::project::{Project, strings, table};
use crate::dist::CoreMetadata;

/// A requirement that holds on a board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    /// The project's name as it is written: other indexes may know no other spelling.
    pub name: String,
    /// The versions that will do; empty: any.
    pub range: VersionSpecifiers,
}

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

/// A platform as the Python that MicroPython claims to be (`sys.version_info`), and as one of today: what only the old
/// one requires are backports of CPython's own modules, and no board can run them.
struct Board {
    claimed: MarkerEnvironment,
    modern: MarkerEnvironment,
}

static BOARDS: LazyLock<[Board; PLATFORMS.len()]> = LazyLock::new(|| {
    PLATFORMS.map(|platform| Board {
        claimed: environment(platform, "3.4", "3.4.0"),
        modern: environment(platform, "3.13", "3.13.0"),
    })
});

fn environment(sys_platform: &str, python_version: &str, python_full_version: &str) -> MarkerEnvironment {
    let builder = MarkerEnvironmentBuilder {
        implementation_name: "micropython",
        implementation_version: "1.26.0",
        os_name: "",
        platform_machine: "",
        platform_python_implementation: "MicroPython",
        platform_release: "",
        platform_system: "",
        platform_version: "",
        python_full_version,
        python_version,
        sys_platform,
    };
    MarkerEnvironment::try_from(builder).expect("the versions are legal")
}

/// From the core metadata, else from setuptools' `requires.txt`, else from `[project] dependencies`; with notes on what
/// was left out.
pub(super) fn read(metadata: Option<&CoreMetadata>, project: &Project) -> (Vec<Requirement>, Vec<String>) {
    let declared = metadata
        .map(|metadata| metadata.requires_dist.clone())
        .filter(|list| !list.is_empty());
    let lines = declared.or_else(|| Some(egg_info(project.egg_info_text("requires.txt")?)));
    let lines = lines.or_else(|| {
        Some(strings(
            table(&project.pyproject().ok()?, &["project"])?,
            "dependencies",
        ))
    });
    let mut notes = Vec::new();
    let mut requires: Vec<Requirement> = Vec::new();
    for line in lines.unwrap_or_default() {
        match requirement(&line) {
            Ok(Some((requirement, note))) => {
                requires.push(requirement);
                notes.extend(note);
            }
            Ok(None) => {}
            Err(note) => notes.push(note),
        }
    }
    (requires, notes)
}

/// The requirement if it holds on any board, with a note if it does not hold on all; or why it is left out.
fn requirement(line: &str) -> Result<Option<(Requirement, Option<String>)>, String> {
    let parsed = pep508_rs::Requirement::<VerbatimUrl>::from_str(line);
    let parsed = parsed.map_err(|_| format!("the requirement {line:?} cannot be read and is left out"))?;
    let holds = |environment| parsed.marker.evaluate(environment, &[]);
    let boards = BOARDS
        .iter()
        .filter(|board| holds(&board.claimed) && holds(&board.modern))
        .count();
    if boards == 0 {
        return match BOARDS.iter().any(|board| holds(&board.claimed)) {
            true => Err(format!("{line:?} is left out: it is for old versions of CPython only")),
            false => Ok(None),
        };
    }
    let range = match parsed.version_or_url {
        Some(VersionOrUrl::Url(_)) => {
            return Err(format!(
                "the requirement {line:?} is left out: a board cannot install from that address"
            ));
        }
        Some(VersionOrUrl::VersionSpecifier(range)) => range,
        None => VersionSpecifiers::empty(),
    };
    let note = (boards < BOARDS.len()).then(|| format!("{line:?} holds on some boards only, and is installed on all"));
    Ok(Some((
        Requirement {
            name: name_as_written(line).to_owned(),
            range,
        },
        note,
    )))
}

/// The name that a PEP 508 line begins with.
fn name_as_written(line: &str) -> &str {
    let line = line.trim_start();
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    line.find(|c| !is_part(c)).map_or(line, |end| &line[..end])
}

/// `requires.txt` as PEP 508 lines: a section is an extra, a marker, or both as `[extra:marker]`.
fn egg_info(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut section = Some(String::new());
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            Some(head) => section = head.strip_prefix(':').map(str::to_owned),
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
mod tests {
    use super::*;

    fn names(lines: &[&str]) -> (Vec<String>, usize) {
        let metadata = CoreMetadata {
            requires_dist: lines.iter().map(|line| (*line).to_owned()).collect(),
            ..metadata()
        };
        let (requires, notes) = read(Some(&metadata), &Project::default());
        (
            requires
                .iter()
                .map(|requirement| format!("{}{}", requirement.name, requirement.range))
                .collect(),
            notes.len(),
        )
    }

    fn metadata() -> CoreMetadata {
        CoreMetadata::parse(b"Metadata-Version: 2.1\nName: foo\nVersion: 1\n").unwrap()
    }

    #[test]
    fn markers_are_evaluated_for_micropython() {
        let lines = [
            "a ; implementation_name == 'micropython'",
            "b ; implementation_name == 'cpython'",
            "c (>=1.0,<2) ; sys_platform != 'win32'",
            "d ; sys_platform == 'linux'",
            "e ; extra == 'all'",
            "f ; platform_system == 'Windows' or os_name == 'nt'",
        ];
        assert_eq!(names(&lines), (vec!["a".to_owned(), "c>=1.0, <2".to_owned()], 0));
    }

    #[test]
    fn what_holds_on_some_boards_is_noted() {
        assert_eq!(names(&["a ; sys_platform == 'esp32'"]), (vec!["a".to_owned()], 1));
    }

    #[test]
    fn names_stay_as_they_are_written() {
        let lines = [" umqtt.simple>=1", "Foo_Bar[all]", "baz(==1)"];
        let written = ["umqtt.simple>=1", "Foo_Bar", "baz==1"].map(str::to_owned);
        assert_eq!(names(&lines), (written.into(), 0));
    }

    #[test]
    fn backports_for_old_pythons_are_left_out_and_noted() {
        let lines = [
            "typing-extensions; python_version < '3.10'",
            "tomli; python_full_version < '3.11.0a7'",
            "asyncio; python_version >= '3'",
            "pywin32; sys_platform == 'win32' and python_version < '3.10'",
        ];
        assert_eq!(names(&lines), (vec!["asyncio".to_owned()], 2));
    }

    #[test]
    fn what_cannot_be_installed_is_noted() {
        assert_eq!(names(&["a @ git+ssh://example.org/a", "!!"]), (Vec::new(), 2));
    }

    #[test]
    fn extras_of_requires_txt_are_left_out() {
        let mut project = Project::default();
        project.add("foo.egg-info/requires.txt");
        let text = "a>=1\nb\n\n[:implementation_name == \"micropython\"]\nc\n\n[:sys_platform == \"win32\"]\nd\n\n[extra]\ne\n";
        project.add_text("foo.egg-info/requires.txt", text.to_owned());
        let (requires, notes) = read(Some(&metadata()), &project);
        assert_eq!(
            requires
                .iter()
                .map(|requirement| &*requirement.name)
                .collect::<Vec<_>>(),
            ["a", "b", "c"]
        );
        assert!(notes.is_empty());
    }
}
