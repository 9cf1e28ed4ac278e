//! A project with its releases and their files, immutable but for what is rendered or made when it is first asked for.
//! Made by `catalog.rs`, read by everybody.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::boards::Board;
use super::catalog::Rules;
use super::page::{Depth, Format, Page, Pages, Template};
use super::{simple, upip};
use crate::board::{self, View};
use crate::config::Latest;
use crate::dist::{ContentId, Digests, DistFilename, DistKind, ProjectName, ReleaseVersion, SdistFormat};
use crate::store::{Found, MetadataFacts, Sidecars, Stamp};

/// What a path cannot hold (RFC 3986 section 3.3), nor the first part of a relative one: in `c:/x`, `c` is a scheme. `+` can,
/// and must stay as it is: upip decodes nothing.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b':')
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
    /// What stands beside it.
    pub sidecars: Sidecars,
    /// Of its bytes.
    pub digests: Digests,
    /// What the index shows of its core metadata.
    pub metadata: Option<MetadataFacts>,
    /// Why it was yanked, possibly an empty reason (PEP 592).
    pub yanked: Option<Box<str>>,
    /// Why its metadata could not be read.
    pub defect: Option<Box<str>>,
    /// Whether a view was made of it, and a board gets nothing of it; told by `views.rs`.
    pub(super) is_empty_on_boards: AtomicBool,
}

impl File {
    /// Whether this is what was found, unchanged.
    pub(super) fn is(&self, found: &Found) -> bool {
        (self.root, self.stamp, &self.sidecars) == (found.root, found.stamp, &found.sidecars)
    }

    /// The project's name as the core metadata spells it; as the file name does, where that tells no other.
    fn project_name(&self) -> &str {
        let spelling = self.metadata.as_ref().and_then(|known| known.name.as_deref());
        spelling.unwrap_or_else(|| self.name.name())
    }

    /// The core metadata that the index may show (PEP 658): of wheels, and of sdists whose own is final. PKG-INFO of older
    /// tools names no requirements at all, and pip would believe it.
    pub fn core_metadata(&self) -> Option<&MetadataFacts> {
        self.metadata
            .as_ref()
            .filter(|known| self.name.is_wheel() || known.is_static)
    }

    /// Its path below `/packages/`, ready for a URL.
    pub fn url_path(&self) -> impl std::fmt::Display {
        utf8_percent_encode(&self.path, SEGMENT)
    }

    /// What names its bytes.
    pub fn content(&self) -> ContentId {
        ContentId {
            sha256: self.digests.sha256,
            size: self.stamp.size,
        }
    }

    /// Orders the files of a release: by name, and among namesakes the one of the shallowest folder first.
    fn rank(&self) -> (&str, usize, &str) {
        (self.name.as_str(), self.path.matches('/').count(), &self.path)
    }

    /// As it was found.
    pub(super) fn found(&self) -> Found {
        Found {
            root: self.root,
            path: Arc::clone(&self.path),
            stamp: self.stamp,
            sidecars: self.sidecars.clone(),
        }
    }

    /// Whether a detached signature lies beside it.
    pub fn is_signed(&self) -> bool {
        self.sidecars.signature().is_some()
    }
}

/// A release: the files of one version.
#[derive(Debug)]
pub struct Release {
    /// As the first of its files writes it.
    pub version: ReleaseVersion,
    /// By file name.
    pub files: Vec<Arc<File>>,
    /// What a board gets of it, once somebody asked; filled by `views.rs` and `boards.rs`.
    view: ArcSwapOption<View>,
    board: ArcSwapOption<Board>,
}

impl Release {
    fn new(version: ReleaseVersion, files: Vec<Arc<File>>) -> Self {
        Self {
            version,
            files,
            view: ArcSwapOption::empty(),
            board: ArcSwapOption::empty(),
        }
    }

    /// The sdist that upip can unpack; one that was yanked only where there is no other.
    pub fn sdist(&self) -> Option<&Arc<File>> {
        let is_sdist = |file: &&Arc<File>| *file.name.kind() == DistKind::Sdist(SdistFormat::TarGz);
        let sdists = self.files.iter().filter(is_sdist).filter(|file| file.defect.is_none());
        sdists.min_by_key(|file| file.yanked.is_some())
    }

    /// The file that says best what a board gets; None where there is none, as for platform wheels and damaged archives. One
    /// that was yanked says it only where there is no other.
    pub fn describing(&self) -> Option<&Arc<File>> {
        self.best(|file| file.yanked.is_none()).or_else(|| self.best(|_| true))
    }

    fn best(&self, is_welcome: impl Fn(&File) -> bool) -> Option<&Arc<File>> {
        let files = || {
            self.files
                .iter()
                .filter(|file| file.defect.is_none() && is_welcome(file))
        };
        let chosen = board::choose(files().map(|file| &file.name))?;
        files().find(|file| file.name == *chosen)
    }

    /// Whether a file of this name would be the one that says best what a board gets, if it came now.
    pub(super) fn would_be_described_by(&self, new: &DistFilename) -> bool {
        let is_rival = |file: &&Arc<File>| {
            let is_good = file.defect.is_none() && file.yanked.is_none();
            // One of the same kind is the file that the new one replaces.
            is_good && file.name.kind() != new.kind()
        };
        let rivals = self.files.iter().filter(is_rival).map(|file| &file.name);
        board::choose(rivals.chain([new])) == Some(new)
    }

    /// Whether there is something to install on a board, as far as anybody knows: of what came a moment ago, nobody has
    /// looked at the members yet.
    pub fn is_for_boards(&self) -> bool {
        self.describing()
            .is_some_and(|file| !file.is_empty_on_boards.load(Ordering::Relaxed))
    }

    /// The summary of the first file that has one.
    pub fn summary(&self) -> Option<&str> {
        self.files
            .iter()
            .find_map(|file| file.metadata.as_ref()?.summary.as_deref())
    }

    /// Whether every file of it was yanked (PEP 592).
    pub fn is_yanked(&self) -> bool {
        self.files.iter().all(|file| file.yanked.is_some())
    }

    /// An sdist that can be opened.
    pub fn source(&self) -> Option<&Arc<File>> {
        self.files
            .iter()
            .find(|file| !file.name.is_wheel() && file.name.archive_format().is_some())
    }

    pub(super) fn known_view(&self) -> Option<Arc<View>> {
        self.view.load_full()
    }

    pub(super) fn keep_view(&self, view: View) -> Arc<View> {
        let view = Arc::new(view);
        self.view.store(Some(Arc::clone(&view)));
        view
    }

    /// The next to ask gets what the cache holds then.
    pub(super) fn forget_view(&self) {
        self.view.store(None);
        self.board.store(None);
    }

    /// What a board gets, where it is known for this state of the catalog.
    pub fn board(&self, serial: u64) -> Option<Arc<Board>> {
        self.board.load_full().filter(|board| board.is_of(serial))
    }

    pub(super) fn keep_board(&self, board: Board) -> Arc<Board> {
        let board = Arc::new(board);
        self.board.store(Some(Arc::clone(&board)));
        // Its view may have been forgotten while it was made.
        if !self.known_view().is_some_and(|view| board.is_made_of(&view)) {
            self.board.store(None);
        }
        board
    }
}

/// A project with its releases and its pages.
#[derive(Debug)]
pub struct Project {
    name: ProjectName,
    releases: Vec<Release>,
    /// Namesakes of files in other sub-folders: a client takes a file name for one file.
    hidden: Vec<Arc<File>>,
    pages: Pages,
    upip: OnceLock<Template>,
    is_for_boards: OnceLock<bool>,
}

impl Project {
    /// The same, with nothing rendered yet.
    pub(super) fn renewed(&self) -> Self {
        let files = self.files().chain(&self.hidden).cloned();
        Self::new(self.name.clone(), files.collect())
    }

    /// `files` is not empty.
    pub(super) fn new(name: ProjectName, mut files: Vec<Arc<File>>) -> Self {
        let mut versions: BTreeMap<ReleaseVersion, Vec<Arc<File>>> = BTreeMap::new();
        // A release is written as its first file writes it, which must not be up to chance.
        files.sort_unstable_by(|a, b| a.rank().cmp(&b.rank()));
        for file in files {
            versions.entry(file.name.version().clone()).or_default().push(file);
        }
        let mut hidden = Vec::new();
        let releases = versions.into_iter().map(|(version, mut files)| {
            files.dedup_by(|file, shown| {
                let is_namesake = file.name.as_str() == shown.name.as_str();
                if is_namesake {
                    hidden.push(Arc::clone(file));
                }
                is_namesake
            });
            Release::new(version, files)
        });
        Self {
            name,
            releases: releases.collect(),
            hidden,
            pages: Pages::default(),
            upip: OnceLock::new(),
            is_for_boards: OnceLock::new(),
        }
    }

    /// Normalized.
    pub fn name(&self) -> &ProjectName {
        &self.name
    }

    /// As the newest file with core metadata writes it, for file names are escaped: `blinky_led` for `Blinky-LED`. Where
    /// none has any, as the newest does.
    pub fn display_name(&self) -> &str {
        let mut newest_first = self.releases.iter().rev().flat_map(|release| &release.files);
        let newest = newest_first.clone().next();
        let described = newest_first.find(|file| file.metadata.is_some());
        described
            .or(newest)
            .map_or(self.name.as_str(), |file| file.project_name())
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

    /// The release that a client gets that names none; one that was yanked only where there is no other.
    pub fn latest(&self, rule: Latest) -> &Release {
        let all = self.releases.iter().rev();
        let current = all.clone().filter(|release| !release.is_yanked());
        let latest = chosen(current, rule).or_else(|| chosen(all, rule));
        latest.expect("a project has releases")
    }

    /// The releases with something to install on a board, the newest first.
    pub fn for_board(&self) -> impl Iterator<Item = &Release> + Clone {
        self.releases.iter().rev().filter(|release| release.is_for_boards())
    }

    /// Whether a board could install it: not all that it has for boards was yanked.
    pub fn is_for_boards(&self) -> bool {
        let look = || self.for_board().any(|release| !release.is_yanked());
        *self.is_for_boards.get_or_init(look)
    }

    /// The release that a board gets that names none; never one that was yanked.
    pub fn latest_for_board(&self, rule: Latest) -> Option<&Release> {
        chosen(self.for_board().filter(|release| !release.is_yanked()), rule)
    }

    /// All files that are listed nowhere but below `/packages/`, since a namesake stands for them.
    pub(super) fn hidden(&self) -> &[Arc<File>] {
        &self.hidden
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
            .get_or_render(format, depth, || simple::project(self, format, depth.to_base()))
    }

    /// As [`Project::render`], with absolute links to the server of this URL, and rendered each time.
    pub fn render_absolute(&self, format: Format, base: &str) -> Page {
        Page::new(simple::project(self, format, &format!("{base}/")))
    }

    /// upip's JSON, but for the base URL. Always asked with the same rules.
    pub(super) fn upip(&self, rules: Rules) -> &Template {
        self.upip.get_or_init(|| upip::template(self, rules))
    }

    /// Rendering so few files costs less than handing the work to another thread.
    fn is_small(&self) -> bool {
        self.releases.len() <= 16
    }
}

/// The one of these releases that a client gets that names none.
pub(super) fn chosen<'a>(
    mut newest_first: impl Iterator<Item = &'a Release> + Clone,
    rule: Latest,
) -> Option<&'a Release> {
    let newest = newest_first.clone().next();
    match rule {
        Latest::Newest => newest,
        Latest::Stable => newest_first.find(|release| release.version.is_stable()).or(newest),
    }
}
