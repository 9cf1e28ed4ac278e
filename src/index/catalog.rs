//! The whole index in memory, immutable: projects, releases, files. Made by `index/`, read by everybody.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use imbl::OrdMap;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::page::{Depth, Format, Page, Pages, Template};
use super::{simple, upip};
use crate::config::Latest;
use crate::dist::{Digests, DistFilename, ProjectName, ReleaseVersion};
use crate::store::{Found, MetadataFacts, Stamp};

/// What a path cannot hold (RFC 3986 section 3.3). `+` can, and must stay as it is: upip decodes nothing.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// A distribution file.
#[derive(Debug)]
pub struct File {
    /// Which directory it lies in.
    pub root: u8,
    /// Path below the directory; what `/packages/` serves it as.
    pub path: Arc<str>,
    /// What its name says.
    pub name: DistFilename,
    /// The state in which it was read.
    pub stamp: Stamp,
    /// The states of its signature, its core metadata and its yank mark.
    pub sidecars: [Option<Stamp>; 3],
    /// Of its bytes.
    pub digests: Digests,
    /// What the index shows of its core metadata.
    pub metadata: Option<MetadataFacts>,
    /// Why it was yanked, possibly an empty reason (PEP 592).
    pub yanked: Option<Box<str>>,
    /// Why its metadata could not be read.
    pub defect: Option<Box<str>>,
}

impl File {
    /// Whether this is what was found, unchanged.
    pub fn is(&self, found: &Found) -> bool {
        (self.root, self.stamp, self.sidecars) == (found.root, found.stamp, found.sidecars)
    }

    /// Its path below `/packages/`, ready for a URL.
    pub fn url_path(&self) -> impl std::fmt::Display {
        utf8_percent_encode(&self.path, SEGMENT)
    }

    /// Whether a detached signature lies beside it.
    pub fn is_signed(&self) -> bool {
        self.sidecars[0].is_some()
    }
}

/// A release: the files of one version.
#[derive(Debug)]
pub struct Release {
    /// As the first of its files writes it.
    pub version: ReleaseVersion,
    /// By file name.
    pub files: Vec<Arc<File>>,
}

impl Release {
    /// The one file that upip gets: the sdist that upip can unpack.
    pub fn sdist_for_upip(&self) -> Option<&Arc<File>> {
        self.files
            .iter()
            .find(|file| !file.name.is_wheel() && file.path.ends_with(".tar.gz"))
    }
}

/// A project with its releases and its pages.
#[derive(Debug)]
pub struct Project {
    name: ProjectName,
    releases: Vec<Release>,
    pages: Pages,
    upip: OnceLock<Template>,
}

impl Project {
    /// `files` is not empty.
    fn new(name: ProjectName, files: Vec<Arc<File>>) -> Self {
        let mut versions: BTreeMap<ReleaseVersion, Vec<Arc<File>>> = BTreeMap::new();
        for file in files {
            versions.entry(file.name.version().clone()).or_default().push(file);
        }
        let releases = versions.into_iter().map(|(version, mut files)| {
            files.sort_unstable_by(|a, b| a.name.as_str().cmp(b.name.as_str()));
            Release { version, files }
        });
        Self {
            name,
            releases: releases.collect(),
            pages: Pages::default(),
            upip: OnceLock::new(),
        }
    }

    /// Normalized.
    pub fn name(&self) -> &ProjectName {
        &self.name
    }

    /// As the newest file writes it.
    pub fn display_name(&self) -> &str {
        let newest = self.releases.last().and_then(|release| release.files.first());
        newest.map_or(self.name.as_str(), |file| file.name.name())
    }

    /// Ascending by version; never empty.
    pub fn releases(&self) -> &[Release] {
        &self.releases
    }

    /// The release of this version.
    pub fn release(&self, version: &ReleaseVersion) -> Option<&Release> {
        let at = self
            .releases
            .binary_search_by(|release| release.version.cmp(version))
            .ok()?;
        Some(&self.releases[at])
    }

    /// The release that a client gets that names none.
    pub fn latest(&self, rule: Latest) -> &Release {
        let stable = || self.releases.iter().rev().find(|release| release.version.is_stable());
        let newest = || self.releases.last().expect("a project has releases");
        match rule {
            Latest::Newest => newest(),
            Latest::Stable => stable().unwrap_or_else(newest),
        }
    }

    /// All files, ascending by version.
    pub fn files(&self) -> impl Iterator<Item = &Arc<File>> {
        self.releases.iter().flat_map(|release| &release.files)
    }

    /// The page of the Simple API. The first call after a change renders it, the others hand it out; None: it is large
    /// and not rendered yet, so call [`Project::render`] where blocking is allowed.
    pub fn page(&self, format: Format, depth: Depth) -> Option<&Page> {
        self.pages
            .get(format, depth)
            .or_else(|| self.is_small().then(|| self.render(format, depth)))
    }

    /// As [`Project::page`], however long it takes.
    pub fn render(&self, format: Format, depth: Depth) -> &Page {
        self.pages
            .get_or_render(format, depth, || simple::project(self, format, depth))
    }

    /// upip's JSON of at most `limit` releases (0: all), but for the base URL. Always asked with the same rule and limit.
    fn upip(&self, latest: Latest, limit: usize) -> &Template {
        self.upip.get_or_init(|| upip::template(self, latest, limit))
    }

    /// Rendering so few files costs less than handing the work to another thread.
    fn is_small(&self) -> bool {
        self.releases.len() <= 16
    }
}

/// A snapshot of the index.
#[derive(Debug)]
pub struct Catalog {
    projects: OrdMap<ProjectName, Arc<Project>>,
    files: OrdMap<Arc<str>, Arc<File>>,
    pages: Pages,
    latest: Latest,
    upip_releases: usize,
}

impl Catalog {
    pub(super) fn new(latest: Latest, upip_releases: usize) -> Self {
        Self {
            projects: OrdMap::new(),
            files: OrdMap::new(),
            pages: Pages::default(),
            latest,
            upip_releases,
        }
    }

    /// Which release a client gets that names none.
    pub fn latest(&self) -> Latest {
        self.latest
    }

    /// By normalized name.
    pub fn project(&self, name: &ProjectName) -> Option<&Arc<Project>> {
        self.projects.get(name)
    }

    /// upip's JSON of a project, but for the base URL.
    pub fn upip<'a>(&self, project: &'a Project) -> &'a Template {
        project.upip(self.latest, self.upip_releases)
    }

    /// All projects, by name.
    pub fn projects(&self) -> impl ExactSizeIterator<Item = &Arc<Project>> {
        self.projects.values()
    }

    /// By the path below the packages directory.
    pub fn file(&self, path: &str) -> Option<&Arc<File>> {
        self.files.get(path)
    }

    /// All files, by path.
    pub fn files(&self) -> impl ExactSizeIterator<Item = &Arc<File>> {
        self.files.values()
    }

    /// How many files there are.
    pub fn file_count(&self) -> usize {
        self.files.len()
    }

    /// How many projects there are.
    pub fn project_count(&self) -> usize {
        self.projects.len()
    }

    /// The list of projects of the Simple API; None: not rendered since the last change, so call [`Catalog::render`]
    /// where blocking is allowed.
    pub fn page(&self, format: Format, depth: Depth) -> Option<&Page> {
        self.pages.get(format, depth)
    }

    /// As [`Catalog::page`], however long it takes.
    pub fn render(&self, format: Format, depth: Depth) -> &Page {
        self.pages
            .get_or_render(format, depth, || simple::root(self, format, depth))
    }

    /// The next snapshot. Costs what the changed projects cost.
    pub(super) fn with(&self, put: Vec<Arc<File>>, gone: &[Arc<str>]) -> Self {
        let mut files = self.files.clone();
        let mut changed: HashMap<ProjectName, HashMap<Arc<str>, Arc<File>>> = HashMap::new();
        let before = |name: &ProjectName| {
            let old = self.projects.get(name).into_iter().flat_map(|project| project.files());
            old.map(|file| (Arc::clone(&file.path), Arc::clone(file)))
                .collect::<HashMap<_, _>>()
        };
        for path in gone {
            let Some(file) = files.remove(path) else { continue };
            let project = file.name.project();
            changed
                .entry(project.clone())
                .or_insert_with(|| before(project))
                .remove(path);
        }
        for file in put {
            files.insert(Arc::clone(&file.path), Arc::clone(&file));
            let project = file.name.project().clone();
            changed
                .entry(project)
                .or_insert_with_key(before)
                .insert(Arc::clone(&file.path), file);
        }
        let mut projects = self.projects.clone();
        for (name, files) in changed {
            if files.is_empty() {
                projects.remove(&name);
            } else {
                let files = files.into_values().collect();
                projects.insert(name.clone(), Arc::new(Project::new(name, files)));
            }
        }
        Self {
            projects,
            files,
            pages: Pages::default(),
            ..*self
        }
    }
}
