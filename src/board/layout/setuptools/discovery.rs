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
    let found = children(project, config, root);
    if root.is_empty() { only_one(found) } else { Ok(found) }
}

fn children(project: &Project, config: &Config, root: &str) -> BTreeSet<String> {
    let is_reserved = |name: &str, reserved: &[&str]| root.is_empty() && reserved.contains(&name);
    let mut names = BTreeSet::new();
    for child in project.children(root) {
        let path = join(root, child);
        let module = child
            .strip_suffix(".py")
            .filter(|name| !is_reserved(name, &RESERVED_MODULES) && !is_reserved(name, &RESERVED));
        let is_package =
            project.has(&format!("{path}/__init__.py")) || (config.has_namespaces && holds_modules(project, &path));
        match module {
            Some(name) => _ = names.insert(name.to_owned()),
            None if is_package && !child.contains(['.', '-']) && !is_reserved(child, &RESERVED) => {
                _ = names.insert(child.to_owned());
            }
            None => {}
        }
    }
    names
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
