//! MicroPython's classic sdists: made for upip, with neither a backend nor PKG-INFO. What upip unpacks is the package.

use std::collections::BTreeSet;

use super::Layout;
use crate::board::path::is_module;
use crate::board::source_tree::SourceTree;

pub(super) fn layout(tree: &SourceTree) -> Layout {
    let mut layout = Layout::default();
    let packages: BTreeSet<&str> = tree.paths().filter(|path| is_module(path)).filter_map(folder).collect();
    for path in tree.paths() {
        let target = below_src(path);
        if is_module(path) || folder(path).is_some_and(|folder| packages.contains(folder)) {
            layout.place(target.to_owned(), path);
        }
    }
    layout
}

fn below_src(path: &str) -> &str {
    path.strip_prefix("src/").unwrap_or(path)
}

/// The package at the top that holds this file.
fn folder(path: &str) -> Option<&str> {
    Some(below_src(path).split_once('/')?.0)
}

#[cfg(test)]
mod tests {
    use super::super::tests::board;

    #[test]
    fn modules_and_packages_with_their_data_are_taken() {
        let files = [
            "upip.py",
            "umqtt/simple.py",
            "umqtt/certificates/ca.der",
            "Makefile",
            "assets/logo.png",
            "micropython_upip.egg-info/PKG-INFO",
        ];
        let taken = board(&files.map(|path| (path, "")));
        assert_eq!(taken, ["umqtt/certificates/ca.der", "umqtt/simple.py", "upip.py"]);
    }

    #[test]
    fn src_is_stripped() {
        assert_eq!(
            board(&[("setup.py", ""), ("src/foo/a.py", ""), ("src/bar.py", "")]),
            ["bar.py", "foo/a.py", "setup.py"]
        );
    }
}
