//! Why an archive is refused, each in a sentence that its uploader can act on.

use std::fmt;
use std::io;

use super::ArchiveFormat;

/// Why an archive cannot be walked, or its core metadata not be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The disk failed, not the archive.
    #[error("the file cannot be read")]
    Read(#[source] io::Error),
    /// The visitor failed, not the archive.
    #[error("what was made from the archive cannot be written")]
    Visitor(#[source] io::Error),
    /// Not an archive of its format, cut short, or damaged.
    #[error("the file is not a sound {format} archive ({detail}); build it again and upload that")]
    Damaged {
        /// What it should be.
        format: ArchiveFormat,
        /// What is wrong.
        detail: String,
    },
    /// More members than allowed.
    #[error("the archive has more than {limit} members, the server's [limits] archive_members")]
    Members {
        /// Most members.
        limit: usize,
    },
    /// More bytes than allowed.
    #[error("the archive unpacks to more than {limit} bytes, the server's [limits] unpacked_bytes")]
    Unpacked {
        /// Most bytes.
        limit: u64,
    },
    /// Compressed suspiciously well.
    #[error("the archive unpacks to more than {limit} times its size, the server's [limits] unpack_ratio")]
    Ratio {
        /// Most times.
        limit: u32,
    },
    /// A member that would leave the directory in which the archive is unpacked.
    #[error("the archive's member {path:?} leaves the archive: its path must be relative and without '..'")]
    Escape {
        /// Its path.
        path: String,
    },
    /// A member whose path no file system takes.
    #[error("the archive's member {path:?} has no usable path: it must be 1 to {max} bytes of UTF-8 without control characters", max = super::path::MAX_BYTES)]
    Path {
        /// The beginning of its path, with what is not UTF-8 replaced.
        path: String,
    },
    /// A member that needs a password.
    #[error("the archive's member {path:?} is encrypted; pack it without a password")]
    Encrypted {
        /// Its path.
        path: String,
    },
    /// A member that is packed in a way that installers do not all know.
    #[error(
        "the archive's member {path:?} is packed as {how}, which is not supported; build the archive with a standard build backend"
    )]
    Unsupported {
        /// Its path.
        path: String,
        /// What is not supported.
        how: String,
    },
    /// A wheel without core metadata.
    #[error("the wheel has no {expected}{}", other_hint(.other.as_deref()))]
    NoMetadata {
        /// Where it should be.
        expected: String,
        /// Metadata that is there, but of something else.
        other: Option<String>,
    },
    /// Core metadata twice.
    #[error("the archive has core metadata twice, as {first:?} and as {second:?}; which one is right cannot be told")]
    TwoMetadata {
        /// The first one's path.
        first: String,
        /// The second one's path.
        second: String,
    },
    /// Core metadata that is a link, a directory, a device.
    #[error("the archive's {path:?} must be a regular file")]
    MetadataKind {
        /// Its path.
        path: String,
    },
    /// Core metadata that is too large.
    #[error("the archive's {path:?} has more than the {limit} bytes of the server's [limits] metadata_bytes")]
    MetadataTooLarge {
        /// Its path.
        path: String,
        /// Most bytes.
        limit: u64,
    },
    /// Core metadata that is no text.
    #[error("the archive's {path:?} is not UTF-8: byte {at} is out of place")]
    MetadataNotUtf8 {
        /// Its path.
        path: String,
        /// Index of the first byte that does not belong.
        at: usize,
    },
}

fn other_hint(other: Option<&str>) -> String {
    other.map_or_else(String::new, |other| {
        format!(", only a {other:?} that does not fit the file name")
    })
}

impl fmt::Display for ArchiveFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::TarGz => ".tar.gz",
            Self::Zip => ".zip",
        })
    }
}
