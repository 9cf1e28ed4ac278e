//! From a layout to the files that a board gets: leftovers, patterns, and what a board cannot take. Called by
//! `view/reading.rs`.

use std::collections::{BTreeMap, BTreeSet};

use super::layout::{Layout, MAX_FILES, module_name};
use super::path;
use super::patterns::Patterns;
use super::view::Refusal;

/// The files of a view before their content is looked at.
#[derive(Debug, Default)]
pub(super) struct Selection {
    /// Path on the board → path of the member.
    pub(super) files: BTreeMap<String, String>,
    pub(super) refused: Vec<Refusal>,
    pub(super) notes: Vec<String>,
}

/// Members that are links, and all members by the path on the board that an include pattern would give them.
pub(super) struct Members<'a> {
    pub(super) links: &'a BTreeSet<String>,
    pub(super) includable: Vec<(&'a str, &'a str)>,
}

pub(super) fn select(layout: Layout, members: &Members<'_>, patterns: &Patterns, project: &str) -> Selection {
    let mut selection = Selection {
        notes: [&layout.notes, patterns.mistakes()].concat(),
        ..Selection::default()
    };
    if layout.is_full {
        selection
            .notes
            .push(format!("of more than {MAX_FILES} files the rest is left out"));
    }
    selection.notes.extend(note_of_idle(&layout, members, patterns));
    let included = members
        .includable
        .iter()
        .filter(|(target, _)| patterns.includes(target));
    let included = included.map(|(target, member)| ((*target).to_owned(), (*member).to_owned()));
    let mut leftovers = Vec::new();
    for (target, member) in included.chain(layout.files) {
        if path::is_litter(&target) || patterns.excludes(&target) {
            continue;
        }
        if is_left(&target, patterns, project) {
            leftovers.push((target, member));
        } else {
            selection.take(target, member, members.links);
        }
    }
    selection.sort_out(leftovers, members.links);
    selection.refuse_files_for_folders();
    selection.note_collisions();
    selection
}

/// What the project includes, and what is not there.
fn note_of_idle(layout: &Layout, members: &Members<'_>, patterns: &Patterns) -> Option<String> {
    let paths = members.includable.iter().map(|(target, _)| *target);
    let idle = patterns.idle(paths.chain(layout.files.keys().map(String::as_str)));
    let idle: Vec<String> = idle.map(|pattern| format!("{pattern:?}")).collect();
    let note = || {
        format!(
            "nothing in this file matches {}, which [tool.micropypi] includes",
            idle.join(", ")
        )
    };
    (!idle.is_empty()).then(note)
}

/// A project may be called `tests` or `speed-test` itself; upip's own exceptions cannot be argued with.
fn is_left(target: &str, patterns: &Patterns, project: &str) -> bool {
    let top = top(target);
    let stem = top.strip_suffix(".py").or_else(|| top.strip_suffix(".mpy"));
    let is_own = (target.contains('/') || stem.is_some()) && module_name(stem.unwrap_or(top)) == module_name(project);
    path::is_skipped_by_upip(target) || (path::is_leftover(target) && !is_own && !patterns.includes(target))
}

fn top(path: &str) -> &str {
    path.split('/').next().unwrap_or(path)
}

impl Selection {
    fn take(&mut self, target: String, member: String, links: &BTreeSet<String>) {
        let reason = if links.contains(&member) {
            Err("it is a link, and a board's file system has none".to_owned())
        } else {
            path::check(&target)
        };
        if let Err(reason) = reason {
            self.refused.push(Refusal { path: target, reason });
            return;
        }
        if let Some(warning) = path::warning(&target) {
            self.notes.push(format!("{target}: {warning}"));
        }
        self.files.entry(target).or_insert(member);
    }

    /// Leftovers stay behind, unless what looks like tests or documents is all that there is to import.
    fn sort_out(&mut self, leftovers: Vec<(String, String)>, links: &BTreeSet<String>) {
        let targets = leftovers.iter().map(|(target, _)| target.as_str());
        let modules = targets.filter(|target| path::is_module(target) && !path::is_skipped_by_upip(target));
        let importable: BTreeSet<String> = if self.files.is_empty() && self.refused.is_empty() {
            modules.map(|target| top(target).to_owned()).collect()
        } else {
            BTreeSet::new()
        };
        let is_kept = |target: &str| importable.contains(top(target)) && !path::is_skipped_by_upip(target);
        let (kept, left): (Vec<_>, Vec<_>) = leftovers.into_iter().partition(|(target, _)| is_kept(target));
        for (target, member) in kept {
            self.take(target, member, links);
        }
        let names: BTreeSet<&str> = left.iter().map(|(target, _)| top(target)).collect();
        if !names.is_empty() {
            let names = names.into_iter().collect::<Vec<_>>().join(", ");
            self.notes
                .push(format!("left out, as tests, documents or files of tools: {names}"));
        }
    }

    /// A file that lies where another path needs a folder cannot be written.
    fn refuse_files_for_folders(&mut self) {
        let needed = |path: &String| Some((path.clone(), below(&self.files, path)?.0.clone()));
        let blocked: Vec<_> = self.files.keys().filter_map(needed).collect();
        for (path, inner) in blocked {
            self.files.remove(&path);
            let reason = format!("{inner} needs a folder of that name");
            self.refused.push(Refusal { path, reason });
        }
    }

    /// FAT knows no case: of two names that differ in it alone, the second overwrites the first, or finds a file where it
    /// needs a folder.
    fn note_collisions(&mut self) {
        let mut seen: BTreeMap<String, &str> = BTreeMap::new();
        let mut notes = Vec::new();
        for path in self.files.keys() {
            if let Some(first) = seen.insert(path.to_lowercase(), path) {
                notes.push(format!("{path} and {first} are one file on a FAT file system"));
            }
        }
        for (folded, path) in &seen {
            if let Some((_, inner)) = below(&seen, folded) {
                notes.push(format!("{path} is where {inner} needs a folder, on a FAT file system"));
            }
        }
        self.notes.extend(notes);
    }
}

/// The first path that needs a folder of this name.
fn below<'a, T>(paths: &'a BTreeMap<String, T>, folder: &str) -> Option<(&'a String, &'a T)> {
    let start = format!("{folder}/");
    paths
        .range(start.clone()..)
        .next()
        .filter(|(path, _)| path.starts_with(&start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(targets: &[&str], links: &[&str], patterns: &Patterns) -> Selection {
        selected_of("foo", targets, links, patterns)
    }

    fn selected_of(project: &str, targets: &[&str], links: &[&str], patterns: &Patterns) -> Selection {
        let layout = Layout {
            files: targets
                .iter()
                .map(|path| ((*path).to_owned(), (*path).to_owned()))
                .collect(),
            ..Layout::default()
        };
        let links = links.iter().map(|path| (*path).to_owned()).collect();
        select(
            layout,
            &Members {
                links: &links,
                includable: vec![("tests/data.py", "tests/data.py")],
            },
            patterns,
            project,
        )
    }

    fn kept(project: &str, targets: &[&str]) -> Vec<String> {
        let selection = selected_of(project, targets, &[], &Patterns::default());
        selection.files.into_keys().collect()
    }

    #[test]
    fn what_bears_the_projects_name_is_no_leftover() {
        assert_eq!(kept("speed-test", &["speed_test.py", "test_it.py"]), ["speed_test.py"]);
        assert_eq!(kept("examples", &["Examples/a.py", "tests/b.py"]), ["Examples/a.py"]);
        assert_eq!(
            kept("speed-test", &["speed_test.mpy", "a.py"]),
            ["a.py", "speed_test.mpy"]
        );
    }

    #[test]
    fn leftovers_are_kept_where_there_is_nothing_else() {
        assert_eq!(
            kept("board-docs", &["docs/__init__.py", "docs/a.json", "LICENSE"]),
            ["docs/__init__.py", "docs/a.json"]
        );
        assert_eq!(kept("board-check", &["test_board.py", "setup.py"]), ["test_board.py"]);
        assert_eq!(
            kept("foo", &["LICENSE", "README.md", "docs/index.md"]),
            Vec::<String>::new()
        );
    }

    #[test]
    fn leftovers_are_named_once() {
        let selection = selected(
            &[
                "foo.py",
                "tests/a.py",
                "tests/b.py",
                "LICENSE",
                "a/__pycache__/b.pyc",
                "a/._b.py",
                "a/.DS_Store",
            ],
            &[],
            &Patterns::default(),
        );
        assert_eq!(selection.files.into_keys().collect::<Vec<_>>(), ["foo.py"]);
        assert_eq!(
            selection.notes,
            ["left out, as tests, documents or files of tools: LICENSE, tests"]
        );
    }

    #[test]
    fn patterns_decide_the_rest_and_exclusion_wins() {
        let patterns = Patterns::new(&["/tests".to_owned()], &["*.md".to_owned()]).unwrap();
        let selection = selected(&["foo.py", "foo.md", "tests/a.py", "tests/b.md"], &[], &patterns);
        assert_eq!(
            selection.files.into_keys().collect::<Vec<_>>(),
            ["foo.py", "tests/a.py", "tests/data.py"]
        );
    }

    #[test]
    fn links_and_long_paths_are_refused() {
        let long = format!("{}.py", "a".repeat(99));
        let selection = selected(&["foo.py", "bar.py", &long], &["bar.py"], &Patterns::default());
        assert_eq!(selection.files.len(), 1);
        let texts: Vec<_> = selection.refused.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts[1],
            "bar.py cannot be installed on a board: it is a link, and a board's file system has none"
        );
        assert!(texts[0].contains("it is 102 bytes long, and a board takes 98"));
    }

    #[test]
    fn a_file_where_a_folder_must_be_is_refused() {
        let selection = selected(&["coll/a", "coll/a.py", "coll/a/b.py"], &[], &Patterns::default());
        assert_eq!(
            selection.files.into_keys().collect::<Vec<_>>(),
            ["coll/a.py", "coll/a/b.py"]
        );
        assert_eq!(
            selection.refused[0].to_string(),
            "coll/a cannot be installed on a board: coll/a/b.py needs a folder of that name"
        );
    }

    #[test]
    fn a_file_where_fat_needs_a_folder_is_noted() {
        let selection = selected(&["coll/A", "coll/a/b.py"], &[], &Patterns::default());
        assert_eq!(
            selection.notes,
            ["coll/A is where coll/a/b.py needs a folder, on a FAT file system"]
        );
    }

    #[test]
    fn names_that_differ_in_case_are_noted() {
        let selection = selected(&["Foo.py", "foo.py"], &[], &Patterns::default());
        assert_eq!(selection.notes, ["foo.py and Foo.py are one file on a FAT file system"]);
    }
}
