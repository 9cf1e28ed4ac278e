//! The Simple API's pages: PEP 503 (HTML), PEP 691 (JSON), with PEP 592 (yanked), PEP 658 and 714 (core metadata),
//! PEP 700 (versions, sizes, upload times). Called by `catalog.rs` and `project.rs`; `http/` lists all files by [`anchor`].

use std::collections::BTreeMap;

use maud::{DOCTYPE, Markup, html};
use serde::Serialize;

use super::catalog::Catalog;
use super::page::{Depth, Format, json};
use super::project::{File, Project};
use crate::dist::Hex;

/// The version of the Simple API that the pages keep to.
const API_VERSION: &str = "1.1";

/// `base` is the URL of the server, with a slash at its end: relative to the page, or absolute.
pub(super) fn project(project: &Project, format: Format, base: &str) -> String {
    match format {
        Format::Html => project_html(project, base),
        Format::Json => json(&ProjectJson::new(project, base)),
    }
}

pub(super) fn root(catalog: &Catalog, format: Format, depth: Depth) -> String {
    match format {
        Format::Html => root_html(catalog, depth),
        Format::Json => json(&RootJson::new(catalog)),
    }
}

fn url(file: &File, base: &str) -> String {
    format!("{base}packages/{}", file.url_path())
}

fn document(title: &str, head: &Markup, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="pypi:repository-version" content=(API_VERSION);
                (head)
                title { (title) }
            }
            body {
                h1 { (title) }
                (body)
            }
        }
    };
    page.into_string()
}

fn project_html(project: &Project, base: &str) -> String {
    let title = format!("Links for {}", project.name());
    let links = html! {
        @for file in project.files() { (anchor(file, &url(file, base), file.name.as_str())) }
    };
    document(&title, &html! {}, &links)
}

/// A link to a file, with what pip and uv must know before they choose it.
pub fn anchor(file: &File, url: &str, text: &str) -> Markup {
    let metadata = file
        .core_metadata()
        .map(|known| format!("sha256={}", Hex(&known.sha256)));
    html! {
        a href=(format!("{url}#sha256={}", file.digests.sha256_hex()))
            data-requires-python=[file.metadata.as_ref().and_then(|known| known.requires_python.as_deref())]
            data-core-metadata=[metadata.as_deref()]
            data-dist-info-metadata=[metadata.as_deref()]
            data-gpg-sig=[file.is_signed().then_some("true")]
            data-yanked=[file.yanked.as_deref()] { (text) }
        br; "\n"
    }
}

fn root_html(catalog: &Catalog, depth: Depth) -> String {
    // `/simple` has no slash at its end, so its links need the last part again.
    let prefix = if depth == Depth::Zero { "simple/" } else { "" };
    let links = html! {
        @for project in catalog.projects() {
            a href=(format!("{prefix}{}/", project.name())) { (project.name()) }
            br; "\n"
        }
    };
    // For people, who come here from the home page. Those of projects are pip's, and are asked for all the time.
    let head = html! {
        meta name="viewport" content="width=device-width";
        meta name="color-scheme" content="light dark";
        link rel="icon" href="data:,";
    };
    document("Simple index", &head, &links)
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Meta {
    api_version: &'static str,
}

const META: Meta = Meta {
    api_version: API_VERSION,
};

#[derive(Serialize)]
struct RootJson<'a> {
    meta: Meta,
    projects: Vec<RootProject<'a>>,
}

#[derive(Serialize)]
struct RootProject<'a> {
    name: &'a str,
}

impl<'a> RootJson<'a> {
    fn new(catalog: &'a Catalog) -> Self {
        let projects = catalog.projects().map(|project| RootProject {
            name: project.name().as_str(),
        });
        Self {
            meta: META,
            projects: projects.collect(),
        }
    }
}

#[derive(Serialize)]
struct ProjectJson<'a> {
    meta: Meta,
    name: &'a str,
    versions: Vec<&'a str>,
    files: Vec<FileJson<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct FileJson<'a> {
    filename: &'a str,
    url: String,
    hashes: BTreeMap<&'static str, String>,
    size: u64,
    upload_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    requires_python: Option<&'a str>,
    /// Not by its older name, `dist-info-metadata`, too: on that, pip 22.3 to 23.1.2 fail (PEP 714).
    #[serde(skip_serializing_if = "Option::is_none")]
    core_metadata: Option<BTreeMap<&'static str, String>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    gpg_sig: bool,
    yanked: Yanked<'a>,
}

/// PEP 691: false, true, or the reason.
#[derive(Serialize)]
#[serde(untagged)]
enum Yanked<'a> {
    Plain(bool),
    Because(&'a str),
}

impl<'a> ProjectJson<'a> {
    fn new(project: &'a Project, base: &str) -> Self {
        Self {
            meta: META,
            name: project.name().as_str(),
            versions: project
                .releases()
                .iter()
                .map(|release| release.version.as_str())
                .collect(),
            files: project.files().map(|file| FileJson::new(file, base)).collect(),
        }
    }
}

impl<'a> FileJson<'a> {
    fn new(file: &'a File, base: &str) -> Self {
        let metadata = file.metadata.as_ref();
        Self {
            filename: file.name.as_str(),
            url: url(file, base),
            hashes: BTreeMap::from([("sha256", file.digests.sha256_hex().to_string())]),
            size: file.stamp.size,
            upload_time: upload_time(file),
            requires_python: metadata.and_then(|known| known.requires_python.as_deref()),
            core_metadata: file
                .core_metadata()
                .map(|known| BTreeMap::from([("sha256", Hex(&known.sha256).to_string())])),
            gpg_sig: file.is_signed(),
            yanked: match file.yanked.as_deref() {
                None => Yanked::Plain(false),
                Some("") => Yanked::Plain(true),
                Some(reason) => Yanked::Because(reason),
            },
        }
    }
}

/// When the content came here, as PEP 700 writes it: UTC, ISO 8601, at most six digits of a second.
pub(super) fn upload_time(file: &File) -> String {
    let microseconds = file.stamp.modified.div_euclid(1_000);
    let time = jiff::Timestamp::from_microsecond(microseconds).unwrap_or_default();
    time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}
