//! What boards get of each release: made at upload or at first sight, kept in the cache, resolved against the releases
//! that are here now. Called by `http/` and `serve.rs`, where blocking is allowed.

use std::collections::HashMap;
use std::fs::{self, File as FsFile};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::catalog::{Catalog, File, Project, Release};
use super::{Index, lock};
use crate::board::mpy::{MpyCross, MpyError};
use crate::board::{self, BoardFile, Candidate, Content, Patterns, Resolution, Sink, TarballError, Universe, View};
use crate::dist::{CoreMetadata, Digests, DistFilename, Hex, ProjectName};
use crate::store::Contents;

/// Counts the ways in which views were ever made; another one makes every view anew.
const GENERATION: &[u8] = b"board view 2";

/// What decides how views are made, beside the packages themselves.
#[derive(Debug, Clone, Default)]
pub struct BoardOptions {
    /// Of the configuration.
    pub patterns: Patterns,
    /// The texts of the patterns, as far as views depend on them.
    pub fingerprint: String,
    /// The compiler, where there is one.
    pub compiler: Option<MpyCross>,
}

/// What a board gets of a release, at one state of the catalog.
#[derive(Debug)]
pub struct Board {
    serial: u64,
    key: [u8; 32],
    view: Arc<View>,
    resolution: Resolution,
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

    /// The files of the sources' manifest.
    pub fn files(&self) -> Vec<&BoardFile> {
        self.view.files_for(false)
    }

    /// The requirements.
    pub fn resolution(&self) -> &Resolution {
        &self.resolution
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

impl Index {
    /// What a board gets of a release. Blocks, unless [`Release::board`] has the answer.
    pub fn board(&self, catalog: &Catalog, project: &Project, release: &Release) -> Arc<Board> {
        if let Some(board) = release.board(catalog.serial()) {
            return board;
        }
        let view = self.view(release);
        let universe = Here { index: self, catalog };
        let candidate = Candidate {
            version: release.version.clone(),
            requires: view.requires.clone(),
            yanked: release.is_yanked(),
        };
        let resolution = board::resolve(project.name(), &candidate, &universe);
        let manifest = |mpy| {
            let version = release.version.as_str();
            board::manifest_json(&view, mpy, version, &resolution.pins, &resolution.missing).into()
        };
        let (sources, bytecode) = (manifest(false), manifest(true));
        let board = Board {
            serial: catalog.serial(),
            key: self.view_key(release),
            view,
            resolution,
            sources,
            bytecode,
        };
        release.keep_board(board)
    }

    /// upip's tarball of a release: where it lies. Blocks while it is made for the first time.
    ///
    /// # Errors
    /// When the cache cannot be written.
    pub fn tarball(&self, board: &Board) -> Result<PathBuf, BoardFileError> {
        let folder = self.cache.directory().join("tarballs");
        let pins = board
            .resolution
            .pins
            .iter()
            .map(|pin| format!("{}=={}\n", pin.project, pin.version));
        let pins = Sha256::digest(pins.collect::<String>());
        let own = Hex(&board.key[..8]).to_string();
        let path = folder.join(format!("{own}-{}.tar.gz", Hex(&pins[..8])));
        if path.exists() {
            return Ok(path);
        }
        fs::create_dir_all(&folder)?;
        let file = NamedTempFile::new_in(&folder)?;
        let mut open = |file: &BoardFile| self.contents.open(&file.sha256, file.size);
        board::write_tarball(
            &board.view,
            &board.resolution.pins,
            &mut open,
            io::BufWriter::new(&file),
        )?;
        remove_older(&folder, &own)?;
        file.persist(&path).map_err(|error| error.error)?;
        Ok(path)
    }

    /// The contents that manifests name.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// Makes the views that are missing, of the files that came since the last call. Blocks.
    pub fn prepare_boards(&self) {
        loop {
            let Some(file) = lock(&self.unprepared).pop() else {
                return;
            };
            let catalog = self.catalog();
            let Some(project) = catalog.project(file.name.project()) else {
                continue;
            };
            let Some(release) = project.release(file.name.version()) else {
                continue;
            };
            if self.stored_view(&self.view_key(release)).is_none() {
                self.view(release);
            }
        }
    }

    /// The view of a release: from memory, from the cache, or made now.
    fn view(&self, release: &Release) -> Arc<View> {
        let make = || {
            let key = self.view_key(release);
            let stored = self.stored_view(&key).filter(|view| self.has_contents(view));
            Arc::new(stored.unwrap_or_else(|| self.make_view(release, &key)))
        };
        Arc::clone(release.view.get_or_init(make))
    }

    fn stored_view(&self, key: &[u8; 32]) -> Option<View> {
        postcard::from_bytes(&self.cache.derived(key)?).ok()
    }

    fn has_contents(&self, view: &View) -> bool {
        view.files
            .iter()
            .chain(&view.mpy)
            .all(|file| self.contents.has(&file.sha256, file.size))
    }

    fn make_view(&self, release: &Release, key: &[u8; 32]) -> View {
        let Some(file) = release.describing() else {
            return View::default();
        };
        let made = self.read_view(release, file);
        let mut view = made.unwrap_or_else(|error| {
            tracing::warn!(file = %file.path, error = &error as &dyn std::error::Error, "nothing in it for a board");
            let notes = vec![format!("{}: {error}", file.name.as_str())];
            View {
                notes,
                ..View::default()
            }
        });
        self.compile(&mut view);
        let bytes = postcard::to_stdvec(&view).expect("a view holds nothing that postcard cannot write");
        self.cache.derive(key, bytes);
        view
    }

    fn read_view(&self, release: &Release, file: &File) -> Result<View, board::BoardError> {
        let metadata = self
            .core_metadata(file)
            .ok()
            .flatten()
            .and_then(|bytes| CoreMetadata::parse(&bytes).ok());
        let archive = self.store.open_file(file.root, &file.path)?;
        let patterns = self.patterns(release, file);
        self.sort_out(archive, &file.name, metadata.as_ref(), &patterns)
    }

    /// Reads an archive, and keeps in the cache what a board gets of it.
    pub(super) fn sort_out(
        &self,
        archive: FsFile,
        name: &DistFilename,
        metadata: Option<&CoreMetadata>,
        patterns: &Patterns,
    ) -> Result<View, board::BoardError> {
        let mut sink = Stager {
            contents: &self.contents,
            scratch: self.contents.scratch()?,
            end: 0,
            staged: HashMap::new(),
        };
        board::view(archive, name, metadata, &self.options.limits, patterns, &mut sink)
    }

    /// A wheel does not hold the project's `pyproject.toml`; the sdist beside it does.
    fn patterns(&self, release: &Release, file: &File) -> Patterns {
        let general = &self.options.boards.patterns;
        let Some(sdist) = release.sdist().filter(|_| file.name.is_wheel()) else {
            return general.clone();
        };
        let read = || -> Result<Patterns, Box<dyn std::error::Error>> {
            let archive = self.store.open_file(sdist.root, &sdist.path)?;
            let pyproject = board::read_pyproject(archive, &sdist.name, &self.options.limits)?;
            Ok(general.with_project(&pyproject.unwrap_or_default())?)
        };
        read().unwrap_or_else(|error| {
            tracing::warn!(file = %sdist.path, error, "its [tool.micropypi] does not count");
            general.clone()
        })
    }

    fn compile(&self, view: &mut View) {
        let Some(compiler) = &self.options.boards.compiler else {
            return;
        };
        let sources: Vec<BoardFile> = view.to_compile().into_iter().cloned().collect();
        for source in sources {
            match self.compiled(compiler, &source) {
                Ok(bytecode) => view.mpy.push(bytecode),
                Err(error) => {
                    tracing::warn!(
                        file = source.path,
                        error = &error as &dyn std::error::Error,
                        "boards get the source"
                    );
                    view.notes.push(format!("{} is served as source: {error}", source.path));
                }
            }
        }
    }

    /// The bytecode of a source. The compiler runs once for a path, a content and a compiler.
    fn compiled(&self, compiler: &MpyCross, source: &BoardFile) -> Result<BoardFile, MpyError> {
        let identity = [
            self.options.boards.fingerprint.as_bytes(),
            source.path.as_bytes(),
            &source.sha256,
        ]
        .concat();
        let key = Sha256::digest(identity).into();
        let known = self
            .cache
            .derived(&key)
            .and_then(|bytes| postcard::from_bytes::<BoardFile>(&bytes).ok());
        if let Some(known) = known.filter(|file| self.contents.has(&file.sha256, file.size)) {
            return Ok(known);
        }
        let failed = |error| MpyError::Run(PathBuf::from("mpy-cross"), error);
        let out = NamedTempFile::new_in(self.cache.directory()).map_err(failed)?;
        compiler.compile(
            &self.contents.path(&source.sha256, source.size),
            &source.path,
            out.path(),
        )?;
        let written = out.reopen().map_err(failed)?;
        let size = written.metadata().map_err(failed)?.len();
        let sha256 = Digests::of(&written).map_err(failed)?.sha256;
        self.contents
            .put(&sha256, size, out.reopen().map_err(failed)?)
            .map_err(failed)?;
        let path = source.path.strip_suffix(".py").unwrap_or(&source.path);
        let bytecode = BoardFile {
            path: format!("{path}.mpy"),
            sha256,
            size,
        };
        self.cache.derive(
            &key,
            postcard::to_stdvec(&bytecode).expect("a path, a digest and a number"),
        );
        Ok(bytecode)
    }

    /// Everything that the view of a release depends on.
    fn view_key(&self, release: &Release) -> [u8; 32] {
        let digest = |file: Option<&Arc<File>>| file.map_or([0; 32], |file| file.digests.sha256);
        let mut hasher = Sha256::new();
        hasher.update(GENERATION);
        hasher.update(digest(release.describing()));
        hasher.update(digest(release.sdist()));
        hasher.update(&self.options.boards.fingerprint);
        hasher.finalize().into()
    }
}

/// One tarball a view is enough: those for other requirements are of the past.
fn remove_older(folder: &Path, own: &str) -> io::Result<()> {
    for entry in fs::read_dir(folder)?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(own) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// The releases that are here, as far as a board can get them.
struct Here<'a> {
    index: &'a Index,
    catalog: &'a Catalog,
}

impl Universe for Here<'_> {
    fn releases(&self, project: &ProjectName) -> Vec<Candidate> {
        let releases = self
            .catalog
            .project(project)
            .map_or(&[][..], |project| project.releases());
        let gettable = releases.iter().filter(|release| release.describing().is_some());
        let candidate = |release: &Release| Candidate {
            version: release.version.clone(),
            requires: self.index.view(release).requires.clone(),
            yanked: release.is_yanked(),
        };
        gettable.map(candidate).collect()
    }
}

/// Gathers the contents of an archive's members in one scratch file until it is known which of them are wanted.
struct Stager<'a> {
    contents: &'a Contents,
    scratch: FsFile,
    end: u64,
    /// Where each content begins.
    staged: HashMap<[u8; 32], u64>,
}

impl Sink for Stager<'_> {
    fn stage(&mut self, content: &mut dyn Read) -> io::Result<Content> {
        let content = board::hash_copy(content, &mut self.scratch)?;
        self.staged.insert(content.sha256, self.end);
        self.end += content.size;
        Ok(content)
    }

    fn keep(&mut self, content: &Content) -> io::Result<()> {
        let start = self.staged.get(&content.sha256).ok_or(io::ErrorKind::NotFound)?;
        self.scratch.seek(SeekFrom::Start(*start))?;
        self.contents.put(&content.sha256, content.size, &self.scratch)
    }
}
