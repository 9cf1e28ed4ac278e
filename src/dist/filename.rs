//! File names of distributions: what they say about project, version and form. Everybody may call it.

use super::{ArchiveFormat, NameError, ProjectName, ReleaseVersion};

/// The longest name that file systems take, in bytes.
const LONGEST: usize = 255;

/// What a distribution file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DistKind {
    /// A source distribution.
    Sdist(SdistFormat),
    /// A wheel (PyPA's binary distribution format).
    Wheel(WheelTags),
    /// An egg, or another form from before wheels: listed, never opened.
    Egg,
}

/// How a source distribution is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SdistFormat {
    /// `.tar.gz`, `.tgz`
    TarGz,
    /// `.zip`
    Zip,
    /// `.tar`, `.tar.bz2`, `.tar.xz` and the like: listed, never opened.
    Other,
}

/// What a wheel fits (PEP 425).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WheelTags {
    /// The build number.
    pub build: Option<Box<str>>,
    /// `py3`
    pub python: Box<str>,
    /// `none`
    pub abi: Box<str>,
    /// `any`
    pub platform: Box<str>,
}

impl WheelTags {
    /// Whether the wheel holds nothing that is built for a platform.
    pub fn is_pure(&self) -> bool {
        &*self.abi == "none" && &*self.platform == "any"
    }
}

/// A distribution's file name, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistFilename {
    file: Box<str>,
    name: Box<str>,
    project: ProjectName,
    version: ReleaseVersion,
    kind: DistKind,
}

/// Why a file name is not one of a distribution. Each is a sentence for the uploader.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum FilenameError {
    #[error("the file name is empty")]
    Empty,
    #[error("the file name has {0} bytes; at most {LONGEST} are allowed")]
    TooLong(usize),
    #[error("the file name {0:?} holds characters that are not allowed: use ASCII letters, digits and . _ - + !")]
    Illegal(String),
    #[error("{0} is neither an sdist (.tar.gz, .zip) nor a wheel (.whl)")]
    Extension(String),
    #[error("the file name {0} has no version; an sdist is called NAME-VERSION.tar.gz")]
    NoVersion(String),
    #[error("{0} is no wheel's name: NAME-VERSION[-BUILD]-PYTHON-ABI-PLATFORM.whl")]
    Wheel(String),
    #[error("the file name {file} is of another project than {project}; the form's name and the file's must agree")]
    OtherProject { file: String, project: ProjectName },
    #[error("the file name {file} has a version that PEP 440 does not know")]
    Version { file: String },
    #[error("the file name {file} begins with no project name")]
    Name { file: String, source: NameError },
}

/// How old forms say what they are built for, after the version: `foo-1.0-py3.8.egg`, `foo-1.0.win32-py2.7.exe`.
const BUILT_FOR: [&str; 6] = ["py", "cp", "win", "linux", "macosx", "cygwin"];

impl DistFilename {
    /// Reads the name of a file that lies in the folder; old forms and old versions too.
    ///
    /// # Errors
    /// When it is no distribution's.
    pub fn parse(file: &str) -> Result<Self, FilenameError> {
        check_characters(file)?;
        if file.ends_with(".whl") {
            return wheel(file);
        }
        let (stem, kind) = split_extension(file).ok_or_else(|| FilenameError::Extension(file.to_owned()))?;
        let stem = if kind == DistKind::Egg {
            without_platform(stem)
        } else {
            stem
        };
        let (name, version) = split_version(stem).ok_or_else(|| FilenameError::NoVersion(file.to_owned()))?;
        let version =
            ReleaseVersion::parse_lenient(version).map_err(|_| FilenameError::Version { file: file.to_owned() })?;
        Self::new(file, name, version, kind)
    }

    /// Reads the name of a file that is uploaded for a project: with the project known, no name is ambiguous.
    ///
    /// # Errors
    /// When it is not the name of a wheel, or of an sdist as `.tar.gz` or `.zip`, of that project, with a version of PEP 440.
    pub fn parse_upload(file: &str, project: &ProjectName) -> Result<Self, FilenameError> {
        check_characters(file)?;
        let parsed = if file.ends_with(".whl") {
            wheel(file)?
        } else {
            sdist_of(file, project)?
        };
        if parsed.version.pep440().is_none() {
            return Err(FilenameError::Version { file: file.to_owned() });
        }
        if parsed.project != *project {
            return Err(FilenameError::OtherProject {
                file: file.to_owned(),
                project: project.clone(),
            });
        }
        Ok(parsed)
    }

    fn new(file: &str, name: &str, version: ReleaseVersion, kind: DistKind) -> Result<Self, FilenameError> {
        let project = ProjectName::parse(name).map_err(|source| FilenameError::Name {
            file: file.to_owned(),
            source,
        })?;
        Ok(Self {
            file: file.into(),
            name: name.into(),
            project,
            version,
            kind,
        })
    }

    /// The whole file name.
    pub fn as_str(&self) -> &str {
        &self.file
    }

    /// The project.
    pub fn project(&self) -> &ProjectName {
        &self.project
    }

    /// The project's name as the file name writes it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version.
    pub fn version(&self) -> &ReleaseVersion {
        &self.version
    }

    /// What the file is.
    pub fn kind(&self) -> &DistKind {
        &self.kind
    }

    /// Whether it is a wheel.
    pub fn is_wheel(&self) -> bool {
        matches!(self.kind, DistKind::Wheel(_))
    }

    /// How to open it; None for what is never opened.
    pub fn archive_format(&self) -> Option<ArchiveFormat> {
        match self.kind {
            DistKind::Sdist(SdistFormat::TarGz) => Some(ArchiveFormat::TarGz),
            DistKind::Sdist(SdistFormat::Zip) | DistKind::Wheel(_) => Some(ArchiveFormat::Zip),
            DistKind::Sdist(SdistFormat::Other) | DistKind::Egg => None,
        }
    }
}

fn check_characters(file: &str) -> Result<(), FilenameError> {
    let is_legal = |b: u8| b.is_ascii_alphanumeric() || b"._-+!~".contains(&b);
    if file.is_empty() {
        return Err(FilenameError::Empty);
    }
    if file.len() > LONGEST {
        return Err(FilenameError::TooLong(file.len()));
    }
    if file.starts_with('.') || file.contains("..") || !file.bytes().all(is_legal) {
        return Err(FilenameError::Illegal(file.to_owned()));
    }
    Ok(())
}

fn wheel(file: &str) -> Result<DistFilename, FilenameError> {
    let malformed = || FilenameError::Wheel(file.to_owned());
    let parts: Vec<&str> = file.strip_suffix(".whl").unwrap_or(file).split('-').collect();
    let (name, version, build, [python, abi, platform]) = match *parts {
        [name, version, python, abi, platform] => (name, version, None, [python, abi, platform]),
        [name, version, build, python, abi, platform] => (name, version, Some(build), [python, abi, platform]),
        _ => return Err(malformed()),
    };
    if [name, version, python, abi, platform].contains(&"")
        || build.is_some_and(|b| !b.starts_with(|c: char| c.is_ascii_digit()))
    {
        return Err(malformed());
    }
    let tags = WheelTags {
        build: build.map(Into::into),
        python: python.into(),
        abi: abi.into(),
        platform: platform.into(),
    };
    let version =
        ReleaseVersion::parse_lenient(version).map_err(|_| FilenameError::Version { file: file.to_owned() })?;
    DistFilename::new(file, name, version, DistKind::Wheel(tags))
}

/// Every place where the name could end is tried; the one where it is the project's is right.
fn sdist_of(file: &str, project: &ProjectName) -> Result<DistFilename, FilenameError> {
    let (stem, kind) = match split_extension(file) {
        Some((stem, kind @ DistKind::Sdist(SdistFormat::TarGz | SdistFormat::Zip))) if !file.ends_with(".tgz") => {
            (stem, kind)
        }
        _ => return Err(FilenameError::Extension(file.to_owned())),
    };
    let mut splits = splits(stem)
        .filter(|(name, _)| ProjectName::parse(name).is_ok_and(|name| name == *project))
        .peekable();
    if splits.peek().is_none() {
        let has_version = split_version(stem).is_some();
        let (file, project) = (file.to_owned(), project.clone());
        return Err(if has_version {
            FilenameError::OtherProject { file, project }
        } else {
            FilenameError::NoVersion(file)
        });
    }
    let parsed = splits.find_map(|(name, version)| Some((name, ReleaseVersion::parse(version).ok()?)));
    let (name, version) = parsed.ok_or_else(|| FilenameError::Version { file: file.to_owned() })?;
    DistFilename::new(file, name, version, kind)
}

fn splits(stem: &str) -> impl Iterator<Item = (&str, &str)> + Clone {
    stem.match_indices('-').map(|(at, _)| (&stem[..at], &stem[at + 1..]))
}

fn split_extension(file: &str) -> Option<(&str, DistKind)> {
    const OTHER: [&str; 6] = [".tar.bz2", ".tar.xz", ".tar.Z", ".tar.lzma", ".tbz", ".tar"];
    let sdist = |ending: &str, format| Some((file.strip_suffix(ending)?, DistKind::Sdist(format)));
    let egg = || {
        [".egg", ".exe", ".msi"]
            .iter()
            .find_map(|ending| Some((file.strip_suffix(ending)?, DistKind::Egg)))
    };
    sdist(".tar.gz", SdistFormat::TarGz)
        .or_else(|| sdist(".tgz", SdistFormat::TarGz))
        .or_else(|| sdist(".zip", SdistFormat::Zip))
        .or_else(|| OTHER.iter().find_map(|ending| sdist(ending, SdistFormat::Other)))
        .or_else(egg)
}

/// Cuts `-py3.8`, `.win32-py2.7` and the like off.
fn without_platform(stem: &str) -> &str {
    let version_from = split_version(stem).map_or(0, |(name, _)| name.len() + 1);
    let places = stem[version_from..]
        .match_indices(['-', '.'])
        .map(|(at, _)| version_from + at);
    let built_for = |at: &usize| BUILT_FOR.iter().any(|tag| stem[at + 1..].starts_with(tag));
    places.into_iter().find(built_for).map_or(stem, |at| &stem[..at])
}

/// Where several places are possible: as pypiserver guesses, since the folder may have been its.
fn split_version(stem: &str) -> Option<(&str, &str)> {
    let is_version = |(_, version): &(&str, &str)| {
        version.starts_with(|c: char| c.is_ascii_digit()) && ReleaseVersion::parse(version).is_ok()
    };
    let mut candidates = splits(stem).filter(is_version);
    let dotted = |(_, version): &(&str, &str)| {
        version
            .trim_start_matches(|c: char| c.is_ascii_digit())
            .starts_with(|c: char| c.is_ascii_alphabetic() || "_.!+".contains(c))
    };
    if stem.contains('.') {
        let first = candidates.clone().find(dotted).or_else(|| candidates.next());
        return first.or_else(|| splits(stem).find(dotted)).or_else(|| legacy(stem));
    }
    candidates.last().or_else(|| legacy(stem))
}

fn legacy(stem: &str) -> Option<(&str, &str)> {
    let (name, version) = stem.rsplit_once('-')?;
    (!name.is_empty() && !version.is_empty()).then_some((name, version))
}
