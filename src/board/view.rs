//! One read of an archive: the files that a board gets, and what it requires. Called by `index/` off the runtime's threads.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Seek, Write};
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::layout;
use super::mpy::{self, Abi};
use super::path;
use super::patterns::{PatternError, Patterns};
use super::project::Project;
use super::requires::{self, Requirement};
use super::select::{Members, Selection, select};
use crate::dist::{self, ArchiveError, CoreMetadata, DistFilename, DistKind, Limits, Member, MemberKind, SdistFormat};

/// A file on the board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoardFile {
    /// Path relative to the board's `lib`.
    pub path: String,
    /// What is in it.
    pub sha256: [u8; 32],
    /// Length in bytes.
    pub size: u64,
}

/// A path that a board cannot take: an upload that holds one is refused, a file found in the folder is served without it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{path} cannot be installed on a board: {reason}")]
pub struct Refusal {
    /// Path on the board.
    pub path: String,
    /// Why, in words for the uploader.
    pub reason: String,
}

/// What a board gets of one distribution.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// What upip's tarball and mip's `py` manifest hold, ordered by path.
    pub files: Vec<BoardFile>,
    /// Bytecode that stands for the source of the same stem in mip's `6` manifest.
    pub mpy: Vec<BoardFile>,
    /// What a board cannot take.
    pub refused: Vec<Refusal>,
    /// What was left out and why, for the release's page.
    pub notes: Vec<String>,
    /// What the project requires on MicroPython, not yet resolved.
    pub requires: Vec<Requirement>,
}

impl View {
    /// The files of a manifest: `mpy` gives bytecode in place of the sources that have some.
    pub fn files_for(&self, mpy: bool) -> Vec<&BoardFile> {
        let bytecode = if mpy { &self.mpy[..] } else { &[] };
        let replaced: BTreeSet<&str> = bytecode
            .iter()
            .filter_map(|file| file.path.strip_suffix(".mpy"))
            .collect();
        let is_kept = |file: &&BoardFile| {
            !file
                .path
                .strip_suffix(".py")
                .is_some_and(|stem| replaced.contains(stem))
        };
        let mut files: Vec<_> = self.files.iter().filter(is_kept).chain(bytecode).collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files
    }

    /// Sources that have no bytecode yet, for mpy-cross.
    pub fn to_compile(&self) -> Vec<&BoardFile> {
        let files = self.files_for(true);
        files.into_iter().filter(|file| file.path.ends_with(".py")).collect()
    }
}

/// What is in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The digest that it is stored under.
    pub sha256: [u8; 32],
    /// Length in bytes.
    pub size: u64,
}

/// Where the content of a board's files goes: the cache, which stores each content once.
///
/// What is part of the view shows only when the archive has been read to its end; so everything that may be is staged
/// on the way, and what is not kept is to be dropped with the sink.
pub trait Sink {
    /// Copies one content to its end; [`hash_copy`] does it.
    fn stage(&mut self, content: &mut dyn Read) -> io::Result<Content>;
    /// Makes a staged content permanent; the same one may be kept more than once.
    fn keep(&mut self, content: &Content) -> io::Result<()>;
}

/// Copies to the end and hashes on the way.
pub fn hash_copy(content: &mut dyn Read, out: &mut dyn Write) -> io::Result<Content> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    let mut size = 0;
    loop {
        let length = match content.read(&mut buffer) {
            Ok(0) => {
                return Ok(Content {
                    sha256: hasher.finalize().into(),
                    size,
                });
            }
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&buffer[..length]);
        out.write_all(&buffer[..length])?;
        size += length as u64;
    }
}

/// Why a distribution gives no view.
#[derive(Debug, thiserror::Error)]
pub enum BoardError {
    /// Neither `.tar.gz`, `.zip` nor `.whl`.
    #[error("{0} is of a kind that is never opened")]
    Kind(String),
    /// The archive, or the sink on the way ([`ArchiveError::Visitor`]).
    #[error("the members cannot be read")]
    Archive(#[from] ArchiveError),
    /// The sink at the end.
    #[error("the members cannot be stored")]
    Store(#[from] io::Error),
}

/// The distribution that describes a release best: a pure wheel before an sdist; never a platform wheel.
pub fn choose<'a>(files: impl IntoIterator<Item = &'a DistFilename>) -> Option<&'a DistFilename> {
    let ranked = files
        .into_iter()
        .filter_map(|file| Some((rank(file)?, file.as_str(), file)));
    ranked
        .max_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)))
        .map(|(_, _, file)| file)
}

fn rank(file: &DistFilename) -> Option<u8> {
    match file.kind() {
        DistKind::Wheel(tags) if tags.is_pure() => Some(if tags.python.contains("py3") { 3 } else { 2 }),
        DistKind::Sdist(SdistFormat::TarGz) => Some(1),
        DistKind::Sdist(SdistFormat::Zip) => Some(0),
        _ => None,
    }
}

/// `pyproject.toml` of an sdist: a release whose view is made from a wheel finds its `[tool.micropypi]` there.
pub fn read_pyproject<R: Read + Seek>(
    archive: R,
    filename: &DistFilename,
    limits: &Limits,
) -> Result<Option<toml::Table>, BoardError> {
    let format = filename
        .archive_format()
        .ok_or_else(|| BoardError::Kind(filename.as_str().to_owned()))?;
    let mut found = None;
    dist::walk(archive, format, limits, &mut |member| {
        if member.kind != MemberKind::File || below_top(member.path) != Some("pyproject.toml") {
            return Ok(ControlFlow::Continue(()));
        }
        found = read_text(member.content, limits)?;
        Ok(ControlFlow::Break(()))
    })?;
    Ok(found.and_then(|text| text.parse().ok()))
}

/// Reads a distribution once and gives what a board gets of it; the content goes to the sink.
///
/// `metadata` is the core metadata where there is some. Only where an include pattern names a member that looks like a
/// leftover is the archive read a second time.
pub fn view<R: Read + Seek>(
    mut archive: R,
    filename: &DistFilename,
    metadata: Option<&CoreMetadata>,
    limits: &Limits,
    patterns: &Patterns,
    sink: &mut dyn Sink,
) -> Result<View, BoardError> {
    let mut reading = Reading::new(filename, limits, patterns, sink)?;
    reading.walk(&mut archive, |path| !path::is_leftover(path))?;
    let selection = reading.select(filename);
    if selection
        .files
        .values()
        .any(|member| !reading.staged.contains_key(member))
    {
        reading.walk(&mut archive, path::is_leftover)?;
    }
    let requires = requires::read(metadata, &reading.project);
    reading.finish(selection, requires)
}

/// What is known of a staged member.
struct Staged {
    content: Content,
    head: [u8; 3],
}

struct Reading<'a> {
    format: dist::ArchiveFormat,
    is_wheel: bool,
    limits: &'a Limits,
    patterns: &'a Patterns,
    sink: &'a mut dyn Sink,
    project: Project,
    links: BTreeSet<String>,
    staged: BTreeMap<String, Staged>,
}

impl<'a> Reading<'a> {
    fn new(
        filename: &DistFilename,
        limits: &'a Limits,
        patterns: &'a Patterns,
        sink: &'a mut dyn Sink,
    ) -> Result<Self, BoardError> {
        let format = filename
            .archive_format()
            .ok_or_else(|| BoardError::Kind(filename.as_str().to_owned()))?;
        Ok(Self {
            format,
            is_wheel: filename.is_wheel(),
            limits,
            patterns,
            sink,
            project: Project::default(),
            links: BTreeSet::new(),
            staged: BTreeMap::new(),
        })
    }

    /// Notes every member, and stages those that are wanted by their path.
    fn walk<R: Read + Seek>(&mut self, archive: R, is_wanted: impl Fn(&str) -> bool) -> Result<(), ArchiveError> {
        let (format, limits) = (self.format, self.limits);
        dist::walk(archive, format, limits, &mut |mut member| {
            let path = if self.is_wheel {
                Some(member.path)
            } else {
                below_top(member.path)
            };
            if let Some(path) = path.filter(|path| !path.is_empty()).map(str::to_owned) {
                self.visit(&path, &mut member, &is_wanted)?;
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    fn visit(&mut self, path: &str, member: &mut Member<'_>, is_wanted: &dyn Fn(&str) -> bool) -> io::Result<()> {
        match member.kind {
            MemberKind::Directory | MemberKind::Other => return Ok(()),
            MemberKind::Link => _ = self.links.insert(path.to_owned()),
            MemberKind::File if !self.is_wheel && Project::is_evidence(path) => {
                let text = read_text(member.content, self.limits)?;
                self.project.add_text(path, text.unwrap_or_default());
            }
            MemberKind::File if is_metadata(path) || path::is_bytecode_of_cpython(path) => {}
            MemberKind::File if is_wanted(path) => self.stage(path, member.content)?,
            MemberKind::File => {}
        }
        self.project.add(path);
        Ok(())
    }

    fn stage(&mut self, path: &str, content: &mut dyn Read) -> io::Result<()> {
        let mut head = [0; 3];
        let length = read_head(content, &mut head)?;
        let content = self.sink.stage(&mut (&head[..length]).chain(content))?;
        self.staged.insert(path.to_owned(), Staged { content, head });
        Ok(())
    }

    fn select(&self, filename: &DistFilename) -> Selection {
        let mut layout = match self.is_wheel {
            true => layout::of_wheel(self.project.paths()),
            false => layout::of_sdist(&self.project, filename.name()),
        };
        let patterns = self.own_patterns().unwrap_or_else(|error| {
            layout.notes.push(format!("[tool.micropypi] does not count: {error}"));
            self.patterns.clone()
        });
        let files = self.project.paths().filter(|path| !is_metadata(path));
        let includable = files
            .map(|path| (path.strip_prefix("src/").unwrap_or(path), path))
            .collect();
        select(
            layout,
            &Members {
                links: &self.links,
                includable,
            },
            &patterns,
            filename.project().as_str(),
        )
    }

    fn own_patterns(&self) -> Result<Patterns, PatternError> {
        match self.project.pyproject() {
            Ok(pyproject) => self.patterns.with_project(&pyproject),
            Err(_) => Ok(self.patterns.clone()),
        }
    }

    fn finish(
        self,
        selection: Selection,
        (requires, notes): (Vec<Requirement>, Vec<String>),
    ) -> Result<View, BoardError> {
        let mut view = View {
            refused: selection.refused,
            notes: selection.notes,
            requires,
            ..View::default()
        };
        for (path, member) in &selection.files {
            let Some(Staged { content, head }) = self.staged.get(member) else {
                continue;
            };
            let file = BoardFile {
                path: path.clone(),
                sha256: content.sha256,
                size: content.size,
            };
            let has_source = path
                .strip_suffix(".mpy")
                .is_some_and(|stem| selection.files.contains_key(&format!("{stem}.py")));
            let list = match sort(&mut view.notes, path, head, has_source) {
                Place::Files => &mut view.files,
                Place::Mpy => &mut view.mpy,
                Place::Nowhere => continue,
            };
            list.push(file);
            self.sink.keep(content)?;
        }
        view.notes.extend(notes);
        if view.files.is_empty() {
            view.notes
                .push("there is nothing in it that a board could import".to_owned());
        }
        Ok(view)
    }
}

enum Place {
    Files,
    Mpy,
    Nowhere,
}

/// MicroPython imports `foo.py` before `foo.mpy`; so a manifest holds one of them.
fn sort(notes: &mut Vec<String>, path: &str, head: &[u8; 3], has_source: bool) -> Place {
    if !path.ends_with(".mpy") {
        return Place::Files;
    }
    match (mpy::abi(head), has_source) {
        (Abi::Bytecode, true) => Place::Mpy,
        (Abi::Bytecode, false) => Place::Files,
        (Abi::Native, true) => {
            notes.push(format!(
                "{path} is left out: it is native code for one kind of board, and its source is there"
            ));
            Place::Nowhere
        }
        (Abi::Native, false) => {
            notes.push(format!("{path} is native code: only boards of its kind can import it"));
            Place::Files
        }
        (Abi::Other, _) => {
            notes.push(format!(
                "{path} is left out: it is not bytecode that MicroPython 1.19 and later can import"
            ));
            Place::Nowhere
        }
    }
}

/// An sdist's member by its path below the top directory.
fn below_top(path: &str) -> Option<&str> {
    Some(path.split_once('/')?.1)
}

fn is_metadata(path: &str) -> bool {
    path == "PKG-INFO"
        || path.contains(".egg-info/")
        || path.split('/').next().is_some_and(|top| top.ends_with(".dist-info"))
}

/// Text of at most the size that core metadata may have; nothing where it is longer or not UTF-8.
fn read_text(content: &mut dyn Read, limits: &Limits) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    content.take(limits.metadata_bytes + 1).read_to_end(&mut bytes)?;
    let is_short = bytes.len() as u64 <= limits.metadata_bytes;
    Ok(String::from_utf8(bytes).ok().filter(|_| is_short))
}

fn read_head(content: &mut dyn Read, head: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < head.len() {
        match content.read(&mut head[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

#[cfg(test)]
mod tests;
