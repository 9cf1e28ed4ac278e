//! setuptools' automatic discovery, for a source tree without an egg-info folder.
//! (Source: setuptools/discovery.py.)

use std::collections::BTreeSet;

use super::config::Config;
use crate::board::project::{Project, join};

/// What the flat layout does not take for the project's own package or module.
const RESERVED: [&str; 26] = [
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
    "benchmark",
    "benchmarks",
    "exercise",
    "exercises",
];

/// Names of modules that the flat layout passes over.
const RESERVED_MODULES: [&str; 8] = [
    "setup", "conftest", "noxfile", "toxfile", "dodo", "pavement", "fabfile", "tasks",
];

/// The importable names at the root, declared or discovered.
pub(super) fn names(project: &Project, config: &Config, root: &str) -> Result<BTreeSet<String>, String> {
    let top = |package: &String| package.split('.').next().unwrap_or_default().to_owned();
    let declared: BTreeSet<String> = config.packages.iter().chain(&config.modules).map(top).collect();
    if !declared.is_empty() {
        return Ok(declared);
    }
    let (packages, modules) = (packages(project, config, root), modules(project, root));
    match root.is_empty() {
        true if packages.is_empty() => only_one(modules),
        true => only_one(packages),
        false => Ok(packages.into_iter().chain(modules).collect()),
    }
}

fn packages(project: &Project, config: &Config, root: &str) -> BTreeSet<String> {
    let is_package = |name: &&str| {
        let path = join(root, name);
        project.has(&format!("{path}/__init__.py")) || (config.has_namespaces && holds_modules(project, &path))
    };
    let is_reserved = |name: &&str| root.is_empty() && RESERVED.contains(name);
    let is_own = |name: &&str| !name.contains(['.', '-']) && !is_reserved(name);
    let names = project.children(root).into_iter();
    names.filter(is_own).filter(is_package).map(str::to_owned).collect()
}

fn modules(project: &Project, root: &str) -> BTreeSet<String> {
    let is_reserved = |name: &str| root.is_empty() && (RESERVED_MODULES.contains(&name) || RESERVED.contains(&name));
    let names = project
        .children(root)
        .into_iter()
        .filter_map(|child| child.strip_suffix(".py"));
    names.filter(|name| !is_reserved(name)).map(str::to_owned).collect()
}

fn holds_modules(project: &Project, folder: &str) -> bool {
    project.below(folder).any(|path| path.ends_with(".py"))
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
