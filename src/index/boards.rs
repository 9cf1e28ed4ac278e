//! What boards get of each release, resolved against the releases that are here now. Called by `http/`, where blocking
//! is allowed.

use std::cell::Cell;
use std::fs::{self, File as FsFile};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::Index;
use super::catalog::Catalog;
use super::project::{Project, Release};
use super::views::ViewError;
use crate::board::{self, BoardFile, Candidate, Code, Resolution, TarballError, Universe, View};
use crate::dist::{Hex, ProjectName, parse_hex};
use crate::store::is_gone;

/// What a board gets of a release, at one state of the catalog.
#[derive(Debug)]
pub struct Board {
    serial: u64,
    key: [u8; 32],
    view: Arc<View>,
    resolution: Resolution,
    /// As upip is told of fewer releases, if so configured.
    for_upip: Option<Resolution>,
    /// mip's manifest of sources.
    pub sources: Bytes,
    /// mip's manifest that prefers bytecode.
    pub bytecode: Bytes,
}

impl Board {
    /// What was left out, refused or not found, and why.
    pub fn notes(&self) -> impl Iterator<Item = String> {
        let refused = self.view.refused.iter().map(ToString::to_string);
        self.view
            .notes
            .iter()
            .chain(&self.resolution.notes)
            .cloned()
            .chain(refused)
    }

    /// Whether a board gets nothing of it, and needs nothing for it.
    pub fn is_empty(&self) -> bool {
        self.view.is_empty()
    }

    /// The files of the sources' manifest.
    pub fn files(&self) -> Vec<&BoardFile> {
        self.view.files_as(Code::Source)
    }

    /// The requirements.
    pub fn resolution(&self) -> &Resolution {
        &self.resolution
    }

    /// The requirements as upip is told of them.
    fn pins_for_upip(&self) -> &[board::Pin] {
        &self.for_upip.as_ref().unwrap_or(&self.resolution).pins
    }

    /// Whether this is its view.
    pub(super) fn is_made_of(&self, view: &Arc<View>) -> bool {
        Arc::ptr_eq(&self.view, view)
    }

    /// Whether it still holds.
    pub(super) fn is_of(&self, serial: u64) -> bool {
        self.serial == serial
    }
}

/// Why a board's tarball cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BoardFileError {
    /// A file in it.
    #[error(transparent)]
    Tarball(#[from] TarballError),
    /// The cache.
    #[error("the cache cannot be read or written")]
    Cache(#[from] io::Error),
}

impl BoardFileError {
    /// Whether the cache has lost what the tarball is made of, or holds something else in its place.
    pub fn is_loss(&self) -> bool {
        match self {
            Self::Tarball(TarballError::File(_, error)) => is_gone(error),
            Self::Tarball(TarballError::Length(_)) => true,
            Self::Tarball(TarballError::Write(_)) | Self::Cache(_) => false,
        }
    }
}

impl Index {
    /// What a board gets of a release. Blocks, unless [`Release::board`] has the answer.
    ///
    /// # Errors
    /// When the disk fails; the next call tries again.
    pub fn board(&self, catalog: &Catalog, project: &Project, release: &Release) -> Result<Arc<Board>, ViewError> {
        if let Some(board) = release.board(catalog.serial()) {
            return Ok(board);
        }
        let view = self.view(release)?;
        if view.is_empty() {
            self.renew();
        }
        let view_of = |release: &Release| self.view(release).ok();
        Ok(release.keep_board(self.resolved(catalog, project, release, view, &view_of)))
    }

    /// As [`Index::board`], but waits for nobody: None where a view that it takes is not in memory. Blocks for as long as it
    /// takes to resolve the requirements.
    pub fn known_board(&self, catalog: &Catalog, project: &Project, release: &Release) -> Option<Arc<Board>> {
        if let Some(board) = release.board(catalog.serial()) {
            return Some(board);
        }
        let view = release.known_view()?;
        let all_known = Cell::new(true);
        let view_of = |release: &Release| {
            release.known_view().or_else(|| {
                all_known.set(false);
                None
            })
        };
        let board = self.resolved(catalog, project, release, view, &view_of);
        all_known.get().then(|| release.keep_board(board))
    }

    fn resolved(
        &self,
        catalog: &Catalog,
        project: &Project,
        release: &Release,
        view: Arc<View>,
        view_of: &dyn Fn(&Release) -> Option<Arc<View>>,
    ) -> Board {
        let candidate = candidate(release, &view);
        let resolve = |for_upip| {
            let here = Here {
                catalog,
                view_of,
                for_upip,
            };
            board::resolve(project.name(), &candidate, &here)
        };
        let resolution = resolve(false);
        let is_told_of_fewer = catalog.rules().upip_releases != 0;
        let for_upip = is_told_of_fewer.then(|| resolve(true));
        let manifest = |code| {
            let version = release.version.as_str();
            board::manifest_json(&view, code, version, &resolution.pins, &resolution.missing).into()
        };
        let (sources, bytecode) = (manifest(Code::Source), manifest(Code::Bytecode));
        let (serial, key) = (catalog.serial(), self.view_key(release));
        Board {
            serial,
            key,
            view,
            resolution,
            for_upip,
            sources,
            bytecode,
        }
    }

    /// upip's tarball of a release, and its size. Blocks while it is made for the first time.
    ///
    /// # Errors
    /// When the cache cannot be written, or lost what the tarball is made of; then the next call makes that anew.
    pub fn tarball(&self, release: &Release, board: &Board) -> Result<(FsFile, u64), BoardFileError> {
        let _making = self.workshop.packing();
        if let Some(known) = self.known_tarball(board) {
            return Ok(known);
        }
        let packed = self.pack(board).inspect_err(|_| release.forget_view())?;
        let size = packed.metadata()?.len();
        Ok((packed, size))
    }

    /// As [`Index::tarball`], but waits for nobody: None where it is yet to be made, or damaged. Reads it.
    pub fn known_tarball(&self, board: &Board) -> Option<(FsFile, u64)> {
        let (folder, name) = self.tarball_path(board);
        let file = FsFile::open(folder.join(name)).ok()?;
        let size = file.metadata().ok()?.len();
        // upip does not check it.
        board::is_whole(&file).then_some((file, size))
    }

    /// The folder of a tarball, and its name there, which tells of the requirements in it.
    fn tarball_path(&self, board: &Board) -> (PathBuf, String) {
        let pins = board.pins_for_upip().iter();
        let lines: String = pins.map(|pin| format!("{pin}\n")).collect();
        let name = format!("{}.tar.gz", Hex(&Sha256::digest(lines)[..16]));
        (self.tarballs().join(tarballs_of(&board.key)), name)
    }

    /// Where all tarballs lie.
    pub(super) fn tarballs(&self) -> PathBuf {
        self.cache.directory().join("tarballs")
    }

    fn pack(&self, board: &Board) -> Result<FsFile, BoardFileError> {
        let (folder, name) = self.tarball_path(board);
        fs::create_dir_all(&folder)?;
        let file = NamedTempFile::new_in(&folder)?;
        let mut open = |file: &BoardFile| self.contents.open(&file.content);
        board::write_tarball(&board.view, board.pins_for_upip(), &mut open, BufWriter::new(&file))?;
        // What has this name is whole, also after a power cut.
        file.as_file().sync_data()?;
        remove_others(&folder, file.path());
        file.persist(folder.join(&name)).map_err(|error| error.error)?;
        Ok(FsFile::open(folder.join(name))?)
    }
}

/// The folder of the tarballs of the view with this key.
pub(super) fn tarballs_of(view: &[u8; 32]) -> String {
    Hex(&view[..16]).to_string()
}

/// Whether a folder of this name is one of tarballs.
pub(super) fn is_of_tarballs(folder: &str) -> bool {
    parse_hex::<16>(folder).is_some()
}

/// One tarball per view is enough: those for other requirements are out of date.
fn remove_others(folder: &Path, new: &Path) {
    let others = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| Some(&*entry.file_name()) != new.file_name());
    for entry in others {
        // Nothing depends on it; what cannot be removed is litter in a cache.
        fs::remove_file(entry.path()).ok();
    }
}

fn candidate(release: &Release, view: &View) -> Candidate {
    Candidate {
        version: release.version.clone(),
        requires: view.requires.clone(),
        yanked: release.is_yanked(),
    }
}

/// The releases that are here, as far as a board can get them.
struct Here<'a> {
    catalog: &'a Catalog,
    /// None where there is none now: what cannot be read now is not to be had now.
    view_of: &'a dyn Fn(&Release) -> Option<Arc<View>>,
    /// Whether only the releases count that upip is told of, where it is told of fewer.
    for_upip: bool,
}

impl Universe for Here<'_> {
    fn releases(&self, project: &ProjectName) -> Vec<Candidate> {
        let Some(project) = self.catalog.project(project) else {
            return Vec::new();
        };
        let known = |release: &Release| {
            let view = (self.view_of)(release)?;
            (!view.is_empty()).then(|| candidate(release, &view))
        };
        let mut candidates: Vec<_> = project.for_board().filter_map(known).collect();
        if self.for_upip {
            // As `upip.rs` lists them.
            candidates.retain(|candidate| !candidate.yanked);
            self.catalog
                .rules()
                .leave_for_upip(&mut candidates, |candidate| &candidate.version);
        }
        candidates
    }
}
