//! upip's view of a project: `{"info":{"version":V},"releases":{V:[{"url":U}]}}` and nothing else, since every further
//! field costs the board memory. Called by `catalog.rs`.

use std::fmt::Write;

use super::catalog::{Project, Release};
use super::page::{BASE, Template};
use crate::config::Latest;

/// `limit` newest releases, 0 for all, each with exactly one file. Without a release for upip: nothing, so that the
/// board asks its next index.
pub(super) fn template(project: &Project, latest: Latest, limit: usize) -> Template {
    let installable = |release: &Release| release.sdist_for_upip().is_some();
    let newest_first = project.releases().iter().rev().filter(|release| installable(release));
    let listed: Vec<_> = newest_first.take(if limit == 0 { usize::MAX } else { limit }).collect();
    let stable = || listed.iter().find(|release| release.version.is_stable());
    let chosen = match latest {
        Latest::Newest => listed.first(),
        Latest::Stable => stable().or(listed.first()),
    };
    let Some(chosen) = chosen else {
        return Template::default();
    };
    let mut json = format!(r#"{{"info":{{"version":{}}},"releases":{{"#, quoted(chosen));
    for (position, release) in listed.iter().enumerate() {
        let file = release.sdist_for_upip().expect("only such releases are listed");
        let comma = if position == 0 { "" } else { "," };
        write!(
            json,
            r#"{comma}{}:[{{"url":"{BASE}/packages/{}"}}]"#,
            quoted(release),
            file.url_path()
        )
        .expect("a string takes every character");
    }
    json.push_str("}}");
    Template::new(&json)
}

/// Versions of old files can be any text.
fn quoted(release: &Release) -> String {
    serde_json::Value::from(release.version.as_str()).to_string()
}
