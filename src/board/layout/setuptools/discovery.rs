//! setuptools' automatic discovery, for a source tree without an egg-info folder.
//! (Source: setuptools/discovery.py.)

use std::collections::{BTreeMap, BTreeSet};

use super::settings::Settings;
use crate::board::source_tree::{SourceTree, folder, join};

/// Folders that the flat layout does not take for the project's own package.
const RESERVED_PACKAGES: [&str; 34] = [
    "ci",
    "bin",
    "debian",
    "doc",
    "docs",
    "documentation",
    "manpages",
    "news",
    "newsfragments",
    "changelog",
    "test",
    "tests",
    "unit_test",
    "unit_tests",
    "example",
    "examples",
    "scripts",
    "tools",
    "util",
    "utils",
    "python",
    "build",
    "dist",
    "venv",
    "env",
    "requirements",
    "tasks",
    "fabfile",
    "site_scons",
    "benchmark",
    "benchmarks",
    "exercise",
    "exercises",
    "htmlcov",
];

/// Names of modules that the flat layout passes over.
const RESERVED_MODULES: [&str; 21] = [
    "setup",
    "conftest",
    "test",
    "tests",
    "example",
    "examples",
    "build",
    "toxfile",
    "noxfile",
    "pavement",
    "dodo",
    "tasks",
    "fabfile",
    "SConstruct",
    "sconstruct",
    "conanfile",
    "manage",
    "benchmark",
    "benchmarks",
    "exercise",
    "exercises",
];

/// The importable names at the root, declared or discovered.
pub(super) fn names(tree: &SourceTree, settings: &Settings, root: &str) -> Result<BTreeSet<String>, String> {
    let top = |package: &String| package.split('.').next().unwrap_or_default().to_owned();
    let declared: BTreeSet<String> = settings.packages.iter().chain(&settings.modules).map(top).collect();
    if !declared.is_empty() {
        return Ok(declared);
    }
    let mut packages = packages(tree, root, settings.has_namespaces);
    let mut modules = modules(tree, root);
    if root.is_empty() {
        packages.retain(|name| !is_reserved(name, &RESERVED_PACKAGES));
        modules.retain(|name| !is_reserved(name, &RESERVED_MODULES));
    }
    match root.is_empty() {
        true if packages.is_empty() => only_one(modules),
        true => only_one(packages),
        false => Ok(packages.into_iter().chain(modules).collect()),
    }
}

/// The packages below several roots, and where they lie. Of two of one name, setuptools looks for the last.
pub(super) fn below(tree: &SourceTree, roots: &[String], has_namespaces: bool) -> BTreeMap<String, String> {
    let mut roots: Vec<_> = roots.iter().map(|root| folder(root)).collect();
    let mut seen = BTreeSet::new();
    roots.retain(|root| seen.insert(*root));
    let packages = roots.into_iter().flat_map(|root| {
        let names = packages(tree, root, has_namespaces).into_iter();
        names.map(move |name| (name.clone(), join(root, &name)))
    });
    packages.collect()
}

fn packages(tree: &SourceTree, root: &str, has_namespaces: bool) -> BTreeSet<String> {
    let is_package = |name: &&str| {
        let path = join(root, name);
        tree.has(&format!("{path}/__init__.py")) || (has_namespaces && holds_modules(tree, &path))
    };
    let is_own = |name: &&str| !name.contains(['.', '-']);
    let names = tree.children(root).into_iter();
    names.filter(is_own).filter(is_package).map(str::to_owned).collect()
}

fn modules(tree: &SourceTree, root: &str) -> BTreeSet<String> {
    let files = tree.children(root).into_iter();
    let names = files.filter_map(|file| file.strip_suffix(".py"));
    names.map(str::to_owned).collect()
}

fn is_reserved(name: &str, list: &[&str]) -> bool {
    name.starts_with(['_', '.']) || list.contains(&name)
}

fn holds_modules(tree: &SourceTree, folder: &str) -> bool {
    tree.below(folder).any(|path| path.ends_with(".py"))
}

fn only_one(found: BTreeSet<String>) -> Result<BTreeSet<String>, String> {
    match found.len() {
        1 => Ok(found),
        0 => Err("there is no package and no module in the sdist".to_owned()),
        _ => Err(format!(
            "more than one package or module at the top ({}): setuptools asks to list them in pyproject.toml",
            found.into_iter().collect::<Vec<_>>().join(", ")
        )),
    }
}
