//! hatchling: `[tool.hatch.build.targets.wheel]`, in `hatch.toml` without `tool.hatch`, or the package that bears the
//! project's name.
//! (Source: hatchling/builders/wheel.py and config.py, metadata/core.py.)

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::{Layout, MAX_NAMED, joined, module_name, project_name, too_many};
use crate::board::declared::{strings, table};
use crate::board::patterns::{Globs, PatternError};
use crate::board::source_tree::{SourceTree, folder, join};

pub(super) fn layout(tree: &SourceTree, pyproject: &Table, name: &str) -> Layout {
    let own: Table = match tree.text("hatch.toml").unwrap_or_default().parse() {
        Ok(own) => own,
        Err(error) => {
            return Layout::undecided(format!(
                "hatch.toml cannot be read: {}",
                toml::de::Error::message(&error)
            ));
        }
    };
    // As a whole, hatch.toml's goes before.
    let build = if own.contains_key("build") {
        table(&own, &["build"])
    } else {
        table(pyproject, &["tool", "hatch", "build"])
    };
    let settings = Settings::read(build);
    let selection = Selection::read(tree, &settings, project_name(pyproject, name));
    let forced = settings.table("force-include");
    let sources = selection.as_ref().map_or(0, |selection| selection.sources.len());
    if forced.map_or(0, Table::len).max(sources) > MAX_NAMED {
        return Layout::undecided(too_many());
    }
    let mut layout = match &selection {
        Some(selection) => selection
            .apply(tree, forced)
            .unwrap_or_else(|error| Layout::undecided(error.to_string())),
        None if forced.is_some() => Layout::default(),
        None => Layout::undecided("no folder or module bears the project's name, and pyproject.toml names none"),
    };
    for (from, to) in forced.into_iter().flatten() {
        let to = to.as_str().unwrap_or_default();
        layout.place_tree(tree, folder(from), folder(to));
    }
    if settings.has_hooks() {
        layout.note("what a build hook of hatch adds is not known here: upload a wheel as well");
    }
    layout
}

/// The wheel target's options, which go before those of all targets.
struct Settings<'a> {
    levels: Vec<&'a Table>,
}

impl<'a> Settings<'a> {
    fn read(build: Option<&'a Table>) -> Self {
        let wheel = build.and_then(|build| table(build, &["targets", "wheel"]));
        Self {
            levels: wheel.into_iter().chain(build).collect(),
        }
    }

    fn get(&self, key: &str) -> Option<&'a Value> {
        self.levels.iter().find_map(|level| level.get(key))
    }

    fn table(&self, key: &str) -> Option<&'a Table> {
        self.get(key).and_then(Value::as_table)
    }

    fn strings(&self, key: &str) -> Vec<String> {
        let level = self.levels.iter().find(|level| level.contains_key(key));
        level.map(|level| strings(level, key)).unwrap_or_default()
    }

    fn has_hooks(&self) -> bool {
        self.levels.iter().any(|level| table(level, &["hooks"]).is_some())
    }
}

/// Which files are walked, which of them count, and what becomes of their paths.
struct Selection {
    /// Where to walk, and take all that is not excluded; nothing: everywhere, for what is included.
    roots: Vec<String>,
    include: Vec<String>,
    exclude: Vec<String>,
    /// What counts although it is excluded or not included.
    artifacts: Vec<String>,
    /// Whether only files beside an `__init__.py` count.
    only_packages: bool,
    /// Prefix → what stands in its place.
    sources: BTreeMap<String, String>,
}

impl Selection {
    fn read(tree: &SourceTree, settings: &Settings<'_>, name: &str) -> Option<Self> {
        let [mut packages, mut only, include, exclude, artifacts] =
            ["packages", "only-include", "include", "exclude", "artifacts"].map(|key| settings.strings(key));
        if packages.is_empty() && only.is_empty() && include.is_empty() {
            (packages, only) = by_name(tree, name)?;
        }
        Some(Self {
            roots: if only.is_empty() { packages.clone() } else { only },
            include,
            exclude,
            artifacts,
            only_packages: settings
                .get("only-packages")
                .and_then(Value::as_bool)
                .unwrap_or_default(),
            sources: sources(settings, &packages),
        })
    }

    /// What is selected, without what is forced to another place.
    fn apply(&self, tree: &SourceTree, forced: Option<&Table>) -> Result<Layout, PatternError> {
        let roots = Globs::anchored(&self.roots)?;
        let include = Globs::new(&self.include)?;
        let exclude = Globs::new(&self.exclude)?;
        let artifacts = Globs::new(&self.artifacts)?;
        let is_walked = |path: &&str| self.roots.is_empty() || roots.matches(path);
        let counts = |path: &&str| {
            (!self.only_packages || is_in_package(tree, path))
                && !exclude.matches(path)
                && (!self.roots.is_empty() || include.matches(path))
        };
        let mut layout = Layout::default();
        let walked = tree.paths().filter(is_walked);
        for path in walked.filter(|path| artifacts.matches(path) || counts(path)) {
            layout.place(self.target(path), path);
        }
        for from in forced.into_iter().flat_map(Table::keys) {
            let reserved = self.target(folder(from));
            layout.files.remove(&reserved);
            // Folders are passed over on a walk through everything alone, and by that name.
            for path in tree.below(&reserved).filter(|_| self.roots.is_empty()) {
                layout.files.remove(&self.target(path));
            }
        }
        Ok(layout)
    }

    fn target(&self, path: &str) -> String {
        let replaced = |(source, target): (&String, &String)| Some(join(target, path.strip_prefix(source)?));
        self.sources
            .iter()
            .find_map(replaced)
            .unwrap_or_else(|| path.to_owned())
    }
}

/// The default selection: packages, or one module.
fn by_name(tree: &SourceTree, name: &str) -> Option<(Vec<String>, Vec<String>)> {
    [joined(name), module_name(name)].iter().find_map(|name| {
        let package = |folder: &str| tree.has(&format!("{}/__init__.py", join(folder, name)));
        let module = format!("{name}.py");
        let namespaces = tree
            .children("")
            .into_iter()
            .filter(|child| package(child))
            .collect::<Vec<_>>();
        match &namespaces[..] {
            _ if package("") => Some((vec![name.clone()], Vec::new())),
            _ if package("src") => Some((vec![join("src", name)], Vec::new())),
            _ if tree.has(&module) => Some((Vec::new(), vec![module])),
            [namespace] => Some((vec![(*namespace).to_owned()], Vec::new())),
            _ => None,
        }
    })
}

fn is_in_package(tree: &SourceTree, path: &str) -> bool {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    tree.has(&join(folder, "__init__.py"))
}

/// `sources`, in the order of their names, and the folders in which the packages lie, which go before.
fn sources(settings: &Settings<'_>, packages: &[String]) -> BTreeMap<String, String> {
    let prefix = |path: &str| match folder(path) {
        "" => String::new(),
        folder => format!("{folder}/"),
    };
    let mut sources: BTreeMap<String, String> = match settings.table("sources") {
        Some(map) => map
            .iter()
            .map(|(from, to)| (prefix(from), to.as_str().unwrap_or_default().to_owned()))
            .collect(),
        None => settings
            .strings("sources")
            .iter()
            .map(|from| (prefix(from), String::new()))
            .collect(),
    };
    for package in packages {
        let parent = folder(package).rsplit_once('/').map(|(parent, _)| prefix(parent));
        if let Some(parent) = parent.filter(|_| !sources.contains_key(&prefix(package))) {
            sources.insert(parent, String::new());
        }
    }
    sources
}

#[cfg(test)]
mod tests {
    use super::super::tests::board;

    const BACKEND: &str = "[build-system]\nbuild-backend = 'hatchling.build'\n[project]\nname = 'Foo.Bar'\n";
    const WHEEL: &str = "[tool.hatch.build.targets.wheel]\n";

    fn built(settings: &str, files: &[&str]) -> Vec<String> {
        let pyproject = format!("{BACKEND}{settings}");
        let mut files: Vec<_> = files.iter().map(|path| (*path, "")).collect();
        files.push(("pyproject.toml", &pyproject));
        board(&files)
    }

    #[test]
    fn the_package_is_found_by_the_projects_name() {
        assert_eq!(
            built("", &["foo_bar/__init__.py", "foo_bar/a.txt", "b.py"]),
            ["foo_bar/__init__.py", "foo_bar/a.txt"]
        );
        assert_eq!(
            built("", &["src/Foo_Bar/__init__.py", "tests/a.py"]),
            ["Foo_Bar/__init__.py"]
        );
        assert_eq!(built("", &["foo_bar.py", "b.py"]), ["foo_bar.py"]);
        assert_eq!(
            built("", &["space/foo_bar/__init__.py", "b.py"]),
            ["space/foo_bar/__init__.py"]
        );
        assert!(built("", &["other/__init__.py"]).is_empty());
    }

    #[test]
    fn packages_lose_the_folder_they_lie_in() {
        let settings = format!("{WHEEL}packages = ['lib/a']\nexclude = ['*.md']");
        assert_eq!(built(&settings, &["lib/a/x.py", "lib/a/y.md", "lib/b.py"]), ["a/x.py"]);
    }

    #[test]
    fn include_sources_and_force_include_hold() {
        let settings = format!(
            "{WHEEL}include = ['/src/**/*.py']\nsources = ['src']\n[tool.hatch.build.targets.wheel.force-include]\n'data' = 'foo/data'"
        );
        assert_eq!(
            built(&settings, &["src/foo/x.py", "src/foo/y.txt", "data/z.bin", "no.py"]),
            ["foo/data/z.bin", "foo/x.py"]
        );
    }

    #[test]
    fn what_is_forced_elsewhere_is_not_at_its_own_place() {
        let forced = "[tool.hatch.build.targets.wheel.force-include]\n'foo/a.py' = 'foo/b.py'\n'foo/data' = 'data'";
        let files = ["foo/__init__.py", "foo/a.py", "foo/data/z.py"];
        assert_eq!(
            built(&format!("{WHEEL}packages = ['foo']\n{forced}"), &files),
            ["data/z.py", "foo/__init__.py", "foo/b.py", "foo/data/z.py"]
        );
        assert_eq!(
            built(&format!("{WHEEL}include = ['*.py']\n{forced}"), &files),
            ["data/z.py", "foo/__init__.py", "foo/b.py"]
        );
    }

    #[test]
    fn sources_may_add_a_prefix_or_replace_one() {
        let sources = |from: &str, to: &str| format!("[tool.hatch.build.targets.wheel.sources]\n'{from}' = '{to}'");
        let settings = format!("{WHEEL}include = ['*.py']\n{}", sources("", "pre"));
        assert_eq!(
            built(&settings, &["a.py", "b/c.py", "d.txt"]),
            ["pre/a.py", "pre/b/c.py"]
        );
        let settings = format!("{WHEEL}packages = ['src/a/b']\n{}", sources("src/a", "z"));
        assert_eq!(built(&settings, &["src/a/b/__init__.py"]), ["b/__init__.py"]);
        let settings = format!("{WHEEL}packages = ['src/a']\n{}", sources("src/a", "z"));
        assert_eq!(built(&settings, &["src/a/__init__.py"]), ["z/__init__.py"]);
    }

    /// Each path is held against each of them.
    #[test]
    fn a_host_of_sources_is_not_followed() {
        let sources = |count: usize| {
            let names: Vec<_> = (0..count).map(|at| format!("'s{at}'")).collect();
            format!("{WHEEL}include = ['*.py']\nsources = [{}]", names.join(","))
        };
        assert_eq!(built(&sources(256), &["s7/a.py"]), ["a.py"]);
        assert!(built(&sources(257), &["s7/a.py"]).is_empty());
    }

    #[test]
    fn only_packages_exclusions_taken_back_and_artifacts_hold() {
        let settings = format!(
            "{WHEEL}only-packages = true\ninclude = ['*.py', '*.txt']\nexclude = ['*.txt', '!keep.txt']\nartifacts = ['*.bin']"
        );
        let files = [
            "a/__init__.py",
            "a/keep.txt",
            "a/no.txt",
            "a/b/no.py",
            "no.py",
            "a/b/c.bin",
        ];
        assert_eq!(built(&settings, &files), ["a/__init__.py", "a/b/c.bin", "a/keep.txt"]);
    }

    #[test]
    fn the_table_of_hatch_toml_stands_for_that_of_pyproject() {
        let with = |hatch: &str| {
            let pyproject = format!("{BACKEND}{WHEEL}packages = ['a']\nexclude = ['*.txt']");
            let files = [
                ("pyproject.toml", &*pyproject),
                ("hatch.toml", hatch),
                ("a/x.py", ""),
                ("b/y.py", ""),
                ("b/z.txt", ""),
            ];
            board(&files)
        };
        assert_eq!(with("[build.targets.wheel]\npackages = ['b']"), ["b/y.py", "b/z.txt"]);
        assert_eq!(with("[envs.default]"), ["a/x.py"]);
        assert!(with("[[[").is_empty());
    }

    #[test]
    fn only_include_holds() {
        assert_eq!(
            built(
                &format!("{WHEEL}only-include = ['a.py', 'pkg']"),
                &["a.py", "pkg/b.py", "c.py"]
            ),
            ["a.py", "pkg/b.py"]
        );
    }
}
