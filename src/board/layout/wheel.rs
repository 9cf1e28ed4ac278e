//! A wheel is the definition: its root, and the `purelib` and `platlib` of its `.data` folder, are what it installs.
//! (Source: PyPA's binary distribution format.) Of its `data`, what goes into the folder of one of its packages is taken, too:
//! upip unpacked it there, wherever pip puts it, and a server looks there for its pages.

use std::collections::BTreeSet;

use super::Layout;
use crate::board::path::is_module;

/// Where the members of a wheel go.
pub(in crate::board) fn layout<'a>(members: impl Iterator<Item = &'a str>) -> Layout {
    let mut layout = Layout::default();
    let (mut left_out, mut data) = (BTreeSet::new(), Vec::new());
    for member in members {
        match split(member) {
            (top, _) if top.ends_with(".dist-info") => {}
            (top, rest) if top.ends_with(".data") => match split(rest) {
                ("purelib" | "platlib", target) => layout.place(target.to_owned(), member),
                ("data", target) => data.push((target, member)),
                (scheme, _) => _ = left_out.insert(scheme),
            },
            _ => layout.place(member.to_owned(), member),
        }
    }
    let modules = layout.files.keys().filter(|path| is_module(path));
    let packages: BTreeSet<String> = modules.map(|path| split(path).0.to_owned()).collect();
    for (target, member) in data {
        match split(target).0 {
            folder if !folder.is_empty() && packages.contains(folder) => layout.place(target.to_owned(), member),
            _ => _ = left_out.insert("data"),
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

    /// As rockwren lists its pages.
    #[test]
    fn data_of_a_package_go_into_its_folder() {
        let members = [
            "foo-1.data/data/foo/index.html",
            "foo-1.data/data/foo/css/style.css",
            "foo-1.data/data/share/foo.html",
            "foo-1.data/data/README.md",
            "foo/__init__.py",
            "bar.py",
        ];
        let layout = layout(members.into_iter());
        assert_eq!(
            layout.files.into_keys().collect::<Vec<_>>(),
            ["bar.py", "foo/__init__.py", "foo/css/style.css", "foo/index.html"]
        );
        assert_eq!(
            layout.notes,
            ["the wheel's data are left out: a board has no place for them"]
        );
    }
}
