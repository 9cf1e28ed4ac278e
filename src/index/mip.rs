//! The index of all packages, in the form of micropython-lib's `index.json`, which mip's tools browse. Called by `catalog.rs`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::catalog::Catalog;
use super::page::json;
use super::project::Project;

#[derive(Serialize)]
struct Index<'a> {
    v: u8,
    packages: Vec<Package<'a>>,
}

#[derive(Serialize)]
struct Package<'a> {
    name: &'a str,
    version: &'a str,
    description: &'a str,
    /// By the ABI of the bytecode; the same for all of them, since sources stand in where there is none.
    versions: BTreeMap<&'static str, Vec<&'a str>>,
}

pub(super) fn index(catalog: &Catalog) -> String {
    let packages = catalog.projects().filter_map(|project| Package::new(catalog, project));
    json(&Index {
        v: 2,
        packages: packages.collect(),
    })
}

impl<'a> Package<'a> {
    fn new(catalog: &Catalog, project: &'a Project) -> Option<Self> {
        let versions: Vec<_> = project
            .releases()
            .iter()
            .filter(|release| release.is_for_boards())
            .map(|r| r.version.as_str())
            .collect();
        let latest = project.latest_for_board(catalog.latest())?;
        Some(Self {
            name: project.name().as_str(),
            version: latest.version.as_str(),
            description: latest.summary().unwrap_or_default(),
            versions: BTreeMap::from([("6", versions.clone()), ("py", versions)]),
        })
    }
}
