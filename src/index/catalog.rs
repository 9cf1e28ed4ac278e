//! The whole index in memory, immutable: projects and files. Made by `index/`, read by everybody.

use std::collections::{HashMap, HashSet};
use std::ops::Bound;
use std::sync::{Arc, OnceLock};

use imbl::OrdMap;

use super::page::{Depth, Format, Page, Pages, Template};
use super::project::{File, Project};
use super::{mip, simple};
use crate::board;
use crate::config::{Latest, Upip};
use crate::dist::{ProjectName, ReleaseVersion};

/// A snapshot of the index.
#[derive(Debug)]
pub struct Catalog {
    projects: OrdMap<ProjectName, Arc<Project>>,
    files: OrdMap<Arc<str>, Arc<File>>,
    pages: Arc<Pages>,
    mip_index: OnceLock<Box<Page>>,
    rules: Rules,
    serial: u64,
}

/// From one snapshot to the next.
#[derive(Debug, Default)]
pub(super) struct Difference {
    /// Files that came, or have changed.
    pub(super) put: Vec<Arc<File>>,
    pub(super) gone: Vec<Arc<File>>,
}

impl Difference {
    pub(super) fn is_empty(&self) -> bool {
        self.put.is_empty() && self.gone.is_empty()
    }

    pub(super) fn files(&self) -> impl Iterator<Item = &Arc<File>> {
        self.put.iter().chain(&self.gone)
    }
}

/// What the operator decided about the answers.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Which release a client gets that names none.
    pub latest: Latest,
    /// What upip downloads.
    pub upip: Upip,
    /// How many releases upip is told of; 0 is all.
    pub upip_releases: usize,
}

impl Rules {
    /// Leaves those of a project's releases, the newest first, that upip is told of: the newest, and in any case the one for
    /// a board that names none, which upip must find among them.
    pub(super) fn leave_for_upip<T>(self, releases: &mut Vec<T>, version: impl Fn(&T) -> &ReleaseVersion) {
        let Some(last) = self.upip_releases.checked_sub(1) else {
            return;
        };
        let latest = match self.latest {
            Latest::Newest => 0,
            Latest::Stable => releases
                .iter()
                .position(|release| version(release).is_stable())
                .unwrap_or(0),
        };
        if latest > last {
            releases.swap(last, latest);
        }
        releases.truncate(self.upip_releases);
    }
}

impl Catalog {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            projects: OrdMap::new(),
            files: OrdMap::new(),
            pages: Arc::default(),
            mip_index: OnceLock::new(),
            rules,
            serial: 0,
        }
    }

    /// Which release a client gets that names none.
    pub fn latest(&self) -> Latest {
        self.rules.latest
    }

    /// What the operator decided about the answers.
    pub(super) fn rules(&self) -> Rules {
        self.rules
    }

    /// Counts the changes.
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// A project as a board asks for it: `micropython-foo` and `foo` stand for each other where one of them has nothing
    /// for a board.
    pub fn project_for_board(&self, name: &ProjectName) -> Option<&Arc<Project>> {
        let installable = |name: &ProjectName| self.project(name).filter(|project| project.is_for_boards());
        installable(name)
            .or_else(|| installable(&board::alias(name)?))
            .or_else(|| self.project(name))
    }

    /// The index of all packages that mip's tools browse; rendered when it is first asked for. May take long.
    pub fn mip_index(&self) -> &Page {
        self.mip_index.get_or_init(|| Box::new(Page::new(mip::index(self))))
    }

    /// By normalized name.
    pub fn project(&self, name: &ProjectName) -> Option<&Arc<Project>> {
        self.projects.get(name)
    }

    /// As [`Catalog::project`], by a name that may be in another spelling, which finds nothing.
    pub fn by_normalized_name(&self, name: &str) -> Option<&Arc<Project>> {
        self.projects.get(name)
    }

    /// upip's JSON of a project, but for the base URL.
    pub fn upip<'a>(&self, project: &'a Project) -> &'a Template {
        project.upip(self.rules)
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

    /// At most `most` files by path, from after this one on.
    pub fn files_after(&self, path: Option<&Arc<str>>, most: usize) -> Vec<Arc<File>> {
        let start = path.map_or(Bound::Unbounded, Bound::Excluded);
        self.files
            .range::<_, Arc<str>>((start, Bound::Unbounded))
            .take(most)
            .map(|(_, file)| Arc::clone(file))
            .collect()
    }

    /// Whether any file lies below this path, which ends with `/`.
    pub(super) fn has_below(&self, directory: &str) -> bool {
        let first = self
            .files
            .range::<_, str>((Bound::Included(directory), Bound::Unbounded))
            .next();
        first.is_some_and(|(path, _)| path.starts_with(directory))
    }

    /// How many files there are.
    pub fn file_count(&self) -> usize {
        self.files.len()
    }

    /// How many projects there are.
    pub fn project_count(&self) -> usize {
        self.projects.len()
    }

    /// How much there is, in words: `1 project, 2 files`.
    pub fn counted(&self) -> String {
        let counted = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
        let projects = counted(self.project_count(), "project");
        format!("{projects}, {}", counted(self.file_count(), "file"))
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

    /// The next snapshot, of the same files, where other releases of these projects are for boards than before. For pip
    /// nothing has changed.
    pub(super) fn renewed(&self, names: &HashSet<ProjectName>) -> Self {
        let mut projects = self.projects.clone();
        for project in names.iter().filter_map(|name| self.projects.get(name)) {
            projects.insert(project.name().clone(), Arc::new(project.renewed()));
        }
        Self {
            projects,
            files: self.files.clone(),
            pages: Arc::clone(&self.pages),
            mip_index: OnceLock::new(),
            rules: self.rules,
            serial: self.serial + 1,
        }
    }

    /// The next snapshot. Costs what the changed projects cost.
    pub(super) fn with(&self, difference: &Difference) -> Self {
        let Difference { put, gone } = difference;
        let mut files = self.files.clone();
        let mut changed: HashMap<ProjectName, HashMap<Arc<str>, Arc<File>>> = HashMap::new();
        let before = |name: &ProjectName| {
            let project = self.projects.get(name).into_iter();
            let old = project.flat_map(|project| project.files().chain(project.hidden()));
            old.map(|file| (Arc::clone(&file.path), Arc::clone(file)))
                .collect::<HashMap<_, _>>()
        };
        // An upload may have put another in the place of what is gone in the meantime.
        let is_here = |file: &&Arc<File>| self.file(&file.path).is_some_and(|current| Arc::ptr_eq(current, file));
        // What a file replaces may be another project's: of some sdists, the name alone does not tell.
        let replaced = put.iter().filter_map(|file| self.file(&file.path));
        for file in gone.iter().filter(is_here).chain(replaced) {
            files.remove(&file.path);
            let project = file.name.project().clone();
            changed.entry(project).or_insert_with_key(before).remove(&file.path);
        }
        for file in put {
            files.insert(Arc::clone(&file.path), Arc::clone(file));
            let project = file.name.project().clone();
            changed
                .entry(project)
                .or_insert_with_key(before)
                .insert(Arc::clone(&file.path), Arc::clone(file));
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
            pages: Arc::default(),
            mip_index: OnceLock::new(),
            rules: self.rules,
            serial: self.serial + 1,
        }
    }
}
