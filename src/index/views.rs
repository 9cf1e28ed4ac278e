//! How the view of a release is made: read once, compiled in the background, kept in the cache under a digest of all
//! that it depends on. Called within the room, where blocking is allowed.

use std::fs::File as FsFile;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::Index;
use super::project::{File, Release};
use super::sinks::{Nowhere, Stager};
use crate::board::mpy::{MpyCross, MpyError};
use crate::board::{self, BoardError, BoardFile, Patterns, Refusal, View};
use crate::chain::Chain;
use crate::dist::{ContentId, CoreMetadata, DistFilename};
use crate::store::is_full;

/// Counts the ways in which views were ever made; another one makes every view anew.
const GENERATION: &[u8] = b"board view 9";

/// Why there is no view now; there may be one at the next try.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// The packages directory or the cache directory.
    #[error("the file or the cache cannot be read or written")]
    Io(#[from] io::Error),
    /// The compiler, or the files that it is to work on.
    #[error("no bytecode was made")]
    Compiler(#[from] MpyError),
    /// The file went away or was replaced, and the catalog does not know it yet.
    #[error("the file is not what the catalog knows")]
    Moved,
}

impl ViewError {
    /// Whether the disk of the cache is full.
    fn is_full(&self) -> bool {
        match self {
            Self::Io(error) | Self::Compiler(MpyError::Run(_, error)) => is_full(error),
            Self::Compiler(_) | Self::Moved => false,
        }
    }
}

/// What the compiler made of a view.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Bytecode {
    pub(super) files: Vec<BoardFile>,
    notes: Vec<String>,
}

impl Index {
    /// Makes the views and the bytecode that are missing, of the files that came since the last call. Blocks for as
    /// long as that takes; what is made is there for readers one by one. Where the disk of the cache is full,
    /// the rest waits for the next try.
    pub(super) fn prepare_boards(&self) {
        if self.prepare_all() && self.workshop.has_room() {
            tracing::info!("what boards get can be made again");
        }
        self.renew();
    }

    /// Tells whether there was room for everything.
    fn prepare_all(&self) -> bool {
        while let Some(file) = self.workshop.next_unprepared() {
            let catalog = self.catalog();
            let project = catalog.project(file.name.project());
            let Some(release) = project.and_then(|project| project.release(file.name.version())) else {
                continue;
            };
            match self.prepare(&file, release) {
                // What there is now is prepared when the catalog knows of it.
                Ok(()) | Err(ViewError::Moved) => {}
                Err(error) if error.is_full() => {
                    if self.workshop.put_back(&file) {
                        tracing::warn!(
                            project = file.name.project().as_str(),
                            file = %file.path,
                            error = %Chain(&error),
                            "what boards get cannot be made ready; that is tried again every few seconds"
                        );
                    }
                    return false;
                }
                Err(error) => {
                    let project = file.name.project().as_str();
                    tracing::warn!(project, file = %file.path, error = %Chain(&error), "not everything is ready for boards yet");
                }
            }
        }
        true
    }

    fn prepare(&self, file: &File, release: &Release) -> Result<(), ViewError> {
        let key = self.view_key(release);
        self.make_unless_made(release, &key)?;
        let Some(compiler) = &self.options.boards.compiler else {
            return Ok(());
        };
        let compiled = self.derived::<Bytecode>(&bytecode_key(&key));
        if compiled.is_some_and(|bytecode| self.has_contents(&bytecode.files)) {
            return Ok(());
        }
        let bytecode = self.compile(compiler, release, &*self.view(release)?)?;
        // Whoever reads a view without bytecode right now has kept it by then, and it is forgotten.
        let _making = self.workshop.making();
        self.derive(&bytecode_key(&key), &bytecode);
        // Not this release: another upload may have put one of the same version into the catalog meanwhile.
        let catalog = self.catalog();
        let project = file.name.project();
        if let Some(now) = catalog
            .project(project)
            .and_then(|project| project.release(&release.version))
        {
            now.forget_view();
        }
        Ok(())
    }

    /// The cache has its view from now on; memory is for those that boards ask for.
    fn make_unless_made(&self, release: &Release, key: &[u8; 32]) -> Result<(), ViewError> {
        let _making = self.workshop.making();
        let view = match self.derived::<View>(key) {
            Some(view) => view,
            None => self.make_view(release, key)?,
        };
        self.remember_emptiness(release, &view);
        Ok(())
    }

    /// The view of a release: from memory, from the cache, or made now. Bytecode is in it once it is made.
    ///
    /// # Errors
    /// When the disk fails; the next call tries again.
    pub(super) fn view(&self, release: &Release) -> Result<Arc<View>, ViewError> {
        if let Some(view) = release.known_view() {
            return Ok(view);
        }
        // One after another: what others wait for is then made once, and a board's curiosity costs one core.
        let _making = self.workshop.making();
        if let Some(view) = release.known_view() {
            return Ok(view);
        }
        let key = self.view_key(release);
        let stored = self
            .derived::<View>(&key)
            .filter(|view| self.has_contents(&view.files) && self.has_contents(&view.mpy));
        let mut view = match stored {
            Some(view) => view,
            None => self.make_view(release, &key)?,
        };
        let compiler = self.options.boards.compiler.as_ref();
        match compiler.and_then(|_| self.derived::<Bytecode>(&bytecode_key(&key))) {
            Some(bytecode) if self.has_contents(&bytecode.files) => {
                view.mpy.extend(bytecode.files);
                view.notes.extend(bytecode.notes);
            }
            // Somebody has emptied the cache; until it is compiled again, boards get the sources.
            Some(_) => self.workshop.order(release.describing().cloned()),
            None => {}
        }
        self.remember_emptiness(release, &view);
        Ok(release.keep_view(view))
    }

    /// Remembers whether a board gets nothing of a release, for what is rendered where no disk is asked.
    fn remember_emptiness(&self, release: &Release, view: &View) {
        let Some(file) = release.describing() else { return };
        if file.is_empty_on_boards.swap(view.is_empty(), Ordering::Relaxed) != view.is_empty() {
            self.workshop.outdate(file.name.project());
        }
    }

    /// Forgets the views whose contents went away, as when somebody deletes the cache while it is in use.
    pub(super) fn forget_lost_views(&self) {
        let catalog = self.catalog();
        for release in catalog.projects().flat_map(|project| project.releases()) {
            let is_lost = |view: &Arc<View>| !self.has_contents(&view.files) || !self.has_contents(&view.mpy);
            if release.known_view().is_some_and(|view| is_lost(&view)) {
                release.forget_view();
                self.workshop.order(release.describing().cloned());
            }
        }
    }

    fn has_contents(&self, files: &[BoardFile]) -> bool {
        files.iter().all(|file| self.contents.has(&file.content))
    }

    fn make_view(&self, release: &Release, key: &[u8; 32]) -> Result<View, ViewError> {
        let Some(file) = release.describing() else {
            return Ok(View::default());
        };
        let mut view = self.view_of(file, release)?;
        if view.files.is_empty() && file.name.is_wheel() {
            view = self.view_of_source(release, &file.name)?.unwrap_or(view);
        }
        // It may take the place of one that was made otherwise.
        self.workshop.litter();
        self.derive(key, &view);
        Ok(view)
    }

    /// What the sdist gives beside a wheel that has nothing in it, as where `setup.py` lists a package as a module: upip never
    /// asked setuptools, and so nobody saw.
    fn view_of_source(&self, release: &Release, wheel: &DistFilename) -> Result<Option<View>, ViewError> {
        let Some(sdist) = release.source().filter(|file| file.defect.is_none()) else {
            return Ok(None);
        };
        let mut view = self.view_of(sdist, release)?;
        let (wheel, sdist) = (wheel.as_str(), sdist.name.as_str());
        view.notes.insert(
            0,
            format!("boards get what is in {sdist}, as {wheel} has nothing for them"),
        );
        Ok(Some(view).filter(|view| !view.files.is_empty()))
    }

    fn view_of(&self, file: &File, release: &Release) -> Result<View, ViewError> {
        let archive = self.open(file)?.ok_or(ViewError::Moved)?;
        let metadata = self
            .core_metadata(file)?
            .and_then(|bytes| CoreMetadata::parse(&bytes).ok());
        let patterns = self.patterns(&file.name, release.source());
        let made = self.sort_out(archive, &file.name, metadata.as_ref(), &patterns);
        // Kept under its digest: it must not have been written over meanwhile.
        self.open(file)?.ok_or(ViewError::Moved)?;
        match made {
            Ok(view) => Ok(view),
            Err(BoardError::Store(error)) => Err(error.into()),
            Err(error) => {
                let project = file.name.project().as_str();
                tracing::warn!(project, file = %file.path, error = %Chain(&error), "nothing in it for a board");
                Ok(View {
                    notes: vec![format!("{}: {error}", file.name.as_str())],
                    ..View::default()
                })
            }
        }
    }

    fn sort_out(
        &self,
        archive: FsFile,
        name: &DistFilename,
        metadata: Option<&CoreMetadata>,
        patterns: &Patterns,
    ) -> Result<View, BoardError> {
        let scratch = self.contents.scratch()?;
        let mut sink = Stager::new(&self.contents, scratch);
        let view = board::view(archive, name, metadata, &self.options.limits, patterns, &mut sink);
        // To the reader of the archive, a full disk looks like a damaged archive.
        match sink.error {
            Some(kind) => Err(BoardError::Store(kind.into())),
            None => view,
        }
    }

    /// The first path in an archive that a board cannot take. Nothing of it is kept.
    pub(super) fn refusal(&self, archive: FsFile, name: &DistFilename) -> Option<Refusal> {
        let catalog = self.catalog();
        let release = catalog
            .project(name.project())
            .and_then(|project| project.release(name.version()));
        let patterns = self.patterns(name, release.and_then(Release::source));
        // What else keeps the view from being made is noted on the release, when it is made.
        let view = board::view(archive, name, None, &self.options.limits, &patterns, &mut Nowhere).ok()?;
        view.refused.into_iter().next()
    }

    /// A wheel does not hold the project's `pyproject.toml`; the sdist beside it does.
    fn patterns(&self, name: &DistFilename, source: Option<&Arc<File>>) -> Patterns {
        let general = &self.options.boards.patterns;
        let Some(sdist) = source.filter(|_| name.is_wheel()) else {
            return general.clone();
        };
        let read = || -> Result<Patterns, Box<dyn std::error::Error>> {
            let archive = self.store.open_file(sdist.root, &sdist.path)?;
            let pyproject = board::read_pyproject(archive, &sdist.name, &self.options.limits)?;
            Ok(general.with_project(&pyproject.unwrap_or_default())?)
        };
        read().unwrap_or_else(|error| {
            let project = sdist.name.project().as_str();
            tracing::warn!(project, file = %sdist.path, error = %Chain(&*error), "its [tool.micropypi] does not count");
            general.clone()
        })
    }

    fn compile(&self, compiler: &MpyCross, release: &Release, view: &View) -> Result<Bytecode, ViewError> {
        let mut bytecode = Bytecode::default();
        let (begin, time) = (Instant::now(), self.options.boards.compile_time);
        for source in view.to_compile() {
            if begin.elapsed() > time {
                bytecode.notes.push(format!(
                    "{} and what comes after it are served as sources: compiling this release took more than {} seconds",
                    source.path,
                    time.as_secs()
                ));
                break;
            }
            match self.compiled(compiler, source) {
                Ok(file) => bytecode.files.push(file),
                Err(error @ MpyError::Run(..)) => return Err(error.into()),
                Err(error) => {
                    let project = release.files.first().map(|file| file.name.project().as_str());
                    tracing::warn!(project, file = source.path, error = %Chain(&error), "boards get the source");
                    bytecode
                        .notes
                        .push(format!("{} is served as source: {error}", source.path));
                }
            }
        }
        Ok(bytecode)
    }

    /// The bytecode of a source. The compiler runs once for a path, a content and a compiler.
    fn compiled(&self, compiler: &MpyCross, source: &BoardFile) -> Result<BoardFile, MpyError> {
        let key = self.compiled_key(source);
        let known = self.derived::<BoardFile>(&key);
        if let Some(known) = known.filter(|file| self.has_contents(std::slice::from_ref(file))) {
            return Ok(known);
        }
        let failed = |error| MpyError::Run(PathBuf::from("mpy-cross"), error);
        let out = NamedTempFile::new_in(self.cache.directory()).map_err(failed)?;
        compiler.compile(&self.contents.path(&source.content), &source.path, out.path())?;
        let written = || out.reopen();
        let content = written().and_then(ContentId::of).map_err(failed)?;
        written()
            .and_then(|bytecode| self.contents.put(&content, bytecode))
            .map_err(failed)?;
        let path = source.path.strip_suffix(".py").unwrap_or(&source.path);
        let bytecode = BoardFile {
            path: format!("{path}.mpy"),
            content,
        };
        self.derive(&key, &bytecode);
        Ok(bytecode)
    }

    /// Everything that the bytecode of a source depends on.
    pub(super) fn compiled_key(&self, source: &BoardFile) -> [u8; 32] {
        let compiler = self.options.boards.fingerprint.as_bytes();
        Sha256::digest([compiler, source.path.as_bytes(), &source.content.sha256].concat()).into()
    }

    /// Everything that the view of a release depends on.
    pub(super) fn view_key(&self, release: &Release) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(GENERATION);
        for file in [release.describing(), release.source()].into_iter().flatten() {
            hasher.update(file.digests.sha256);
            hasher.update(file.metadata.as_ref().map_or([0; 32], |known| known.sha256));
            hasher.update(file.name.as_str());
        }
        hasher.update(&self.options.boards.fingerprint);
        hasher.finalize().into()
    }

    pub(super) fn derived<T: DeserializeOwned>(&self, key: &[u8; 32]) -> Option<T> {
        postcard::from_bytes(&self.cache.derived(key)?).ok()
    }

    fn derive(&self, key: &[u8; 32], value: &impl Serialize) {
        self.cache.derive(
            key,
            postcard::to_stdvec(value).expect("postcard writes paths, digests, numbers and lists"),
        );
    }
}

/// The bytecode of the view with this key.
pub(super) fn bytecode_key(view: &[u8; 32]) -> [u8; 32] {
    Sha256::digest([b"bytecode", &view[..]].concat()).into()
}
