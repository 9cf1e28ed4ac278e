//! Why a file name is refused, each in a sentence that an uploader can act on.

use crate::dist::{NameError, ProjectName, VersionError};

/// Why a file name is not that of a distribution. Each is a sentence about `file`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilenameError {
    /// More bytes than a file system takes, its sidecars' names included.
    #[error("the file name has {bytes} bytes, more than the {most} that are allowed")]
    TooLong {
        /// How many it has.
        bytes: usize,
        /// How many it may have.
        most: usize,
    },
    /// It would lie in another folder.
    #[error("the file name {0:?} holds a path; give the bare name of the file")]
    Path(String),
    /// Empty, or hidden.
    #[error("the file name {0:?} must begin with a letter or digit")]
    Start(String),
    /// Control characters, NUL, non-ASCII, and what else no build tool writes.
    #[error("the file name {file:?} holds {character:?}; it takes ASCII letters, digits, '.', '-', '_', '+' and '!'")]
    Character {
        /// The file name.
        file: String,
        /// The first character that is refused.
        character: char,
    },
    /// No kind of distribution ends like this.
    #[error("{0:?} is not a distribution: its name must end with .tar.gz, .zip or .whl")]
    Extension(String),
    /// A kind of old, which cannot be uploaded any more.
    #[error("{0:?} is of an old kind that cannot be uploaded; make an sdist (.tar.gz, .zip) or a wheel (.whl)")]
    OldKind(String),
    /// The ending of a kind that can be uploaded, in other letters.
    #[error("the file name {0:?} must end in lower case: .tar.gz, .zip or .whl")]
    UpperCase(String),
    /// Name and version cannot be told apart.
    #[error("the file name {0:?} has no version; it must be NAME-VERSION and the extension")]
    NoVersion(String),
    /// A wheel with too few or too many parts.
    #[error("the file name {0:?} is not NAME-VERSION(-BUILD)-PYTHON-ABI-PLATFORM.whl")]
    Wheel(String),
    /// A wheel whose third part of six is no build tag.
    #[error(
        "the file name {file:?} has the build tag {build:?}; in NAME-VERSION-BUILD-PYTHON-ABI-PLATFORM.whl it begins with a digit"
    )]
    BuildTag {
        /// The file name.
        file: String,
        /// What stands for the build tag.
        build: String,
    },
    /// The name in it is no project name.
    #[error("the file name {file:?} does not begin with a project name")]
    Name {
        /// The file name.
        file: String,
        /// What is wrong with the name.
        source: NameError,
    },
    /// The version in it is no version.
    #[error("the file name {file:?} does not hold a version after the name")]
    Version {
        /// The file name.
        file: String,
        /// What is wrong with the version.
        source: VersionError,
    },
    /// An upload whose form names another project.
    #[error("the file name {file:?} is not one of project {project}: it must begin with the project's name and a '-'")]
    OtherProject {
        /// The file name.
        file: String,
        /// The project.
        project: ProjectName,
    },
}
