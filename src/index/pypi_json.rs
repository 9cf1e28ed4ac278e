//! The shape of PyPI's JSON API for host tools; yet with one file per release under `releases`, and absolute URLs, so
//! that upip's stock path `/pypi/{project}/json` works. Called by `http/json.rs`.

use std::collections::BTreeMap;
use std::io;

use serde::Serialize;

use super::page::json;
use super::simple::upload_time;
use super::{Catalog, File, Index, Project, Release, upip};
use crate::dist::{CoreMetadata, DistKind};

#[derive(Serialize)]
struct ProjectJson<'a> {
    info: Info<'a>,
    last_serial: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    releases: Option<BTreeMap<&'a str, [OneFile; 1]>>,
    urls: Vec<FileJson<'a>>,
    vulnerabilities: [(); 0],
}

/// All that upip reads of a file, and the mark by which host tools pass over a release. They take their files from
/// `urls`: what a board gets has digests of its own.
#[derive(Serialize)]
struct OneFile {
    url: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    yanked: bool,
}

#[derive(Serialize)]
struct Info<'a> {
    name: &'a str,
    version: &'a str,
    summary: Option<&'a str>,
    description: &'a str,
    description_content_type: Option<&'a str>,
    author: Option<&'a str>,
    author_email: Option<&'a str>,
    maintainer: Option<&'a str>,
    maintainer_email: Option<&'a str>,
    license: Option<&'a str>,
    license_expression: Option<&'a str>,
    keywords: Option<&'a str>,
    home_page: Option<&'a str>,
    download_url: Option<&'a str>,
    project_urls: Option<BTreeMap<&'a str, &'a str>>,
    classifiers: &'a [String],
    requires_dist: Option<&'a [String]>,
    requires_python: Option<&'a str>,
    provides_extra: Option<&'a [String]>,
    yanked: bool,
    yanked_reason: Option<&'a str>,
    package_url: String,
    project_url: String,
    release_url: String,
}

#[derive(Serialize)]
struct FileJson<'a> {
    filename: &'a str,
    url: String,
    packagetype: &'static str,
    python_version: &'a str,
    size: u64,
    digests: BTreeMap<&'static str, String>,
    md5_digest: String,
    requires_python: Option<&'a str>,
    upload_time: String,
    upload_time_iso_8601: String,
    has_sig: bool,
    yanked: bool,
    yanked_reason: Option<&'a str>,
    comment_text: &'static str,
}

impl Index {
    /// PyPI's JSON of a release, with all releases of its project if `with_releases`. `base` is the URL that the client
    /// knows this server by. Reads the disk.
    ///
    /// # Errors
    /// When the disk cannot be read.
    pub fn pypi_json(
        &self,
        catalog: &Catalog,
        project: &Project,
        release: &Release,
        base: &str,
        with_releases: bool,
    ) -> io::Result<String> {
        let metadata = self.describe(release)?;
        let one_file = |release: &Release| {
            Some([OneFile {
                url: format!("{base}/{}", upip::path(project, release, catalog.rules().upip)?),
                yanked: release.is_yanked(),
            }])
        };
        let all = project
            .releases()
            .iter()
            .filter_map(|r| Some((r.version.as_str(), one_file(r)?)));
        let releases = with_releases.then(|| all.collect());
        Ok(json(&ProjectJson {
            info: Info::new(project, release, &metadata, base),
            last_serial: catalog.serial(),
            releases,
            urls: release.files.iter().map(|file| FileJson::new(file, base)).collect(),
            vulnerabilities: [],
        }))
    }

    /// The core metadata of the first file of a release that has any.
    fn describe(&self, release: &Release) -> io::Result<CoreMetadata> {
        let Some(file) = release.files.iter().find(|file| file.metadata.is_some()) else {
            return Ok(CoreMetadata::default());
        };
        let bytes = self.core_metadata(file)?.unwrap_or_default();
        Ok(CoreMetadata::parse(&bytes).unwrap_or_default())
    }
}

impl<'a> Info<'a> {
    fn new(project: &'a Project, release: &'a Release, metadata: &'a CoreMetadata, base: &str) -> Self {
        let name = project.name();
        let yanked = release.is_yanked();
        let urls: BTreeMap<_, _> = metadata
            .project_urls
            .iter()
            .map(|(label, url)| (&**label, &**url))
            .collect();
        Self {
            name: project.display_name(),
            version: release.version.as_str(),
            summary: metadata.summary.as_deref(),
            description: metadata.description.as_deref().unwrap_or_default(),
            description_content_type: metadata.description_content_type.as_deref(),
            author: metadata.author.as_deref(),
            author_email: metadata.author_email.as_deref(),
            maintainer: metadata.maintainer.as_deref(),
            maintainer_email: metadata.maintainer_email.as_deref(),
            license: metadata.license.as_deref(),
            license_expression: metadata.license_expression.as_deref(),
            keywords: metadata.keywords.as_deref(),
            home_page: metadata.home_page.as_deref(),
            download_url: metadata.download_url.as_deref(),
            project_urls: (!urls.is_empty()).then_some(urls),
            classifiers: &metadata.classifiers,
            requires_dist: (!metadata.requires_dist.is_empty()).then_some(&metadata.requires_dist),
            requires_python: metadata.requires_python.as_deref(),
            provides_extra: (!metadata.provides_extra.is_empty()).then_some(&metadata.provides_extra),
            yanked,
            yanked_reason: yanked
                .then(|| release.files.iter().find_map(|file| file.yanked.as_deref()))
                .flatten(),
            package_url: format!("{base}/simple/{name}/"),
            project_url: format!("{base}/simple/{name}/"),
            release_url: format!("{base}/pypi/{name}/{}/json", release.version),
        }
    }
}

impl<'a> FileJson<'a> {
    fn new(file: &'a File, base: &str) -> Self {
        let time = upload_time(file);
        let digests = &file.digests;
        Self {
            filename: file.name.as_str(),
            url: format!("{base}/packages/{}", file.url_path()),
            packagetype: package_type(file.name.kind()),
            python_version: match file.name.kind() {
                DistKind::Wheel(tags) => &tags.python,
                _ => "source",
            },
            size: file.stamp.size,
            digests: BTreeMap::from([
                ("md5", digests.md5_hex().to_string()),
                ("sha256", digests.sha256_hex().to_string()),
                ("blake2b_256", digests.blake2b_256_hex().to_string()),
            ]),
            md5_digest: digests.md5_hex().to_string(),
            requires_python: file
                .metadata
                .as_ref()
                .and_then(|known| known.requires_python.as_deref()),
            upload_time: time[..19].to_owned(),
            upload_time_iso_8601: time,
            has_sig: file.is_signed(),
            yanked: file.yanked.is_some(),
            yanked_reason: file.yanked.as_deref(),
            comment_text: "",
        }
    }
}

fn package_type(kind: &DistKind) -> &'static str {
    match kind {
        DistKind::Sdist(_) => "sdist",
        DistKind::Wheel(_) => "bdist_wheel",
        DistKind::Egg => "bdist_egg",
    }
}
