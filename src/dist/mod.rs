//! What a distribution is, as PyPA's specifications say it: project name, version, file name, core metadata, archive
//! members, digests. Pure: no I/O beyond the reader that it is handed. Everybody may call it.

mod archive;
mod content;
mod digest;
mod filename;
mod metadata;
mod name;
mod version;

#[cfg(test)]
pub(crate) use archive::tests::{tar_gz, zip};
pub use archive::{ArchiveError, ArchiveFormat, Limits, Member, MemberKind, read_core_metadata, walk};
pub use content::ContentId;
pub use digest::{ClaimedDigests, DigestMismatch, Digests, Hasher, Hex, parse_hex};
pub use filename::{BuildTag, DistFilename, DistKind, FilenameError, SdistFormat, WheelTags};
pub use metadata::{CoreMetadata, MetadataError};
pub use name::{NameError, ProjectName};
pub use version::{ReleaseVersion, VersionError};
