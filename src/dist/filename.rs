//! The file name of a distribution, which says its project, its version and its kind. Everybody may call it.
//!
//! Two doors: [`DistFilename::parse_upload`] takes what build tools of today make, [`DistFilename::parse`] also what has
//! piled up in folders over the years, split as pypiserver splits it wherever PEP 440 has nothing better to say.

mod error;

use std::borrow::Cow;
use std::fmt;

pub use error::FilenameError;

use super::{ArchiveFormat, ProjectName, ReleaseVersion, VersionError};

/// Longest file name, in bytes: what Linux file systems take.
const MAX_BYTES: usize = 255;
/// As much of an upload: its sidecars, of which `.metadata` ends longest, have names of their own.
const MAX_UPLOAD_BYTES: usize = MAX_BYTES - ".metadata".len();

/// How the names of files end that can be uploaded.
const UPLOADED: [&str; 3] = [".tar.gz", ".zip", ".whl"];

/// The platform marks with which old binary distributions end, after a `.` or a `-`.
const PLATFORM_MARKS: [&str; 7] = ["macosx", "linux", "sunos", "solaris", "irix", "cygwin", "win"];

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DistKind {
    /// A source distribution.
    Sdist(SdistFormat),
    /// A wheel, PEP 427.
    Wheel(Box<WheelTags>),
    /// Eggs, installers and other binary forms of old: listed, never opened.
    Egg,
}

/// How a source distribution is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SdistFormat {
    /// `.tar.gz`, and `.tgz` of old.
    TarGz,
    /// `.zip`.
    Zip,
    /// `.tar.bz2` of old: listed, never opened.
    TarBz2,
    /// `.tar.xz` of old: listed, never opened.
    TarXz,
    /// `.tar` of old: listed, never opened.
    Tar,
}

/// What a wheel runs on: the build and compatibility tags, PEP 425, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the specification's")]
pub struct WheelTags {
    pub build: Option<Box<str>>,
    pub python: Box<str>,
    pub abi: Box<str>,
    pub platform: Box<str>,
}

/// The build tag of a wheel, in the order of the builds: by its number, then by the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BuildTag<'a> {
    /// Without leading zeros, the longer number is the larger one.
    digits: usize,
    number: &'a str,
    rest: &'a str,
}

/// The file name of a distribution, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistFilename {
    file: Box<str>,
    name_bytes: usize,
    project: ProjectName,
    version: ReleaseVersion,
    kind: DistKind,
}

impl SdistFormat {
    /// The format, and the file name without its extension.
    fn strip(file: &str) -> Option<(Self, &str)> {
        [
            (".tar.gz", Self::TarGz),
            (".tgz", Self::TarGz),
            (".zip", Self::Zip),
            (".tar.bz2", Self::TarBz2),
            (".tar.xz", Self::TarXz),
            (".tar", Self::Tar),
        ]
        .into_iter()
        .find_map(|(extension, format)| Some((format, strip_extension(file, extension)?)))
    }
}

impl WheelTags {
    /// Whether the wheel runs everywhere: ABI `none`, platform `any`.
    pub fn is_pure(&self) -> bool {
        &*self.abi == "none" && &*self.platform == "any"
    }

    /// The build tag, where there is one.
    pub fn build_tag(&self) -> Option<BuildTag<'_>> {
        let build = self.build.as_deref()?;
        let end = build.find(|c: char| !c.is_ascii_digit()).unwrap_or(build.len());
        let (number, rest) = build.split_at(end);
        let number = number.trim_start_matches('0');
        Some(BuildTag {
            digits: number.len(),
            number,
            rest,
        })
    }
}

impl DistFilename {
    /// Parses the name of a file that lies in the folder: lenient about versions and extensions.
    ///
    /// # Errors
    /// [`FilenameError`], a sentence.
    pub fn parse(file: &str) -> Result<Self, FilenameError> {
        check_characters(file, MAX_BYTES)?;
        if let Some(stem) = strip_extension(file, ".whl") {
            return Self::parse_wheel(file, stem, ReleaseVersion::parse_lenient);
        }
        if let Some((format, stem)) = SdistFormat::strip(file) {
            return Self::split_leniently(file, stem, DistKind::Sdist(format));
        }
        let stem = [".egg", ".exe", ".msi"]
            .iter()
            .find_map(|extension| strip_extension(file, extension));
        let stem = stem.ok_or_else(|| FilenameError::Extension(file.to_owned()))?;
        Self::split_leniently(file, stem, DistKind::Egg)
    }

    /// Parses the name of a file that is uploaded to `project`: a wheel, or an sdist ending with `.tar.gz` or `.zip`, with a
    /// PEP 440 version. Knowing the project tells `a-1-1.tar.gz` of `a` from that of `a-1`.
    ///
    /// # Errors
    /// [`FilenameError`], a sentence that the uploader can act on.
    pub fn parse_upload(file: &str, project: &ProjectName) -> Result<Self, FilenameError> {
        check_characters(file, MAX_UPLOAD_BYTES)?;
        if let Some(stem) = file.strip_suffix(".whl") {
            let wheel = Self::parse_wheel(file, stem, ReleaseVersion::parse)?;
            return if wheel.project == *project {
                Ok(wheel)
            } else {
                Err(other_project(file, project))
            };
        }
        if let Some(stem) = file.strip_suffix(".tar.gz") {
            return Self::split_knowing(file, stem, project, SdistFormat::TarGz);
        }
        if let Some(stem) = file.strip_suffix(".zip") {
            return Self::split_knowing(file, stem, project, SdistFormat::Zip);
        }
        let is_of_today = || {
            UPLOADED
                .iter()
                .any(|extension| strip_extension(file, extension).is_some())
        };
        Err(match Self::parse(file) {
            Ok(_) if is_of_today() => FilenameError::UpperCase(file.to_owned()),
            Ok(_) => FilenameError::OldKind(file.to_owned()),
            Err(error) => error,
        })
    }

    /// The same sdist as one of `project`, where its name can be read so: `a-1-1.tar.gz` is of `a`, or of `a-1`. As lenient as
    /// [`DistFilename::parse`].
    pub fn of_project(&self, project: &ProjectName) -> Option<Self> {
        let (format, stem) = SdistFormat::strip(&self.file)?;
        splits(stem)
            .filter(|(name, _)| ProjectName::parse(name).is_ok_and(|name| name == *project))
            .find_map(|(name, version)| {
                let version = ReleaseVersion::parse_lenient(version);
                Self::build(&self.file, name, version, DistKind::Sdist(format)).ok()
            })
    }

    /// The whole file name.
    pub fn as_str(&self) -> &str {
        &self.file
    }

    /// The project that it belongs to.
    pub fn project(&self) -> &ProjectName {
        &self.project
    }

    /// The project's name as the file name spells it.
    pub fn name(&self) -> &str {
        &self.file[..self.name_bytes]
    }

    /// The release that it belongs to.
    pub fn version(&self) -> &ReleaseVersion {
        &self.version
    }

    /// What it is.
    pub fn kind(&self) -> &DistKind {
        &self.kind
    }

    /// How to open it; `None` for what is never opened.
    pub fn archive_format(&self) -> Option<ArchiveFormat> {
        match self.kind {
            DistKind::Sdist(SdistFormat::TarGz) => Some(ArchiveFormat::TarGz),
            DistKind::Sdist(SdistFormat::Zip) | DistKind::Wheel(_) => Some(ArchiveFormat::Zip),
            DistKind::Sdist(_) | DistKind::Egg => None,
        }
    }

    /// Whether it is a wheel.
    pub fn is_wheel(&self) -> bool {
        matches!(self.kind, DistKind::Wheel(_))
    }

    fn parse_wheel(
        file: &str,
        stem: &str,
        parse_version: fn(&str) -> Result<ReleaseVersion, VersionError>,
    ) -> Result<Self, FilenameError> {
        let parts: Vec<&str> = stem.split('-').collect();
        let (name, version, build, [python, abi, platform]) = match *parts {
            [name, version, python, abi, platform] => (name, version, None, [python, abi, platform]),
            [name, version, build, python, abi, platform] => (name, version, Some(build), [python, abi, platform]),
            _ => return Err(FilenameError::Wheel(file.to_owned())),
        };
        if let Some(build) = build.filter(|build| !build.starts_with(|first: char| first.is_ascii_digit())) {
            let (file, build) = (file.to_owned(), build.to_owned());
            return Err(FilenameError::BuildTag { file, build });
        }
        if [python, abi, platform].contains(&"") {
            return Err(FilenameError::Wheel(file.to_owned()));
        }
        let kind = DistKind::Wheel(Box::new(WheelTags {
            build: build.map(Into::into),
            python: python.into(),
            abi: abi.into(),
            platform: platform.into(),
        }));
        Self::build(file, name, parse_version(&unescape_version(version)), kind)
    }

    /// Takes the first '-' before which stands the project's name and after which a version.
    fn split_knowing(
        file: &str,
        stem: &str,
        project: &ProjectName,
        format: SdistFormat,
    ) -> Result<Self, FilenameError> {
        let mut refused = None;
        for (name, version) in splits(stem) {
            if !ProjectName::parse(name).is_ok_and(|name| name == *project) {
                continue;
            }
            match Self::build(file, name, ReleaseVersion::parse(version), DistKind::Sdist(format)) {
                Ok(filename) => return Ok(filename),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        Err(refused.unwrap_or_else(|| other_project(file, project)))
    }

    fn split_leniently(file: &str, stem: &str, kind: DistKind) -> Result<Self, FilenameError> {
        let (name, version) = split_guessing(stem).ok_or_else(|| FilenameError::NoVersion(file.to_owned()))?;
        let is_whole = ReleaseVersion::parse(version).is_ok();
        match cut_platform(version) {
            Some(version) if !is_whole => {
                Self::build(file, name, ReleaseVersion::parse_lenient(version), DistKind::Egg)
            }
            _ => Self::build(file, name, ReleaseVersion::parse_lenient(version), kind),
        }
    }

    fn build(
        file: &str,
        name: &str,
        version: Result<ReleaseVersion, VersionError>,
        kind: DistKind,
    ) -> Result<Self, FilenameError> {
        let project = ProjectName::parse(name).map_err(|source| FilenameError::Name {
            file: file.to_owned(),
            source,
        })?;
        let version = version.map_err(|source| FilenameError::Version {
            file: file.to_owned(),
            source,
        })?;
        Ok(Self {
            file: file.into(),
            name_bytes: name.len(),
            project,
            version,
            kind,
        })
    }
}

impl fmt::Display for DistFilename {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.file)
    }
}

fn check_characters(file: &str, most: usize) -> Result<(), FilenameError> {
    if file.len() > most {
        let bytes = file.len();
        return Err(FilenameError::TooLong { bytes, most });
    }
    if file.contains(['/', '\\']) || file.contains("..") {
        return Err(FilenameError::Path(file.to_owned()));
    }
    if let Some(character) = file.chars().find(|character| !is_legal(*character)) {
        return Err(FilenameError::Character {
            file: file.to_owned(),
            character,
        });
    }
    if !file.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return Err(FilenameError::Start(file.to_owned()));
    }
    Ok(())
}

fn is_legal(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '.' | '-' | '_' | '+' | '!')
}

fn other_project(file: &str, project: &ProjectName) -> FilenameError {
    FilenameError::OtherProject {
        file: file.to_owned(),
        project: project.clone(),
    }
}

/// Strips an ASCII extension in any case, as long as something stands before it.
fn strip_extension<'a>(file: &'a str, extension: &str) -> Option<&'a str> {
    let (stem, end) = file.split_at_checked(file.len().checked_sub(extension.len())?)?;
    (!stem.is_empty() && end.eq_ignore_ascii_case(extension)).then_some(stem)
}

/// Wheels write the '-' of a version as '_' (PEP 427). PEP 440 takes both alike, everywhere but in `1.0-1`.
fn unescape_version(escaped: &str) -> Cow<'_, str> {
    let dashed = escaped.replace('_', "-");
    let is_version = |text: &str| ReleaseVersion::parse(text).is_ok();
    if !is_version(escaped) && is_version(&dashed) {
        Cow::Owned(dashed)
    } else {
        Cow::Borrowed(escaped)
    }
}

/// All pairs of name and version that a '-' can part.
fn splits(stem: &str) -> impl Iterator<Item = (&str, &str)> {
    stem.match_indices('-')
        .map(|(dash, _)| (&stem[..dash], &stem[dash + 1..]))
}

/// Tells name and version apart where nobody knows the project. As pypiserver does, except that a rest which PEP 440 knows
/// (once the platform is cut off) wins over one which only begins like a version.
fn split_guessing(stem: &str) -> Option<(&str, &str)> {
    let last = stem.rsplit_once('-')?;
    if !stem.contains('.') {
        return Some(last);
    }
    let begins_like_one = |rest: &str| {
        rest.trim_start_matches(['v', 'V'])
            .starts_with(|c: char| c.is_ascii_digit())
    };
    let candidates = || splits(stem).filter(|(_, rest)| begins_like_one(rest));
    let is_version = |rest: &str| ReleaseVersion::parse(cut_platform(rest).unwrap_or(rest)).is_ok();
    candidates()
        .find(|(_, rest)| is_version(rest))
        .or_else(|| candidates().next())
        .or(Some(last))
}

/// The part of a version before `-py3.8`, `.linux-x86_64` and the like; `None` if there is no such mark.
fn cut_platform(version: &str) -> Option<&str> {
    let mut separators = version.match_indices(['.', '-']);
    separators.find_map(|(at, _)| is_platform_mark(&version[at + 1..]).then_some(&version[..at]))
}

fn is_platform_mark(rest: &str) -> bool {
    let digit_follows = |mark: &str| {
        rest.strip_prefix(mark)
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    digit_follows("py") || digit_follows("cp") || PLATFORM_MARKS.iter().any(|mark| rest.starts_with(mark))
}

#[cfg(test)]
mod tests;
