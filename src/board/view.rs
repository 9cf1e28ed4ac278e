//! One read of an archive: the files that a board gets, and what it requires. Called by `index/` off the runtime's threads.

mod reading;

use std::collections::BTreeSet;
use std::io::{self, Read, Seek};
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use self::reading::Reading;
use super::path;
use super::patterns::Patterns;
use super::requires::Requirement;
use super::sink::Sink;
use crate::dist::{
    self, ArchiveError, BuildTag, ContentId, CoreMetadata, DistFilename, DistKind, Limits, MemberKind, SdistFormat,
};

/// Most bytes of a text that tells how an sdist is built. Each byte of TOML may be a value of a hundred.
const MAX_TEXT: u64 = 1 << 20;

/// A file on the board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoardFile {
    /// Path relative to the board's `lib`.
    pub path: String,
    /// What is in it.
    pub content: ContentId,
}

/// What a board gets of a module that has both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The source.
    Source,
    /// The bytecode.
    Bytecode,
}

/// A path that a board cannot take: an upload that would describe its release is refused for one, a file found in the folder
/// is served without it.
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
    /// Whether a board gets nothing of it, and needs nothing for it.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.mpy.is_empty() && self.requires.is_empty()
    }

    /// The files of a manifest, by path.
    pub fn files_as(&self, code: Code) -> Vec<&BoardFile> {
        let bytecode = match code {
            Code::Source => &[],
            Code::Bytecode => &self.mpy[..],
        };
        let replaced: BTreeSet<&str> = bytecode
            .iter()
            .filter_map(|file| file.path.strip_suffix(".mpy"))
            .collect();
        let is_kept = |file: &&BoardFile| {
            let stem = file.path.strip_suffix(".py");
            stem.is_none_or(|stem| !replaced.contains(stem))
        };
        let mut files: Vec<_> = self.files.iter().filter(is_kept).chain(bytecode).collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files
    }

    /// Sources that have no bytecode yet, for mpy-cross.
    pub fn to_compile(&self) -> Vec<&BoardFile> {
        let files = self.files_as(Code::Bytecode);
        files.into_iter().filter(|file| file.path.ends_with(".py")).collect()
    }
}

/// Why a distribution gives no view.
#[derive(Debug, thiserror::Error)]
pub enum BoardError {
    /// Neither `.tar.gz`, `.zip` nor `.whl`.
    #[error("{0} is of a kind that is never opened")]
    Kind(String),
    /// The archive, or the sink on the way.
    #[error("the members cannot be read")]
    Archive(#[from] ArchiveError),
    /// The sink at the end.
    #[error("the members cannot be stored")]
    Store(#[from] io::Error),
}

/// The distribution that describes a release best: a pure wheel before an sdist, of two the later build; never a platform
/// wheel.
pub fn choose<'a>(files: impl IntoIterator<Item = &'a DistFilename>) -> Option<&'a DistFilename> {
    let ranked = files
        .into_iter()
        .filter_map(|file| Some(((rank(file)?, build(file), file.as_str()), file)));
    ranked.max_by(|a, b| a.0.cmp(&b.0)).map(|(_, file)| file)
}

fn rank(file: &DistFilename) -> Option<u8> {
    match file.kind() {
        DistKind::Wheel(tags) if tags.is_pure() => Some(match &tags.python {
            python if python.contains("py3") => 4,
            python if python.split('.').all(is_python_2) => 0,
            _ => 3,
        }),
        DistKind::Sdist(SdistFormat::TarGz) => Some(2),
        DistKind::Sdist(SdistFormat::Zip) => Some(1),
        _ => None,
    }
}

fn is_python_2(tag: &str) -> bool {
    ["py2", "cp2", "pp2"].iter().any(|start| tag.starts_with(start))
}

fn build(file: &DistFilename) -> Option<BuildTag<'_>> {
    match file.kind() {
        DistKind::Wheel(tags) => tags.build_tag(),
        _ => None,
    }
}

/// `pyproject.toml` of an sdist: a release whose view is made from a wheel finds its `[tool.micropypi]` there.
///
/// # Errors
/// [`BoardError`], when the archive cannot be read.
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
        found = read_text(member.content)?;
        Ok(ControlFlow::Break(()))
    })?;
    Ok(found.and_then(|text| text.parse().ok()))
}

/// Reads a distribution once and gives what a board gets of it; the content goes to the sink.
///
/// `metadata` is the core metadata where there is some. Only where an include pattern names a member that looks like a
/// leftover is the archive read a second time.
///
/// # Errors
/// [`BoardError`], when the archive cannot be read, or the sink cannot be written.
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
    if reading.misses(&selection) {
        reading.walk(&mut archive, path::is_leftover)?;
    }
    reading.finish(selection, metadata)
}

/// An sdist's member by its path below the top directory.
fn below_top(path: &str) -> Option<&str> {
    Some(path.split_once('/')?.1)
}

/// Text of at most [`MAX_TEXT`] bytes; nothing where it is longer or not UTF-8.
fn read_text(content: &mut dyn Read) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    content.take(MAX_TEXT + 1).read_to_end(&mut bytes)?;
    let is_short = bytes.len() as u64 <= MAX_TEXT;
    Ok(String::from_utf8(bytes).ok().filter(|_| is_short))
}

#[cfg(test)]
mod tests;
