//! upip's view of a project: `{"info":{"version":V},"releases":{V:[{"url":U}]}}` and nothing else, since every further
//! field costs the board memory. Called by `project.rs` and `pypi_json.rs`.

use std::fmt::Write;

use super::catalog::Rules;
use super::page::{BASE, Template};
use super::project::{Project, Release, chosen};
use crate::config::Upip;

/// Stands for the version of a project whose releases were all yanked. upip then installs none but one that is named, as pip
/// does, and its KeyError shows this word.
const ALL_YANKED: &str = "yanked";

/// The newest releases, each with exactly one file. Without a release for upip: nothing, so that the board asks its
/// next index.
pub(super) fn template(project: &Project, rules: Rules) -> Template {
    let named = |release| Some((release, path(project, release, rules.upip)?));
    let (yanked, mut current): (Vec<_>, Vec<_>) = project
        .releases()
        .iter()
        .rev()
        .filter_map(named)
        .partition(|(r, _)| r.is_yanked());
    if current.is_empty() && (yanked.is_empty() || rules.upip_releases != 0) {
        return Template::default();
    }
    let latest = chosen(current.iter().map(|(release, _)| *release), rules.latest);
    let latest = latest.map_or_else(|| format!("{ALL_YANKED:?}"), quoted);
    rules.leave_for_upip(&mut current, |(release, _)| &release.version);
    // One that was yanked is for those who name it.
    let yanked = yanked.iter().filter(|_| rules.upip_releases == 0);
    let listed = current.iter().chain(yanked);
    let mut json = format!(r#"{{"info":{{"version":{latest}}},"releases":{{"#);
    for (position, (release, path)) in listed.enumerate() {
        let comma = if position == 0 { "" } else { "," };
        write!(json, r#"{comma}{}:[{{"url":"{BASE}/{path}"}}]"#, quoted(release))
            .expect("a string takes every character");
    }
    json.push_str("}}");
    Template::new(&json)
}

/// The path of the one file of a release, below the base URL.
pub(super) fn path(project: &Project, release: &Release, upip: Upip) -> Option<String> {
    match upip {
        Upip::Original => Some(format!("packages/{}", release.sdist()?.url_path())),
        Upip::Tarball => {
            let path = || format!("boards/{}/{}.tar.gz", project.name(), release.version);
            release.is_for_boards().then(path)
        }
    }
}

/// Versions of old files can be any text.
fn quoted(release: &Release) -> String {
    serde_json::Value::from(release.version.as_str()).to_string()
}
