//! What a project declares for setuptools in `pyproject.toml` and `setup.cfg`, and the little that can be told of a
//! `setup.py` without running it.

use std::collections::BTreeMap;

use toml::{Table, Value};

use crate::board::patterns::Globs;
use crate::board::project::{Project, folder, ini, join, string, strings, table};

type Sections = BTreeMap<String, BTreeMap<String, String>>;

/// What becomes of a data file that lies in a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Data {
    Installed,
    LeftOut,
    Unknown,
}

/// setuptools' settings, as far as they are declared.
#[derive(Debug)]
pub(super) struct Config {
    /// Whether packages or modules are declared, or left to automatic discovery.
    pub(super) is_declared: bool,
    /// `package_dir` for the root.
    pub(super) root: Option<String>,
    /// Whether folders without `__init__.py` are packages.
    pub(super) has_namespaces: bool,
    pub(super) packages: Vec<String>,
    pub(super) modules: Vec<String>,
    folders: BTreeMap<String, String>,
    include: Vec<String>,
    exclude: Vec<String>,
    /// By package, `*` for all.
    package_data: BTreeMap<String, Vec<String>>,
    exclude_data: BTreeMap<String, Vec<String>>,
    /// For data that no pattern names.
    other_data: Data,
}

impl Config {
    pub(super) fn read(project: &Project, pyproject: &Table) -> Self {
        let sections = ini(project.text("setup.cfg").unwrap_or_default());
        let by_pyproject = table(pyproject, &["tool", "setuptools"]).is_some() || pyproject.contains_key("project");
        match by_pyproject {
            true => Self::of_pyproject(pyproject),
            false => Self::of_setup(project, &sections),
        }
    }

    fn of_pyproject(pyproject: &Table) -> Self {
        let none = Table::new();
        let settings = table(pyproject, &["tool", "setuptools"]).unwrap_or(&none);
        let find = table(settings, &["packages", "find"]).unwrap_or(&none);
        let folders = string_map(table(settings, &["package-dir"]));
        let where_ = strings(find, "where").into_iter().next();
        let takes_data = settings
            .get("include-package-data")
            .and_then(Value::as_bool)
            .unwrap_or(true);
        Self {
            is_declared: true,
            root: where_
                .or_else(|| folders.get("").cloned())
                .map(|root| folder(&root).to_owned()),
            has_namespaces: find.get("namespaces").and_then(Value::as_bool).unwrap_or(true),
            packages: strings(settings, "packages"),
            modules: strings(settings, "py-modules"),
            folders,
            include: strings(find, "include"),
            exclude: strings(find, "exclude"),
            package_data: list_map(table(settings, &["package-data"])),
            exclude_data: list_map(table(settings, &["exclude-package-data"])),
            other_data: if takes_data { Data::Installed } else { Data::LeftOut },
        }
    }

    fn of_setup(project: &Project, sections: &Sections) -> Self {
        let none = BTreeMap::new();
        let section = |name: &str| sections.get(name).unwrap_or(&none);
        let options = section("options");
        let option = |key: &str| options.get(key).map(String::as_str).unwrap_or_default();
        let find = section("options.packages.find");
        let found = |key: &str| find.get(key).map(|value| words(value)).unwrap_or_default();
        let finder = option("packages").trim().trim_end_matches(':').trim();
        let setup = project.text("setup.py").unwrap_or_default();
        let folders = pairs(option("package_dir"));
        Self {
            is_declared: !finder.is_empty() || options.contains_key("py_modules"),
            root: found("where")
                .into_iter()
                .next()
                .or_else(|| folders.get("").cloned())
                .map(|root| folder(&root).to_owned()),
            has_namespaces: finder == "find_namespace" || setup.contains("find_namespace_packages"),
            packages: if finder.starts_with("find") {
                Vec::new()
            } else {
                words(finder)
            },
            modules: words(option("py_modules")),
            folders,
            include: found("include"),
            exclude: found("exclude"),
            package_data: section("options.package_data")
                .iter()
                .map(|(key, value)| (key.clone(), words(value)))
                .collect(),
            exclude_data: section("options.exclude_package_data")
                .iter()
                .map(|(key, value)| (key.clone(), words(value)))
                .collect(),
            other_data: other_data(project, option("include_package_data"), setup),
        }
    }

    /// Where a top-level name lies.
    pub(super) fn folder(&self, root: &str, name: &str) -> String {
        self.folders
            .get(name)
            .map_or_else(|| join(root, name), |declared| folder(declared).to_owned())
    }

    pub(super) fn lists_packages(&self) -> bool {
        !self.packages.is_empty()
    }

    /// Whether a package, by its dotted name, is among those declared or found.
    pub(super) fn selects(&self, package: &str) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| fnmatch(pattern, package));
        match self.lists_packages() {
            true => self.packages.iter().any(|listed| listed == package),
            false => (self.include.is_empty() || any(&self.include)) && !any(&self.exclude),
        }
    }

    /// What becomes of a data file, by its package and its path in it.
    pub(super) fn data(&self, package: &str, path: &str) -> Data {
        let named = |patterns: &BTreeMap<String, Vec<String>>| {
            ["*", "", package]
                .iter()
                .filter_map(|key| patterns.get(*key))
                .any(|globs| is_match(globs, path))
        };
        match named(&self.exclude_data) {
            true => Data::LeftOut,
            false if named(&self.package_data) => Data::Installed,
            false => self.other_data,
        }
    }
}

/// Without a `MANIFEST.in` or a version control plugin, an sdist holds only the data that are installed.
fn other_data(project: &Project, setting: &str, setup: &str) -> Data {
    let compact: String = setup.split_whitespace().collect();
    if setting.eq_ignore_ascii_case("true") || compact.contains("include_package_data=True") {
        return Data::Installed;
    }
    match compact.contains("package_data") {
        true if project.has("MANIFEST.in") || compact.contains("scm") => Data::Unknown,
        true => Data::Installed,
        false => Data::LeftOut,
    }
}

/// `fnmatch` on dotted names, where `*` matches dots too.
fn fnmatch(pattern: &str, name: &str) -> bool {
    is_match(&[pattern], name)
}

fn is_match<P: AsRef<str>>(patterns: &[P], path: &str) -> bool {
    Globs::anchored(patterns).is_ok_and(|globs| globs.matches(path))
}

fn words(value: &str) -> Vec<String> {
    value
        .split([',', '\n'])
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn pairs(value: &str) -> BTreeMap<String, String> {
    let pairs = words(value).into_iter();
    pairs
        .filter_map(|pair| {
            pair.split_once('=')
                .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
        })
        .collect()
}

fn string_map(table: Option<&Table>) -> BTreeMap<String, String> {
    let keys = table
        .into_iter()
        .flat_map(|table| table.keys().map(move |key| (table, key)));
    keys.filter_map(|(table, key)| Some((key.clone(), string(table, &[key])?.to_owned())))
        .collect()
}

fn list_map(table: Option<&Table>) -> BTreeMap<String, Vec<String>> {
    table
        .into_iter()
        .flat_map(|table| table.keys().map(move |key| (key.clone(), strings(table, key))))
        .collect()
}
