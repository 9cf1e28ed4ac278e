//! Which paths a board can take. Called by `select.rs`, the view, the tarball and the layouts.

/// Bytes of a path on the board: upip reads the 100 bytes of a tar header's name field, of which the tarball's top
/// directory takes two.
pub(super) const MAX_PATH: usize = 98;

/// Why a board cannot take this path, in words for the uploader.
pub(super) fn check(path: &str) -> Result<(), String> {
    let parts = || path.split('/');
    if path.starts_with('/') || parts().any(|part| part == "..") {
        return Err("it leaves the folder it is installed in".to_owned());
    }
    if parts().any(|part| part.is_empty() || part == ".") || path.contains(['\0', '\\']) {
        return Err("it is no plain path".to_owned());
    }
    match path.len() {
        ..=MAX_PATH => Ok(()),
        long => Err(format!("it is {long} bytes long, and a board takes {MAX_PATH}")),
    }
}

/// Why the board's file system could not hold this path although upip and mip could carry it.
pub(super) fn warning(path: &str) -> Option<&'static str> {
    let ends_badly = |part: &str| part.ends_with([' ', '.']);
    match path {
        path if path.contains(|c: char| c.is_control() || r#"<>:"|?*"#.contains(c)) => {
            Some("a FAT file system cannot hold its name")
        }
        path if path.split('/').any(ends_badly) => Some("a FAT file system drops the dot or space at its end"),
        _ => None,
    }
}

/// What upip never unpacks, by its path below the tarball's top directory.
pub(super) fn is_skipped_by_upip(path: &str) -> bool {
    ["setup.", "PKG-INFO", "README"]
        .iter()
        .any(|start| path.starts_with(start))
        || path.contains(".egg-info")
}

/// Whether a board can import a file of this name.
pub(super) fn is_module(path: &str) -> bool {
    path.ends_with(".py") || path.ends_with(".mpy")
}

/// What only looks like part of the package: tests, documents and the tools' own files at the top.
pub(super) fn is_leftover(path: &str) -> bool {
    match path.split_once('/') {
        Some((folder, _)) => {
            let folders = ["test", "tests", "doc", "docs", "example", "examples"];
            folder.starts_with('.') || folders.contains(&folder.to_lowercase().as_str())
        }
        None => is_leftover_file(&path.to_lowercase()),
    }
}

fn is_leftover_file(name: &str) -> bool {
    const DOCUMENTS: [&str; 9] = [
        "licen",
        "copying",
        "notice",
        "authors",
        "contribut",
        "change",
        "history",
        "news",
        "readme",
    ];
    const TOOLS: [&str; 7] = [
        "pyproject.toml",
        "hatch.toml",
        "manifest.in",
        "tox.ini",
        "conftest.py",
        "noxfile.py",
        "package.json",
    ];
    if is_module(name) {
        TOOLS.contains(&name) || name.starts_with("test_") || name.ends_with("_test.py")
    } else {
        name.starts_with('.') || TOOLS.contains(&name) || DOCUMENTS.iter().any(|start| name.starts_with(start))
    }
}

/// Made by Python or by macOS on the machine that packed the archive, or for type checkers (PEP 561), or at the top for
/// CPython's `site` (`.pth`); nothing that a board can use.
pub(super) fn is_litter(path: &str) -> bool {
    const LITTER: [&str; 4] = [".DS_Store", "__MACOSX", "__pycache__", "py.typed"];
    let is_litter = |part: &str| part.starts_with("._") || LITTER.contains(&part);
    let is_for_site = path.ends_with(".pth") && !path.contains('/');
    is_for_site || [".pyc", ".pyo", ".pyi"].iter().any(|end| path.ends_with(end)) || path.split('/').any(is_litter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_refused_with_its_reason() {
        assert_eq!(check(&"a".repeat(98)), Ok(()));
        assert_eq!(
            check(&"a".repeat(99)).unwrap_err(),
            "it is 99 bytes long, and a board takes 98"
        );
        for path in ["/etc/x", "a/../../b", "a//b", "./a", "a\\b", ""] {
            assert!(check(path).is_err(), "{path}");
        }
    }

    #[test]
    fn leftovers_are_told_from_modules() {
        for path in [
            "tests/a.py",
            "docs/index.md",
            "LICENSE",
            "README.md",
            "pyproject.toml",
            "test_a.py",
            ".gitignore",
        ] {
            assert!(is_leftover(path), "{path}");
        }
        for path in ["news.py", "foo/tests/a.py", "foo/LICENSE", "testing/a.py", "data.json"] {
            assert!(!is_leftover(path), "{path}");
        }
    }

    #[test]
    fn what_only_host_tools_read_is_litter() {
        for path in [
            "foo/__pycache__/a.cpython-311.pyc",
            "._foo.py",
            "foo/.DS_Store",
            "foo.pyi",
            "foo-stubs/a.pyi",
            "foo/py.typed",
            "foo-1.0-py3.11-nspkg.pth",
        ] {
            assert!(is_litter(path), "{path}");
        }
        for path in [
            "foo.py",
            "foo/typed.py",
            "foo/data/a.pyix",
            "foo/py.typed.json",
            "foo/weights.pth",
        ] {
            assert!(!is_litter(path), "{path}");
        }
    }
}
