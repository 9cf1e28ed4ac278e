//! A wheel is the definition: its root, and the `purelib` and `platlib` of its `.data` folder, are what it installs.
//! (Source: PyPA's binary distribution format.)

use std::collections::BTreeSet;

use super::Layout;

/// Where the members of a wheel go.
pub(in crate::board) fn layout<'a>(members: impl Iterator<Item = &'a str>) -> Layout {
    let mut layout = Layout::default();
    let mut left_out = BTreeSet::new();
    for member in members {
        match split(member) {
            (top, _) if top.ends_with(".dist-info") => {}
            (top, rest) if top.ends_with(".data") => match split(rest) {
                ("purelib" | "platlib", target) => layout.place(target.to_owned(), member),
                (scheme, _) => _ = left_out.insert(scheme),
            },
            _ => layout.place(member.to_owned(), member),
        }
    }
    for scheme in left_out {
        layout.note(format!(
            "the wheel's {scheme} are left out: a board has no place for them"
        ));
    }
    layout
}

fn split(path: &str) -> (&str, &str) {
    path.split_once('/').unwrap_or(("", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_goes_where_pip_puts_it() {
        let members = [
            "foo/__init__.py",
            "bar.py",
            "foo-1.dist-info/METADATA",
            "foo-1.data/purelib/baz.py",
            "foo-1.data/scripts/run",
            "foo-1.data/headers/foo.h",
        ];
        let layout = layout(members.into_iter());
        assert_eq!(
            layout.files.into_keys().collect::<Vec<_>>(),
            ["bar.py", "baz.py", "foo/__init__.py"]
        );
        assert_eq!(layout.notes.len(), 2);
        assert_eq!(
            layout.notes[0],
            "the wheel's headers are left out: a board has no place for them"
        );
    }
}
