//! What a project declares for setuptools in `pyproject.toml` and `setup.cfg`, and beside them in `setup.py`.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::setup_py::{Listed, literal_lists, literal_map, literals};
use crate::board::declared::{ini, string, strings, table};
use crate::board::patterns::{Globs, PatternError, check_length};
use crate::board::source_tree::{SourceTree, folder, join};

type Sections = BTreeMap<String, BTreeMap<String, String>>;

/// What becomes of a data file that lies in a package, by rising certainty that a board gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Data {
    LeftOut,
    Unknown,
    Installed,
}

/// setuptools' settings, as far as they are declared.
#[derive(Debug)]
pub(super) struct Settings {
    /// Whether packages or modules are declared, or left to automatic discovery.
    pub(super) is_declared: bool,
    /// `package_dir` for the root.
    pub(super) root: Option<String>,
    /// Where packages are looked for, as declared.
    pub(super) roots: Vec<String>,
    /// Whether folders without `__init__.py` are packages.
    pub(super) has_namespaces: bool,
    /// Whether the packages and modules are all listed, and none are looked for.
    pub(super) is_listed: bool,
    /// A set, for each folder is looked up in it, and both can be many.
    pub(super) packages: BTreeSet<String>,
    pub(super) modules: Vec<String>,
    /// Packages that are listed as modules.
    mislisted: BTreeSet<String>,
    folders: BTreeMap<String, String>,
    /// All, where there are no patterns.
    include: Option<Globs>,
    exclude: Globs,
    /// By package, `*` for all.
    package_data: BTreeMap<String, Globs>,
    exclude_data: BTreeMap<String, Globs>,
    /// For data that no pattern names.
    other_data: Data,
    /// For modules in folders that are no packages.
    pub(super) other_modules: Data,
}

impl Settings {
    pub(super) fn read(tree: &SourceTree, pyproject: &Table) -> Result<Self, PatternError> {
        match table(pyproject, &["tool", "setuptools"]) {
            Some(settings) => Self::of_pyproject(settings),
            None => {
                let sections = ini(tree.text("setup.cfg").unwrap_or_default());
                Self::of_setup(tree, &sections, pyproject.contains_key("project"))
            }
        }
    }

    fn of_pyproject(settings: &Table) -> Result<Self, PatternError> {
        let none = Table::new();
        let find = table(settings, &["packages", "find"]).unwrap_or(&none);
        let folders = string_map(table(settings, &["package-dir"]));
        let takes_data = settings
            .get("include-package-data")
            .and_then(Value::as_bool)
            .unwrap_or(true);
        let [packages, modules] = ["packages", "py-modules"].map(|key| strings(settings, key));
        let roots = strings(find, "where");
        let root = match &roots[..] {
            [] => folders.get("").cloned(),
            [root] => Some(root.clone()),
            _ => Some(folders.get("").cloned().unwrap_or_default()),
        };
        let is_found = table(settings, &["packages"]).is_some();
        Ok(Self {
            is_declared: true,
            root: root.map(|root| folder(&root).to_owned()),
            roots,
            has_namespaces: find.get("namespaces").and_then(Value::as_bool).unwrap_or(true),
            is_listed: !is_found && [&packages, &modules].iter().any(|list| !list.is_empty()),
            packages: packages.into_iter().collect(),
            modules,
            mislisted: BTreeSet::new(),
            folders,
            include: included(&strings(find, "include"))?,
            exclude: Globs::names(&strings(find, "exclude"))?,
            package_data: by_package(list_map(table(settings, &["package-data"])), Globs::files)?,
            exclude_data: by_package(list_map(table(settings, &["exclude-package-data"])), Globs::names)?,
            other_data: if takes_data { Data::Installed } else { Data::LeftOut },
            other_modules: Data::LeftOut,
        })
    }

    /// From `setup.cfg` and `setup.py`, beside which `pyproject.toml` may have the metadata.
    fn of_setup(tree: &SourceTree, sections: &Sections, has_metadata: bool) -> Result<Self, PatternError> {
        let none = BTreeMap::new();
        let section = |name: &str| sections.get(name).unwrap_or(&none);
        let options = section("options");
        let option = |key: &str| options.get(key).map(String::as_str).unwrap_or_default();
        let find = section("options.packages.find");
        let found = |key: &str| find.get(key).map(|value| words(value)).unwrap_or_default();
        let finder = option("packages").trim().trim_end_matches(':').trim();
        let setup: String = tree.text("setup.py").unwrap_or_default().split_whitespace().collect();
        // setup.py goes first.
        let folders = literal_map(&setup, "package_dir").unwrap_or_else(|| pairs(option("package_dir")));
        let lists = |section_name: &str, keyword: &str| {
            let entries = section(section_name).iter();
            let entries = entries.map(|(package, value)| (package.clone(), words(value)));
            entries
                .chain(literal_lists(&setup, keyword).unwrap_or_default())
                .collect()
        };
        let packages = match finder {
            "" => literals(&setup, "packages"),
            finder if finder.starts_with("find") => Listed::Found,
            finder => Listed::Names(words(finder)),
        };
        let modules = match option("py_modules") {
            "" => literals(&setup, "py_modules"),
            names => Listed::Names(words(names)),
        };
        let is_discovered = matches!((&packages, &modules), (Listed::Nothing, Listed::Nothing));
        let is_computed = matches!(packages, Listed::Computed) || matches!(modules, Listed::Computed);
        let is_found = matches!(packages, Listed::Found);
        let (packages, modules) = (packages.names(), modules.names());
        Ok(Self {
            is_declared: has_metadata || !finder.is_empty() || options.contains_key("py_modules"),
            // Of more than one, setuptools takes the first, too.
            root: found("where")
                .into_iter()
                .next()
                .or_else(|| folders.get("").cloned())
                .map(|root| folder(&root).to_owned()),
            roots: Vec::new(),
            has_namespaces: is_discovered || finder == "find_namespace" || setup.contains("find_namespace_packages"),
            is_listed: !is_computed && !is_found && [&packages, &modules].iter().any(|list| !list.is_empty()),
            // The top itself has two names.
            packages: packages
                .into_iter()
                .map(|name| if name == "." { String::new() } else { name })
                .collect(),
            modules,
            mislisted: BTreeSet::new(),
            folders,
            include: included(&found("include"))?,
            exclude: Globs::names(&found("exclude"))?,
            package_data: by_package(lists("options.package_data", "package_data"), Globs::files)?,
            exclude_data: by_package(
                lists("options.exclude_package_data", "exclude_package_data"),
                Globs::names,
            )?,
            other_data: other_data(tree, option("include_package_data"), &setup, has_metadata),
            other_modules: computed_if(is_computed, tree, &setup),
        })
    }

    /// Takes in packages that were found, and where they lie.
    pub(super) fn add(&mut self, found: BTreeMap<String, String>) {
        self.packages.extend(found.keys().cloned());
        self.folders.extend(found);
    }

    /// Takes the modules whose paths lead to packages for what they are, and gives their names.
    pub(super) fn mend(&mut self, root: &str, is_package: impl Fn(&str) -> bool) -> Vec<&str> {
        let is_mislisted = |module: &&String| is_package(&self.folder(root, &module.replace('.', "/")));
        let mislisted = self.modules.iter().filter(is_mislisted);
        self.mislisted = mislisted.map(|module| module.replace('/', ".")).collect();
        self.mislisted.iter().map(String::as_str).collect()
    }

    /// Where the package of a path of names lies.
    pub(super) fn folder(&self, root: &str, name: &str) -> String {
        self.folders
            .get(&name.replace('/', "."))
            .map_or_else(|| join(root, name), |declared| folder(declared).to_owned())
    }

    /// Packages below another that lie elsewhere, as paths of names.
    pub(super) fn moved(&self) -> impl Iterator<Item = String> {
        let packages = self
            .packages
            .iter()
            .filter(|package| self.folders.contains_key(*package));
        packages
            .filter(|package| package.contains('.'))
            .map(|package| package.replace('.', "/"))
    }

    /// Whether data files are installed at all.
    pub(super) fn may_have_data(&self) -> bool {
        self.other_data != Data::LeftOut || !self.package_data.is_empty()
    }

    /// Whether a package, by its dotted name, is among those declared or found.
    pub(super) fn selects(&self, package: &str) -> bool {
        if self.is_listed {
            self.packages.contains(package) || with_parents(package).any(|package| self.mislisted.contains(package))
        } else {
            self.include.as_ref().is_none_or(|globs| globs.matches(package)) && !self.exclude.matches(package)
        }
    }

    /// What becomes of a data file, by the packages around it, the nearest first, and its path in each. Any of them may
    /// name it; what none names goes with the nearest.
    pub(super) fn data<'a>(&self, packages: impl Iterator<Item = (String, &'a str)>) -> Data {
        let ways = packages.enumerate().map(|(distance, (package, path))| {
            let named = |globs: &BTreeMap<String, Globs>| {
                let keys = ["*", "", &package];
                keys.iter()
                    .filter_map(|key| globs.get(*key))
                    .any(|globs| globs.matches(path))
            };
            match named(&self.exclude_data) {
                true => Data::LeftOut,
                false if named(&self.package_data) => Data::Installed,
                false if distance == 0 => self.other_data,
                false => Data::LeftOut,
            }
        });
        ways.max().unwrap_or(Data::LeftOut)
    }
}

/// A package and those that it lies in.
fn with_parents(package: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(package), |package| Some(package.rsplit_once('.')?.0))
}

fn included(patterns: &[String]) -> Result<Option<Globs>, PatternError> {
    (!patterns.is_empty()).then(|| Globs::names(patterns)).transpose()
}

fn by_package(
    lists: BTreeMap<String, Vec<String>>,
    read: fn(&[String]) -> Result<Globs, PatternError>,
) -> Result<BTreeMap<String, Globs>, PatternError> {
    check_length(lists.keys().chain(lists.values().flatten()).map(String::as_str))?;
    let globs = lists
        .into_iter()
        .map(|(package, patterns)| Ok((package, read(&patterns)?)));
    globs.collect()
}

/// `[project]` in `pyproject.toml` has data included unless something says otherwise.
fn other_data(tree: &SourceTree, setting: &str, setup: &str, has_metadata: bool) -> Data {
    let is_set = ["1", "true", "yes"].iter().any(|yes| setting.eq_ignore_ascii_case(yes));
    let is_default = has_metadata && setting.is_empty() && !setup.contains("include_package_data=");
    if is_set || is_default || setup.contains("include_package_data=True") {
        return Data::Installed;
    }
    // upip unpacks what is listed as data_files where it lies.
    let names_data = ["package_data", "data_files="]
        .iter()
        .any(|keyword| setup.contains(keyword));
    match computed_if(names_data, tree, setup) {
        Data::Unknown if literal_lists(setup, "package_data").is_some() && !setup.contains("data_files=") => {
            Data::LeftOut
        }
        data => data,
    }
}

/// What `setup.py` works out: without a `MANIFEST.in` or a version control plugin, an sdist holds only what is installed.
fn computed_if(is_computed: bool, tree: &SourceTree, setup: &str) -> Data {
    match is_computed {
        false => Data::LeftOut,
        true if tree.has("MANIFEST.in") || setup.contains("scm") => Data::Unknown,
        true => Data::Installed,
    }
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
