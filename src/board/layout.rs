//! Which members of a distribution a board imports, and where they go: what a wheel of the project would install.
//! An sdist is read the way its build backend would build it; what cannot be decided is left out and noted.
//! Called by `view/reading.rs`.

mod classic;
mod flit;
mod hatch;
mod pdm;
mod poetry;
mod setuptools;
mod uv;
mod wheel;

use std::collections::BTreeMap;

use toml::Table;

use super::declared::string;
use super::source_tree::{SourceTree, join};
pub(super) use wheel::layout as of_wheel;

/// Most files of a layout. Members can be sent to many places each, and so few of them fill the memory.
pub(super) const MAX_FILES: usize = 200_000;

/// Most packages, modules and folders that a project names: all members are looked at for each.
const MAX_NAMED: usize = 256;

/// Where the members land, and what was left out and why.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Layout {
    /// Path on the board, relative to `lib` → path of the member below the sdist's top directory or in the wheel.
    pub(super) files: BTreeMap<String, String>,
    pub(super) notes: Vec<String>,
    /// Whether files were left out because there were [`MAX_FILES`].
    pub(super) is_full: bool,
}

impl Layout {
    fn place(&mut self, target: String, member: &str) {
        match self.files.len() {
            ..MAX_FILES => _ = self.files.entry(target).or_insert_with(|| member.to_owned()),
            _ => self.is_full = true,
        }
    }

    /// A file or a whole folder; the target may be the top.
    fn place_tree(&mut self, tree: &SourceTree, from: &str, to: &str) {
        if tree.has(from) {
            self.place(to.to_owned(), from);
        }
        for path in tree.below(from) {
            let rest = path[from.len()..].trim_start_matches('/');
            self.place(join(to, rest), path);
        }
    }

    fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    fn undecided(note: impl Into<String>) -> Self {
        Self {
            notes: vec![note.into()],
            ..Self::default()
        }
    }
}

fn too_many() -> String {
    format!("the project names more than {MAX_NAMED} packages, modules or folders: upload a wheel as well")
}

/// What the backend named in `pyproject.toml` would build; without one, setuptools where there are signs of it, and
/// else what upip would unpack.
pub(super) fn of_sdist(tree: &SourceTree, name: &str) -> Layout {
    let pyproject = match tree.pyproject() {
        Ok(pyproject) => pyproject,
        Err(error) => return Layout::undecided(format!("pyproject.toml cannot be read: {}", error.message())),
    };
    let Some(backend) = string(&pyproject, &["build-system", "build-backend"]) else {
        return without_backend(tree, &pyproject);
    };
    match backend.split(['.', ':']).next().unwrap_or_default() {
        "setuptools" => setuptools::layout(tree, &pyproject),
        "flit_core" | "flit" => flit::layout(tree, &pyproject, name),
        "hatchling" => hatch::layout(tree, &pyproject, name),
        "poetry" => poetry::layout(tree, &pyproject, name),
        "pdm" => pdm::layout(tree, &pyproject),
        "uv_build" => uv::layout(tree, &pyproject, name),
        // One of the project's own, around setuptools.
        _ if tree.egg_info_text("top_level.txt").is_some() => setuptools::layout(tree, &pyproject),
        _ => Layout::undecided(format!(
            "which files {backend} would install is not known here: upload a wheel as well"
        )),
    }
}

fn without_backend(tree: &SourceTree, pyproject: &Table) -> Layout {
    let has_setup = tree.has("setup.py") || tree.has("setup.cfg");
    let is_built = tree.egg_info_text("top_level.txt").is_some() && (has_setup || tree.has("pyproject.toml"));
    if is_built || setuptools::is_configured(tree, pyproject) {
        return setuptools::layout(tree, pyproject);
    }
    classic::layout(tree)
}

/// The one module or package of this dotted name in one of the folders, as flit, poetry and uv look for it.
fn module(tree: &SourceTree, name: &str, folders: &[&str]) -> Layout {
    if name.is_empty() {
        return Layout::undecided("pyproject.toml names no module");
    }
    let path = name.replace('.', "/");
    let mut found = Vec::new();
    for folder in folders {
        let package = join(folder, &path);
        let file = format!("{package}.py");
        found.extend(tree.is_folder(&package).then(|| (package, path.clone())));
        found.extend(tree.has(&file).then(|| (file, format!("{path}.py"))));
    }
    let [(from, to)] = &found[..] else {
        return Layout::undecided(if found.is_empty() {
            format!("there is no module or package {name} in the sdist")
        } else {
            format!("more than one file or folder could be the module {name}")
        });
    };
    let mut layout = Layout::default();
    layout.place_tree(tree, from, to);
    layout
}

/// The project's name as the backend reads it: from `[project]`, else as the sdist's file name spells it.
fn project_name<'a>(pyproject: &'a Table, name: &'a str) -> &'a str {
    string(pyproject, &["project", "name"]).unwrap_or(name)
}

/// A name in the form in which modules bear it: lower case, with `_` for each run of `-`, `_` and `.`.
pub(super) fn module_name(name: &str) -> String {
    joined(name).to_lowercase()
}

fn joined(name: &str) -> String {
    let words = name.split(['-', '_', '.']).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("_")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A project of empty files, of which those with text are evidence.
    pub(super) fn tree(files: &[(&str, &str)]) -> SourceTree {
        let mut tree = SourceTree::default();
        for (path, text) in files {
            tree.add(path);
            if !text.is_empty() {
                tree.add_text(path, (*text).to_owned());
            }
        }
        tree
    }

    /// Paths on the board, in order.
    pub(super) fn board(files: &[(&str, &str)]) -> Vec<String> {
        of_sdist(&tree(files), "foo").files.into_keys().collect()
    }

    #[test]
    fn an_unknown_backend_is_not_guessed_at() {
        let layout = of_sdist(
            &tree(&[
                ("pyproject.toml", "[build-system]\nbuild-backend = 'maturin'"),
                ("foo/__init__.py", ""),
            ]),
            "foo",
        );
        assert!(layout.files.is_empty());
        assert_eq!(
            layout.notes,
            ["which files maturin would install is not known here: upload a wheel as well"]
        );
    }

    /// As setuptools' user guide shows it, for "Dynamic build dependencies and other build_meta tweaks".
    #[test]
    fn a_backend_around_setuptools_is_told_by_the_egg_info() {
        let pyproject = "[build-system]\nbuild-backend = 'backend'\nbackend-path = ['_custom_build']";
        let files = [
            ("pyproject.toml", pyproject),
            ("_custom_build/backend.py", ""),
            ("foo.egg-info/top_level.txt", "foo"),
            ("foo/__init__.py", ""),
        ];
        assert_eq!(board(&files), ["foo/__init__.py"]);
    }

    /// What a project may write where a path, a name or a pattern is asked for.
    const ODD: [&str; 14] = [
        "",
        ".",
        "..",
        "/",
        "./",
        "a//b",
        "src",
        "src/",
        "foo",
        "/foo",
        "é",
        "*",
        "[",
        "foo/../..",
    ];

    const TEMPLATES: [&str; 16] = [
        "[build-system]\nbuild-backend = '@'",
        "[build-system]\nbuild-backend = 'flit_core.buildapi'\n[project]\nname = '@'",
        "[build-system]\nbuild-backend = 'flit_core.buildapi'\n[tool.flit.module]\nname = '@'",
        "[build-system]\nbuild-backend = 'uv_build'\n[tool.uv.build-backend]\nmodule-root = '@'\nwheel-exclude = ['@']",
        "[build-system]\nbuild-backend = 'uv_build'\n[tool.uv.build-backend]\nmodule-name = ['@', 'foo']",
        "[build-system]\nbuild-backend = 'hatchling.build'\n[project]\nname = '@'",
        "[build-system]\nbuild-backend = 'hatchling.build'\n[tool.hatch.build]\npackages = ['@']\nsources = ['@']\nexclude = ['@']",
        "[build-system]\nbuild-backend = 'hatchling.build'\n[tool.hatch.build.targets.wheel.force-include]\n'@' = '@'",
        "[build-system]\nbuild-backend = 'hatchling.build'\n[tool.hatch.build]\nonly-include = ['@']\nsources = { '@' = '@' }",
        "[build-system]\nbuild-backend = 'poetry.core.masonry.api'\n[tool.poetry]\npackages = [{ include = '@', from = '@', to = '@' }]",
        "[build-system]\nbuild-backend = 'poetry.core.masonry.api'\n[tool.poetry]\nname = '@'\ninclude = [{ path = '@', format = 'wheel' }]",
        "[build-system]\nbuild-backend = 'pdm.backend'\n[tool.pdm.build]\npackage-dir = '@'\nincludes = ['@']\nexcludes = ['@']",
        "[build-system]\nbuild-backend = 'setuptools.build_meta'\n[tool.setuptools]\npackages = ['@', 'foo']\npackage-dir = { foo = '@' }",
        "[build-system]\nbuild-backend = 'setuptools.build_meta'\n[tool.setuptools.packages.find]\nwhere = ['@']\ninclude = ['@']",
        "[build-system]\nbuild-backend = 'setuptools.build_meta'\n[tool.setuptools]\npy-modules = ['@']\n[tool.setuptools.package-data]\n'@' = ['@']",
        "[tool.setuptools.package-dir]\n'' = '@'",
    ];

    #[test]
    fn no_odd_setting_gets_out_of_hand() {
        for (template, odd) in TEMPLATES.iter().flat_map(|template| ODD.map(|odd| (template, odd))) {
            let pyproject = template.replace('@', odd);
            for top_level in ["foo", odd] {
                let files = [
                    ("pyproject.toml", &*pyproject),
                    ("foo.egg-info/top_level.txt", top_level),
                    ("foo/__init__.py", ""),
                    ("foo/é/a.json", ""),
                    ("src/foo/__init__.py", ""),
                    ("é.py", ""),
                ];
                for target in of_sdist(&tree(&files), odd).files.keys() {
                    assert!(!target.is_empty() && !target.starts_with('/'), "{pyproject}: {target}");
                }
            }
        }
    }

    #[test]
    fn members_are_not_sent_to_any_number_of_places() {
        let names = |count| (0..count).map(move |n| format!("a{n}"));
        let map = |to: &str| {
            names(300)
                .map(|n| format!("{n} = '{to}'"))
                .collect::<Vec<_>>()
                .join(",")
        };
        let list = names(300).map(|n| format!("'{n}'")).collect::<Vec<_>>().join(",");
        let setuptools = format!(
            "[build-system]\nbuild-backend = 'setuptools.build_meta'\n[tool.setuptools]\npackages = [{list}]\npackage-dir = {{ {} }}",
            map("foo")
        );
        let hatch = format!(
            "[build-system]\nbuild-backend = 'hatchling.build'\n[tool.hatch.build]\nforce-include = {{ {} }}",
            map("foo")
        );
        let uv = format!("[build-system]\nbuild-backend = 'uv_build'\n[tool.uv.build-backend]\nmodule-name = [{list}]");
        let packages = names(300)
            .map(|n| format!("{{ include = 'foo', to = '{n}' }}"))
            .collect::<Vec<_>>()
            .join(",");
        let poetry = format!(
            "[build-system]\nbuild-backend = 'poetry.core.masonry.api'\n[tool.poetry]\npackages = [{packages}]"
        );
        for pyproject in [setuptools, hatch, uv, poetry] {
            let layout = of_sdist(&tree(&[("pyproject.toml", &pyproject), ("foo/__init__.py", "")]), "foo");
            assert_eq!(
                (layout.files.len(), &*layout.notes),
                (0, &[too_many()][..]),
                "{pyproject}"
            );
        }
    }

    #[test]
    fn a_broken_pyproject_is_noted() {
        let layout = of_sdist(&tree(&[("pyproject.toml", "[[["), ("foo.py", "")]), "foo");
        assert!(layout.files.is_empty() && layout.notes[0].starts_with("pyproject.toml cannot be read: "));
    }
}
