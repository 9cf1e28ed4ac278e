//! The path of a member, checked.

use super::ArchiveError;

/// Longest path, in bytes: what Linux takes (`PATH_MAX`).
pub(super) const MAX_BYTES: usize = 4096;

/// How much of an unusable path is shown, in bytes.
const SHOWN_BYTES: usize = 200;

/// Gives the path without `./` in front and `/` at the end; it is empty for the archive's own root.
pub(super) fn check(raw: &[u8]) -> Result<&str, ArchiveError> {
    let is_usable = |path: &&str| (1..=MAX_BYTES).contains(&path.len()) && !path.contains(char::is_control);
    let Some(path) = str::from_utf8(raw).ok().filter(is_usable) else {
        return Err(ArchiveError::Path { path: show(raw) });
    };
    if leaves(path) {
        return Err(ArchiveError::Escape { path: show(raw) });
    }
    Ok(trim(path))
}

/// The beginning of a path, for people.
pub(super) fn show(raw: &[u8]) -> String {
    String::from_utf8_lossy(&raw[..raw.len().min(SHOWN_BYTES)]).into_owned()
}

/// Whether unpacking would leave the directory, on Windows, too.
fn leaves(path: &str) -> bool {
    let separators = ['/', '\\'];
    let has_drive = path.as_bytes()[0].is_ascii_alphabetic() && path[1..].starts_with(':');
    has_drive || path.starts_with(separators) || path.split(separators).any(|part| part == "..")
}

fn trim(path: &str) -> &str {
    let mut rest = path.trim_end_matches('/');
    while let Some(inner) = rest.strip_prefix("./") {
        rest = inner.trim_start_matches('/');
    }
    if rest == "." { "" } else { rest }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_paths_pass() {
        for (raw, path) in [
            ("a/b.py", "a/b.py"),
            ("./a/b", "a/b"),
            (".//./a/", "a"),
            ("./", ""),
            (".", ""),
            ("a..b/c", "a..b/c"),
            ("a\\x2db", "a\\x2db"),
            ("...", "..."),
            (".hidden", ".hidden"),
            ("naïve.py", "naïve.py"),
        ] {
            assert_eq!(check(raw.as_bytes()).unwrap(), path);
        }
    }

    #[test]
    fn escapes_are_named() {
        for raw in [
            "/etc/passwd",
            "../a",
            "a/../../b",
            "a/..",
            "..",
            "\\a",
            "a\\..\\b",
            "C:\\a",
            "c:a",
            "./../a",
        ] {
            let error = check(raw.as_bytes()).unwrap_err();
            assert!(
                matches!(&error, ArchiveError::Escape { path } if path == raw),
                "{raw}: {error}"
            );
        }
    }

    #[test]
    fn unusable_paths_are_refused() {
        let too_long = "a".repeat(5000);
        for raw in [&b""[..], b"a\0b", b"a\nb", b"caf\xe9.py", too_long.as_bytes()] {
            assert!(matches!(check(raw), Err(ArchiveError::Path { path }) if path.len() <= 3 * SHOWN_BYTES));
        }
    }

    proptest! {
        #[test]
        fn what_passes_stays_inside(raw in "[ab./\\\\:é]{0,12}") {
            if let Ok(path) = check(raw.as_bytes()) {
                prop_assert!(!path.starts_with('/') && !path.ends_with('/'));
                prop_assert!(!path.split(['/', '\\']).any(|part| part == ".."));
            }
        }

        #[test]
        fn check_never_panics(raw in prop::collection::vec(any::<u8>(), 0..20)) {
            let _ = check(&raw);
        }
    }
}
