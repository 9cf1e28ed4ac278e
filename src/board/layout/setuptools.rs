//! setuptools: `top_level.txt` tells the names, the egg-info folder tells where they lie, and the configuration,
//! where it is declared and not computed in `setup.py`, tells the packages and their data.
//! (Source: setuptools' user guide, "Package Discovery" and "Data Files Support"; command/build_py.py.)

mod config;
mod discovery;

use std::collections::BTreeSet;

use toml::Table;

use self::config::{Config, Data};
use super::Layout;
use crate::board::project::{Project, join};

/// Whether the project declares its packages in `pyproject.toml` or `setup.cfg`.
pub(super) fn is_configured(project: &Project, pyproject: &Table) -> bool {
    Config::read(project, pyproject).is_declared
}

pub(super) fn layout(project: &Project, pyproject: &Table) -> Layout {
    let config = Config::read(project, pyproject);
    let root = root(project, &config);
    let names: BTreeSet<String> = match project.egg_info_text("top_level.txt") {
        Some(text) => text
            .lines()
            .map(|line| line.trim().replace('\\', "/"))
            .filter(|line| !line.is_empty())
            .collect(),
        None => match discovery::names(project, &config, &root) {
            Ok(names) => names,
            Err(note) => return Layout::undecided(note),
        },
    };
    let mut layout = Layout::default();
    for name in names {
        match config.folder(&root, &name) {
            folder if folder.is_empty() => layout.note(format!("{name} is left out: it is the sdist's top itself")),
            folder => Top {
                project,
                config: &config,
                name,
                folder,
            }
            .place(&mut layout),
        }
    }
    layout
}

/// The folder that stands for the root of the packages.
fn root(project: &Project, config: &Config) -> String {
    let parent = |folder: &str| folder.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned();
    let by_egg_info = || project.egg_info().map(parent);
    let by_layout = || if project.is_folder("src") { "src" } else { "" }.to_owned();
    config.root.clone().or_else(by_egg_info).unwrap_or_else(by_layout)
}

/// One importable name at the root: a module, or a package with all that is below it.
struct Top<'a> {
    project: &'a Project,
    config: &'a Config,
    name: String,
    /// Where the package lies.
    folder: String,
}

impl Top<'_> {
    fn place(&self, layout: &mut Layout) {
        let module = format!("{}.py", self.folder);
        let is_package = self.project.is_folder(&self.folder);
        match (is_package, self.project.has(&module)) {
            (true, true) if !self.is_regular(&self.folder) => self.place_module(layout, &module),
            (true, _) => self.place_package(layout),
            (false, true) => self.place_module(layout, &module),
            (false, false) => layout.note(format!(
                "{} is left out: it is not where setuptools would look for it",
                self.name
            )),
        }
    }

    fn place_module(&self, layout: &mut Layout, module: &str) {
        layout.place(format!("{}.py", self.name), module);
    }

    fn place_package(&self, layout: &mut Layout) {
        let mut undecided = 0;
        for path in self.project.below(&self.folder) {
            let target = join(&self.name, &path[self.folder.len() + 1..]);
            match self.is_module(path) || self.is_implied_data(path) {
                true => layout.place(target, path),
                false => match self.data(path) {
                    Data::Installed => layout.place(target, path),
                    Data::LeftOut => {}
                    Data::Unknown => undecided += 1,
                },
            }
        }
        if undecided > 0 {
            let name = &self.name;
            layout.note(format!("{undecided} data files of {name} are left out: only setup.py knows whether they are installed; upload a wheel as well"));
        }
    }

    /// A `.py` file directly in a package's folder.
    fn is_module(&self, path: &str) -> bool {
        path.ends_with(".py")
            && self
                .package_of(path)
                .is_some_and(|folder| path[folder.len() + 1..].split('/').count() == 1)
    }

    /// What setuptools takes along by itself, from version 69.
    fn is_implied_data(&self, path: &str) -> bool {
        (path.ends_with(".pyi") || path.ends_with("/py.typed"))
            && path
                .rsplit_once('/')
                .is_some_and(|(folder, _)| self.package_of(path) == Some(folder))
    }

    fn data(&self, path: &str) -> Data {
        let Some(folder) = self.package_of(path) else {
            return Data::LeftOut;
        };
        self.config.data(&self.package(folder), &path[folder.len() + 1..])
    }

    /// The nearest folder above the file that is a package.
    fn package_of<'p>(&self, path: &'p str) -> Option<&'p str> {
        let ends = path.rmatch_indices('/').map(|(at, _)| &path[..at]);
        let inside = ends.take_while(|folder| folder.len() >= self.folder.len());
        inside.into_iter().find(|folder| self.is_package(folder))
    }

    fn is_package(&self, folder: &str) -> bool {
        let regular = || self.ancestors(folder).all(|folder| self.is_regular(folder));
        let named = || {
            self.ancestors(folder)
                .all(|folder| !folder[folder.rfind('/').map_or(0, |at| at + 1)..].contains(['.', '-']))
        };
        self.config.selects(&self.package(folder))
            && (self.config.lists_packages() || regular() || (self.has_namespaces() && named()))
    }

    /// The folder and those above it, down from the top package's.
    fn ancestors<'p>(&self, folder: &'p str) -> impl Iterator<Item = &'p str> + use<'p> {
        let shortest = self.folder.len();
        let above = folder.rmatch_indices('/').map(|(at, _)| &folder[..at]);
        std::iter::once(folder)
            .chain(above)
            .take_while(move |folder| folder.len() >= shortest)
    }

    fn is_regular(&self, folder: &str) -> bool {
        self.project.has(&format!("{folder}/__init__.py"))
    }

    fn has_namespaces(&self) -> bool {
        self.config.has_namespaces || !self.is_regular(&self.folder)
    }

    /// The dotted name of the package in a folder.
    fn package(&self, folder: &str) -> String {
        join(&self.name, folder[self.folder.len()..].trim_start_matches('/')).replace('/', ".")
    }
}

#[cfg(test)]
mod tests {
    use super::super::of_sdist;
    use super::super::tests::{board, project};

    const PYPROJECT: (&str, &str) = (
        "pyproject.toml",
        "[build-system]\nbuild-backend = 'setuptools.build_meta'\n[project]\nname = 'foo'",
    );

    #[test]
    fn top_level_names_packages_and_modules() {
        let files = [
            PYPROJECT,
            ("foo.egg-info/top_level.txt", "foo\nbar\n"),
            ("foo/__init__.py", ""),
            ("foo/a.txt", ""),
            ("bar.py", ""),
            ("tests/a.py", ""),
            ("setup.cfg", "[egg_info]"),
        ];
        assert_eq!(board(&files), ["bar.py", "foo/__init__.py", "foo/a.txt"]);
    }

    #[test]
    fn the_egg_info_folder_tells_the_root() {
        let files = [
            PYPROJECT,
            ("src/foo.egg-info/top_level.txt", "foo"),
            ("src/foo/__init__.py", ""),
            ("src/foo/sub/b.py", ""),
            ("foo/no.py", ""),
        ];
        assert_eq!(board(&files), ["foo/__init__.py", "foo/sub/b.py"]);
    }

    #[test]
    fn setup_py_alone_decides_no_data() {
        let setup = ("setup.py", "setup(package_data=find_data())");
        let files = [
            setup,
            ("MANIFEST.in", ""),
            ("foo.egg-info/top_level.txt", "foo"),
            ("foo/__init__.py", ""),
            ("foo/a.bin", ""),
        ];
        let layout = of_sdist(&project(&files), "foo");
        assert_eq!(layout.files.into_keys().collect::<Vec<_>>(), ["foo/__init__.py"]);
        assert!(layout.notes[0].starts_with("1 data files of foo are left out: only setup.py knows"));
    }

    #[test]
    fn folders_without_init_are_no_packages_for_setup_py() {
        let files = [
            ("setup.py", "setup()"),
            ("foo.egg-info/top_level.txt", "foo"),
            ("foo/__init__.py", ""),
            ("foo/scripts/x.py", ""),
            ("foo/py.typed", ""),
        ];
        assert_eq!(board(&files), ["foo/__init__.py", "foo/py.typed"]);
    }

    #[test]
    fn setup_cfg_globs_select_data() {
        let cfg = "[options]\npackages = find:\n[options.package_data]\nfoo = *.txt, data/*.bin\n";
        let files = [
            ("setup.py", "setup()"),
            ("setup.cfg", cfg),
            ("MANIFEST.in", ""),
            ("foo.egg-info/top_level.txt", "foo"),
            ("foo/__init__.py", ""),
            ("foo/a.txt", ""),
            ("foo/data/b.bin", ""),
            ("foo/c.md", ""),
        ];
        assert_eq!(board(&files), ["foo/__init__.py", "foo/a.txt", "foo/data/b.bin"]);
    }

    #[test]
    fn excluded_packages_stay_behind() {
        let pyproject = "[build-system]\nbuild-backend = 'setuptools.build_meta'\n[tool.setuptools]\ninclude-package-data = false\n[tool.setuptools.packages.find]\nexclude = ['foo.tests*']";
        let files = [
            ("pyproject.toml", pyproject),
            ("foo.egg-info/top_level.txt", "foo"),
            ("foo/__init__.py", ""),
            ("foo/tests/__init__.py", ""),
            ("foo/sub/__init__.py", ""),
        ];
        assert_eq!(board(&files), ["foo/__init__.py", "foo/sub/__init__.py"]);
    }

    #[test]
    fn listed_packages_are_all_there_is() {
        let pyproject = "[build-system]\nbuild-backend = 'setuptools.build_meta'\n[tool.setuptools]\npackages = ['foo']\ninclude-package-data = false\npackage-dir = { foo = 'lib' }";
        let files = [
            ("pyproject.toml", pyproject),
            ("lib/__init__.py", ""),
            ("lib/sub/__init__.py", ""),
        ];
        assert_eq!(board(&files), ["foo/__init__.py"]);
    }

    #[test]
    fn without_egg_info_packages_are_discovered() {
        assert_eq!(
            board(&[PYPROJECT, ("src/foo/__init__.py", ""), ("src/bar.py", "")]),
            ["bar.py", "foo/__init__.py"]
        );
        assert_eq!(
            board(&[
                PYPROJECT,
                ("foo/__init__.py", ""),
                ("tests/a.py", ""),
                ("docs/conf.py", "")
            ]),
            ["foo/__init__.py"]
        );
        let two = of_sdist(
            &project(&[PYPROJECT, ("foo/__init__.py", ""), ("bar/__init__.py", "")]),
            "foo",
        );
        assert!(two.files.is_empty() && two.notes[0].starts_with("more than one package"));
    }
}
