//! setuptools: `top_level.txt` tells the names, the egg-info folder tells where they lie, and the configuration,
//! where it is declared and not computed in `setup.py`, tells the packages and their data.
//! (Source: setuptools' user guide, "Package Discovery" and "Data Files Support"; command/build_py.py.)

mod discovery;
mod settings;
mod setup_py;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use toml::Table;

use self::settings::{Data, Settings};
use super::{Layout, MAX_NAMED, too_many};
use crate::board::path::MAX_PATH;
use crate::board::source_tree::{SourceTree, join};

/// Whether the project declares its packages in `pyproject.toml` or `setup.cfg`; what cannot be read declares some.
pub(super) fn is_configured(tree: &SourceTree, pyproject: &Table) -> bool {
    Settings::read(tree, pyproject).map_or(true, |settings| settings.is_declared)
}

pub(super) fn layout(tree: &SourceTree, pyproject: &Table) -> Layout {
    let mut settings = match Settings::read(tree, pyproject) {
        Ok(settings) => settings,
        Err(error) => return Layout::undecided(error.to_string()),
    };
    if settings.roots.len() > 1 {
        settings.add(discovery::below(tree, &settings.roots, settings.has_namespaces));
    }
    let root = root(tree, &settings);
    let names = match names(tree, &settings, &root) {
        Ok(names) => names,
        Err(note) => return Layout::undecided(note),
    };
    let mut layout = Layout::default();
    let mislisted = settings.mend(&root, |path| is_package(tree, path)).join(", ");
    if !mislisted.is_empty() {
        layout.note(format!(
            "listed as modules, but packages, so that pip leaves them out; boards get them: {mislisted}"
        ));
    }
    for name in names {
        match settings.folder(&root, &name) {
            folder if folder.is_empty() => place_top_itself(tree, &settings, &name, &mut layout),
            folder => Top {
                tree,
                settings: &settings,
                name,
                folder,
                known: RefCell::default(),
            }
            .place(&mut layout),
        }
    }
    place_dotted_modules(tree, &settings, &root, &mut layout);
    take_out_namespaces(tree, &mut layout);
    layout
}

/// Whether what a module's path leads to, without the `.py`, is a package in truth.
fn is_package(tree: &SourceTree, path: &str) -> bool {
    tree.has(&format!("{path}/__init__.py")) && !tree.has(&format!("{path}.py"))
}

/// The `__init__.py` of a package that several projects share, and of those above it: it asks for `pkg_resources`, and
/// setuptools installs it nowhere. (Source: setuptools' command/install_lib.py.)
fn take_out_namespaces(tree: &SourceTree, layout: &mut Layout) {
    let text = tree.egg_info_text("namespace_packages.txt").unwrap_or_default();
    let folder = |name: &str| format!("{}/", name.trim().replace('.', "/"));
    let shared: BTreeSet<String> = text.lines().take(MAX_NAMED).map(folder).collect();
    layout.files.retain(|target, _| {
        let Some(package) = target.strip_suffix("/__init__.py") else {
            return true;
        };
        let package = format!("{package}/");
        // Those below it come next.
        let next = shared.range(package.clone()..).next();
        !next.is_some_and(|shared| shared.starts_with(&package))
    });
}

/// The importable names at the root, and those below that lie elsewhere.
fn names(tree: &SourceTree, settings: &Settings, root: &str) -> Result<BTreeSet<String>, String> {
    let mut names: BTreeSet<String> = match tree.egg_info_text("top_level.txt") {
        Some(text) => text
            .lines()
            .map(|line| line.trim().replace('\\', "/"))
            .filter(|line| !line.is_empty())
            .collect(),
        None => discovery::names(tree, settings, root)?,
    };
    names.extend(settings.moved());
    // The root as a package, '', has no name that top_level.txt could tell.
    names.extend(settings.packages.get("").cloned());
    match names.len() {
        ..=MAX_NAMED => Ok(names),
        _ => Err(too_many()),
    }
}

/// A package of which the sdist's top is the folder. What there is part of it is plain only of modules of listed packages.
/// setuptools takes `setup.py` for one of them, for which no board has a use.
fn place_top_itself(tree: &SourceTree, settings: &Settings, name: &str, layout: &mut Layout) {
    let below = |package: &String| {
        let rest = package.strip_prefix(name)?;
        (rest.is_empty() || rest.starts_with('.')).then(|| rest.replace('.', "/"))
    };
    let listed: BTreeSet<String> = if settings.is_listed {
        settings.packages.iter().filter_map(below).collect()
    } else {
        BTreeSet::new()
    };
    let is_module = |member: &String| member.ends_with(".py") && member != "setup.py" && tree.has(member);
    for folder in listed.iter().map(|folder| folder.trim_start_matches('/')) {
        let members = tree.children(folder).into_iter().map(|child| join(folder, child));
        for member in members.filter(is_module) {
            layout.place(join(name, &member), &member);
        }
    }
    if listed.is_empty() || settings.may_have_data() {
        layout.note(format!("the package '{name}' is the sdist's top itself: of it, boards get only modules of packages that are listed; upload a wheel as well"));
    }
}

/// Modules that are listed by themselves and lie in a package: they bring its `__init__.py`, and nothing else of it.
fn place_dotted_modules(tree: &SourceTree, settings: &Settings, root: &str, layout: &mut Layout) {
    for module in settings.modules.iter().map(|module| module.replace('.', "/")) {
        let Some((package, name)) = module.rsplit_once('/') else {
            continue;
        };
        let folder = settings.folder(root, package);
        for file in [format!("{name}.py"), "__init__.py".to_owned()] {
            let member = join(&folder, &file);
            if tree.has(&member) {
                layout.place(join(package, &file), &member);
            }
        }
    }
}

/// The folder that stands for the root of the packages.
fn root(tree: &SourceTree, settings: &Settings) -> String {
    let parent = |folder: &str| folder.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned();
    let by_egg_info = || tree.egg_info().map(parent);
    let by_layout = || if tree.is_folder("src") { "src" } else { "" }.to_owned();
    settings.root.clone().or_else(by_egg_info).unwrap_or_else(by_layout)
}

/// One importable name at the root: a module, or a package with all that is below it.
struct Top<'a> {
    tree: &'a SourceTree,
    settings: &'a Settings,
    name: String,
    /// Where the package lies.
    folder: String,
    /// Which folders are packages.
    known: RefCell<BTreeMap<String, bool>>,
}

impl Top<'_> {
    fn place(&self, layout: &mut Layout) {
        let module = format!("{}.py", self.folder);
        let is_package = self.tree.is_folder(&self.folder);
        match (is_package, self.tree.has(&module)) {
            (true, true) if !self.is_regular(&self.folder) || !self.is_package(&self.folder) => {
                self.place_module(layout, &module);
            }
            (true, _) => self.place_package(layout),
            (false, true) => self.place_module(layout, &module),
            // Type hints (PEP 561).
            (false, false) if self.name.ends_with("-stubs") => {}
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
        for path in self.tree.below(&self.folder) {
            let target = join(&self.name, &path[self.folder.len() + 1..]);
            if self.is_module(path) {
                layout.place(target, path);
            } else {
                match self.other(path) {
                    Data::Installed => layout.place(target, path),
                    Data::LeftOut => {}
                    Data::Unknown => undecided += 1,
                }
            }
        }
        if undecided > 0 {
            let name = &self.name;
            layout.note(format!("{undecided} files of {name} are left out: only setup.py knows whether they are installed; upload a wheel as well"));
        }
    }

    /// A `.py` file directly in a package's folder.
    fn is_module(&self, path: &str) -> bool {
        path.ends_with(".py") && self.packages_of(path).next() == self.folders(path).next()
    }

    /// What becomes of a file that is no module of a package.
    fn other(&self, path: &str) -> Data {
        let packages = self.packages_of(path);
        let data = self
            .settings
            .data(packages.map(|folder| (self.package(folder), &path[folder.len() + 1..])));
        if path.ends_with(".py") {
            data.max(self.settings.other_modules)
        } else {
            data
        }
    }

    /// The folders above a file that are packages, the nearest first.
    fn packages_of<'p>(&self, path: &'p str) -> impl Iterator<Item = &'p str> {
        self.folders(path).filter(|folder| self.is_package(folder))
    }

    /// The folders above a file, the nearest first. Of a path that no board takes, only those that it could take.
    fn folders<'p>(&self, path: &'p str) -> impl Iterator<Item = &'p str> + use<'p> {
        let shortest = self.folder.len();
        let end = path.floor_char_boundary(shortest + 1 + MAX_PATH);
        let ends = path[..end].rmatch_indices('/').map(|(at, _)| &path[..at]);
        ends.take_while(move |folder| folder.len() >= shortest)
    }

    fn is_package(&self, folder: &str) -> bool {
        if let Some(known) = self.known.borrow().get(folder) {
            return *known;
        }
        let is_package = self.looks_like_package(folder);
        self.known.borrow_mut().insert(folder.to_owned(), is_package);
        is_package
    }

    fn looks_like_package(&self, folder: &str) -> bool {
        let regular = || self.ancestors(folder).all(|folder| self.is_regular(folder));
        let named = || {
            self.ancestors(folder)
                .all(|folder| !folder[folder.rfind('/').map_or(0, |at| at + 1)..].contains(['.', '-']))
        };
        self.settings.selects(&self.package(folder))
            && (self.settings.is_listed || regular() || (self.has_namespaces() && named()))
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
        self.tree.has(&format!("{folder}/__init__.py"))
    }

    fn has_namespaces(&self) -> bool {
        self.settings.has_namespaces || !self.is_regular(&self.folder)
    }

    /// The dotted name of the package in a folder.
    fn package(&self, folder: &str) -> String {
        join(&self.name, folder[self.folder.len()..].trim_start_matches('/')).replace('/', ".")
    }
}

#[cfg(test)]
mod tests;
