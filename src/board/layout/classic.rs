//! MicroPython's classic sdists: made for upip, with neither a backend nor PKG-INFO. What upip unpacks is the package.
//! (Source: micropython-lib's sdist_upip.py, `FILTERS`.)

use std::collections::BTreeSet;

use super::Layout;
use crate::board::path::{is_leftover, is_module, is_skipped_by_upip};
use crate::board::source_tree::SourceTree;

pub(super) fn layout(tree: &SourceTree) -> Layout {
    let mut layout = Layout::default();
    let mut left_out = BTreeSet::new();
    let is_filtered = is_filtered(tree);
    let packages: BTreeSet<&str> = tree.paths().filter(|path| is_module(path)).filter_map(folder).collect();
    for path in tree.paths() {
        let target = below_src(path);
        let is_part = |folder| is_filtered && !is_metadata(folder) || packages.contains(folder);
        if is_module(path) || folder(path).is_some_and(is_part) {
            layout.place(target.to_owned(), path);
        } else if !is_skipped_by_upip(target) && !is_leftover(target) {
            left_out.insert(folder(path).unwrap_or(target));
        }
    }
    if !left_out.is_empty() {
        let names = left_out.into_iter().collect::<Vec<_>>().join(", ");
        layout.note(format!("left out, as no part of a package: {names}"));
    }
    layout
}

/// Whether sdist_upip made it, which keeps the egg-info, and takes out setup.py with all that no package brought along.
fn is_filtered(tree: &SourceTree) -> bool {
    tree.egg_info().is_some() && !["setup.py", "pyproject.toml"].iter().any(|file| tree.has(file))
}

fn below_src(path: &str) -> &str {
    path.strip_prefix("src/").unwrap_or(path)
}

fn is_metadata(folder: &str) -> bool {
    folder.ends_with(".egg-info")
}

/// The folder at the top that holds this file.
fn folder(path: &str) -> Option<&str> {
    Some(below_src(path).split_once('/')?.0)
}

#[cfg(test)]
mod tests {
    use super::super::of_sdist;
    use super::super::tests::{board, tree};

    const FILES: [(&str, &str); 6] = [
        ("upip.py", ""),
        ("umqtt/simple.py", ""),
        ("umqtt/certificates/ca.der", ""),
        ("Makefile", ""),
        ("static/css/style.css.gz", ""),
        ("micropython_upip.egg-info/PKG-INFO", ""),
    ];
    const PACKAGES: [&str; 3] = ["umqtt/certificates/ca.der", "umqtt/simple.py", "upip.py"];

    /// A server's pages lie beside its package: micropython-esp-wifi-manager opens `lib/templates` and `lib/static`.
    #[test]
    fn modules_and_folders_of_data_are_taken() {
        assert_eq!(board(&FILES), [&["static/css/style.css.gz"], &PACKAGES[..]].concat());
    }

    #[test]
    fn what_nobody_filtered_holds_more_than_is_installed() {
        let with_setup = board(&[&FILES[..], &[("setup.py", "setup(packages=find())")]].concat());
        assert_eq!(with_setup, [&["setup.py"], &PACKAGES[..]].concat());
        let without_metadata = of_sdist(&tree(&FILES[..5]), "foo");
        assert_eq!(without_metadata.files.into_keys().collect::<Vec<_>>(), PACKAGES);
        assert_eq!(
            without_metadata.notes,
            ["left out, as no part of a package: Makefile, static"]
        );
    }

    #[test]
    fn what_any_archive_has_needs_no_note() {
        let files = [
            "foo.py",
            "LICENSE",
            "README.md",
            "tests/data.json",
            ".github/ci.yml",
            "PKG-INFO",
        ];
        let layout = of_sdist(&tree(&files.map(|path| (path, ""))), "foo");
        assert!(layout.notes.is_empty(), "{:?}", layout.notes);
    }

    #[test]
    fn src_is_stripped() {
        assert_eq!(
            board(&[("setup.py", ""), ("src/foo/a.py", ""), ("src/bar.py", "")]),
            ["bar.py", "foo/a.py", "setup.py"]
        );
    }
}
