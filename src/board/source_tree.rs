//! What an sdist says of itself: its members, and the files that tell how it is built. Nothing of it is executed.
//! Filled by `view/reading.rs`, and read by the layouts and `requires.rs`.

use std::collections::{BTreeMap, BTreeSet};

use toml::Table;

/// Members of an sdist by their path below its top directory, and the text of those that tell how it is built.
#[derive(Debug, Default)]
pub(super) struct SourceTree {
    paths: BTreeSet<String>,
    texts: BTreeMap<String, String>,
}

impl SourceTree {
    pub(super) fn add(&mut self, path: &str) {
        self.paths.insert(path.to_owned());
    }

    /// In the place of the texts of an egg-info folder that counts less.
    pub(super) fn add_text(&mut self, path: &str, text: String) {
        if let Some(folder) = egg_info_around(path) {
            self.texts
                .retain(|known, _| egg_info_around(known).is_none_or(|known| known == folder));
        }
        self.texts.insert(path.to_owned(), text);
    }

    /// Whether the text of this member is wanted. Of the egg-info folders, an archive may have thousands, and one counts.
    pub(super) fn wants_text(&self, path: &str) -> bool {
        let file = path.rsplit('/').next().unwrap_or(path);
        let Some(folder) = egg_info_around(path) else {
            return ["pyproject.toml", "hatch.toml", "setup.cfg", "setup.py"].contains(&path);
        };
        let mut known = self.texts.keys().filter_map(|path| egg_info_around(path));
        ["namespace_packages.txt", "requires.txt", "top_level.txt"].contains(&file)
            && known.all(|known| height(folder) <= height(known))
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().map(String::as_str)
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.paths.contains(path)
    }

    pub(super) fn is_folder(&self, path: &str) -> bool {
        self.below(path).next().is_some()
    }

    /// Every file below a folder; the empty path is the top.
    pub(super) fn below<'a>(&'a self, folder: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let start = match folder {
            "" => String::new(),
            folder => format!("{folder}/"),
        };
        let from = self.paths.range(start.clone()..);
        from.map(String::as_str)
            .take_while(move |path| path.starts_with(&start))
    }

    /// Names of the files and folders in a folder.
    pub(super) fn children<'a>(&'a self, folder: &str) -> BTreeSet<&'a str> {
        let skip = if folder.is_empty() { 0 } else { folder.len() + 1 };
        let first = |path: &'a str| path[skip..].split('/').next().unwrap_or_default();
        self.below(folder).map(first).collect()
    }

    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.texts.get(path).map(String::as_str)
    }

    /// `pyproject.toml`, or why it cannot be read; an empty table where there is none.
    pub(super) fn pyproject(&self) -> Result<Table, toml::de::Error> {
        self.text("pyproject.toml").unwrap_or_default().parse()
    }

    /// The setuptools folder that lies highest: `foo.egg-info` or `src/foo.egg-info`.
    pub(super) fn egg_info(&self) -> Option<&str> {
        let folder = |path: &str| path.find(".egg-info/").map(|at| at + ".egg-info".len());
        let folders = self.paths().filter_map(|path| Some(&path[..folder(path)?]));
        folders.min_by_key(|folder| height(folder))
    }

    /// A file of the egg-info folder, by its name.
    pub(super) fn egg_info_text(&self, file: &str) -> Option<&str> {
        self.text(&format!("{}/{file}", self.egg_info()?))
    }
}

/// The egg-info folder that a file lies in.
fn egg_info_around(path: &str) -> Option<&str> {
    let (folder, _) = path.rsplit_once('/')?;
    folder.ends_with(".egg-info").then_some(folder)
}

/// Of two folders, the one that lies higher is the smaller one; of neighbours, the first by name.
fn height(folder: &str) -> (usize, &str) {
    (folder.matches('/').count(), folder)
}

/// A folder as the members' paths spell it: without `./` in front and `/` at the end; empty for the top.
pub(super) fn folder(written: &str) -> &str {
    match written.trim_start_matches("./").trim_matches('/') {
        "." => "",
        folder => folder,
    }
}

/// `folder/name`, where either may be empty.
pub(super) fn join(parent: &str, name: &str) -> String {
    match (folder(parent), name) {
        ("", name) => name.to_owned(),
        (parent, "") => parent.to_owned(),
        (parent, name) => format!("{parent}/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_toml_is_refused_before_it_overflows_the_stack() {
        for deep in [
            format!("a = {}", "[".repeat(100_000)),
            format!("{}a = 1", "a.".repeat(100_000)),
            format!("[{}a]", "a.".repeat(100_000)),
        ] {
            let mut tree = SourceTree::default();
            tree.add_text("pyproject.toml", deep);
            assert!(tree.pyproject().is_err());
        }
    }

    /// Kept, the texts of a small archive's folders fill the memory.
    #[test]
    fn of_many_egg_info_folders_the_texts_of_the_highest_are_kept() {
        let mut tree = SourceTree::default();
        for folder in ["src/b", "src/a", "z", "a/b", "y"] {
            for file in ["namespace_packages.txt", "requires.txt", "top_level.txt"] {
                let path = format!("{folder}.egg-info/{file}");
                tree.add(&path);
                if tree.wants_text(&path) {
                    tree.add_text(&path, folder.to_owned());
                }
            }
        }
        for file in ["namespace_packages.txt", "requires.txt", "top_level.txt"] {
            assert_eq!(tree.egg_info_text(file), Some("y"));
        }
        assert_eq!(tree.texts.len(), 3);
    }

    #[test]
    fn folders_are_told_from_names_that_begin_alike() {
        let mut tree = SourceTree::default();
        for path in ["foo/a.py", "foo-b/c.py", "foobar.py"] {
            tree.add(path);
        }
        assert_eq!(tree.below("foo").collect::<Vec<_>>(), ["foo/a.py"]);
        assert!(tree.is_folder("foo-b") && !tree.is_folder("foobar.py"));
        assert_eq!(tree.children(""), BTreeSet::from(["foo", "foo-b", "foobar.py"]));
    }
}
