//! The members of an archive, one by one, within limits. Everybody may call it.

mod tar;
mod zip;

use std::io::{self, Read, Seek};
use std::ops::ControlFlow;

/// What an archive may hold. Anybody on the LAN can send one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Members.
    pub members: usize,
    /// Bytes of all members, unpacked.
    pub unpacked_bytes: u64,
    /// Times that an archive of more than 1 MiB may grow when it is unpacked.
    pub ratio: u32,
    /// Bytes of core metadata.
    pub metadata_bytes: u64,
}

/// An archive that unpacks to this much is harmless, however well it is packed.
const HARMLESS: u64 = 1 << 20;

impl Limits {
    /// The most that an archive of `packed` bytes may unpack to.
    fn most_unpacked(&self, packed: u64) -> u64 {
        packed
            .saturating_mul(u64::from(self.ratio))
            .max(HARMLESS)
            .min(self.unpacked_bytes)
    }
}

/// How members are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveFormat {
    /// A tar archive in gzip.
    TarGz,
    /// A zip archive; wheels are such.
    Zip,
}

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberKind {
    /// A file with content.
    File,
    /// A directory.
    Directory,
    /// A symbolic or hard link.
    Link,
    /// A device, a pipe, or something else that no package needs.
    Other,
}

/// A member of an archive.
pub struct Member<'a> {
    /// Relative, `/` between its parts, none of them `..`.
    pub path: &'a str,
    /// What it is.
    pub kind: MemberKind,
    /// Bytes, as the archive says.
    pub size: u64,
    /// The content.
    pub content: &'a mut dyn Read,
}

/// What is wrong with an archive. Each is a sentence for the uploader.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum ArchiveError {
    #[error("the archive is damaged or cut short")]
    Damaged(#[source] io::Error),
    #[error("the archive has more than {limit} members ([limits] archive_members)")]
    TooManyMembers { limit: usize },
    #[error("the archive unpacks to more than {limit} bytes ([limits] unpacked_bytes, unpack_ratio)")]
    TooLarge { limit: u64 },
    #[error("the archive's member {path:?} would be written outside of its directory")]
    Escapes { path: String },
    #[error("the archive's member {path:?} has a name that is not UTF-8, or has control characters")]
    IllegalName { path: String },
    #[error("the archive's member {path:?} is encrypted")]
    Encrypted { path: String },
    #[error("the wheel has no METADATA in the .dist-info directory that its file name asks for")]
    NoMetadata,
    #[error("the archive has more than one PKG-INFO or METADATA where one belongs")]
    TwoMetadata,
    #[error("the metadata inside the archive is larger than {limit} bytes ([limits] metadata_bytes)")]
    MetadataTooLarge { limit: u64 },
    #[error("the metadata inside the archive is not UTF-8")]
    MetadataNotUtf8,
}

/// What is done with each member; `Break` ends the walk.
pub(super) type Visit<'a> = dyn FnMut(Member<'_>) -> io::Result<ControlFlow<()>> + 'a;

/// Hands out every member once, in the archive's order. A visitor need not read a content to its end.
///
/// # Errors
/// When the archive is damaged, beyond the limits, or has a member that leaves it; the visitor's own errors, too, count
/// as damage.
pub fn walk<R: Read + Seek>(
    reader: R,
    format: ArchiveFormat,
    limits: &Limits,
    visit: &mut Visit<'_>,
) -> Result<(), ArchiveError> {
    match format {
        ArchiveFormat::TarGz => tar::walk(reader, limits, visit),
        ArchiveFormat::Zip => zip::walk(reader, limits, visit),
    }
}

/// The path of a member that stays inside of the archive's directory, without `.` parts.
fn safe_path(raw: &[u8]) -> Result<String, ArchiveError> {
    let shown = || String::from_utf8_lossy(raw).into_owned();
    let text = std::str::from_utf8(raw).map_err(|_| ArchiveError::IllegalName { path: shown() })?;
    if text.chars().any(char::is_control) {
        return Err(ArchiveError::IllegalName { path: shown() });
    }
    let parts: Vec<&str> = text
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    let has_drive = text.as_bytes().get(1) == Some(&b':');
    if text.starts_with('/') || text.contains('\\') || has_drive || parts.contains(&"..") {
        return Err(ArchiveError::Escapes { path: shown() });
    }
    Ok(parts.join("/"))
}

/// Ends a stream of unpacked bytes that grows beyond its limit.
struct Bounded<R> {
    inner: R,
    left: u64,
}

/// The inner error by which a [`Bounded`] reader ends.
#[derive(Debug, thiserror::Error)]
#[error("too many bytes")]
struct Exceeded;

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self
            .left
            .checked_sub(read as u64)
            .ok_or_else(|| io::Error::other(Exceeded))?;
        Ok(read)
    }
}

/// Tells a limit from damage.
fn damaged(error: io::Error, limit: u64) -> ArchiveError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = error.get_ref().map(|inner| inner as _);
    while let Some(inner) = cause {
        if inner.is::<Exceeded>() {
            return ArchiveError::TooLarge { limit };
        }
        let nested = inner
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            .map(|inner| inner as _);
        cause = nested.or_else(|| inner.source());
    }
    ArchiveError::Damaged(error)
}
