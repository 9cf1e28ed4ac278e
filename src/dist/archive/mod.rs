//! What lies in a distribution: its members one by one, and its core metadata. Everybody may call it.
//!
//! An archive comes from anybody, so nothing that it claims is believed: bytes are counted as they are unpacked, names are
//! checked before anybody sees them, and no buffer grows with what a header says.

mod budget;
mod core_metadata;
mod error;
mod path;
mod tar;
mod zip;

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::ControlFlow;

use budget::{Budget, Content};
pub use core_metadata::read_core_metadata;
pub use error::ArchiveError;

/// What an archive may cost at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most members.
    pub members: usize,
    /// Most bytes that it unpacks to, headers and padding included.
    pub unpacked_bytes: u64,
    /// Most times that it grows when it is unpacked. What unpacks to less than 1 MiB is exempt.
    pub ratio: u32,
    /// Most bytes of core metadata.
    pub metadata_bytes: u64,
}

/// The archives that are opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveFormat {
    /// A tar in one or more gzip members: ustar, PAX or GNU.
    TarGz,
    /// A zip or zip64 whose members are stored or deflated.
    Zip,
}

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic or hard link; what it points to is not told.
    Link,
    /// A device, a pipe and the like.
    Other,
}

/// A member of an archive, as the visitor of [`walk`] sees it.
pub struct Member<'a> {
    /// Relative and UTF-8, without `..`, without `./` in front or `/` at the end.
    pub path: &'a str,
    /// What it is.
    pub kind: MemberKind,
    /// Length of the content, in bytes. The content is that long, or reading it fails.
    pub size: u64,
    /// The content. What the visitor leaves unread is skipped.
    pub content: &'a mut dyn Read,
}

/// Walks every member once, in archive order, and reads the archive to its end, so that what is damaged or grows beyond the
/// limits is found even where nobody looks at it. The visitor may stop early with [`ControlFlow::Break`].
///
/// The reader is read from its beginning, in large pieces; it needs no buffer of its own. Memory use does not depend on
/// the archive.
///
/// # Errors
/// [`ArchiveError`]; an error of the visitor comes back as [`ArchiveError::Visitor`].
pub fn walk<R: Read + Seek>(
    mut reader: R,
    format: ArchiveFormat,
    limits: &Limits,
    visit: &mut dyn FnMut(Member<'_>) -> io::Result<ControlFlow<()>>,
) -> Result<(), ArchiveError> {
    let packed_bytes = reader.seek(SeekFrom::End(0)).map_err(ArchiveError::Read)?;
    reader.rewind().map_err(ArchiveError::Read)?;
    let budget = Budget::new(packed_bytes, limits);
    let walk = Walk {
        format,
        member_limit: limits.members,
        members: 0,
        budget: &budget,
        visit,
    };
    match format {
        ArchiveFormat::TarGz => tar::walk(reader, walk),
        ArchiveFormat::Zip => zip::walk(reader, walk),
    }
}

/// A walk on its way: what both formats share.
struct Walk<'a> {
    format: ArchiveFormat,
    member_limit: usize,
    members: usize,
    budget: &'a Budget,
    visit: &'a mut dyn FnMut(Member<'_>) -> io::Result<ControlFlow<()>>,
}

impl Walk<'_> {
    /// Shows one member to the visitor and skips what it leaves unread.
    fn member(
        &mut self,
        raw_path: &[u8],
        kind: MemberKind,
        size: u64,
        content: &mut dyn Read,
    ) -> Result<ControlFlow<()>, ArchiveError> {
        self.count_members(1)?;
        let path = path::check(raw_path)?;
        let mut content = Content::new(content, size);
        if !path.is_empty() {
            let visited = (self.visit)(Member {
                path,
                kind,
                size,
                content: &mut content,
            });
            match visited {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => return Ok(ControlFlow::Break(())),
                Err(error) if content.has_failed() => return Err(self.failure(error)),
                Err(error) => return Err(ArchiveError::Visitor(error)),
            }
        }
        io::copy(&mut content, &mut io::sink()).map_err(|error| self.failure(error))?;
        Ok(ControlFlow::Continue(()))
    }

    fn count_members(&mut self, more: usize) -> Result<(), ArchiveError> {
        self.members = self.members.saturating_add(more);
        if self.members > self.member_limit {
            return Err(ArchiveError::Members {
                limit: self.member_limit,
            });
        }
        Ok(())
    }

    /// Why reading the archive failed: the limits, the disk, or the archive itself.
    fn failure(&self, error: io::Error) -> ArchiveError {
        if let Some(refusal) = self.budget.refusal() {
            return refusal;
        }
        if error.raw_os_error().is_some() {
            return ArchiveError::Read(error);
        }
        self.damaged(error.to_string())
    }

    fn damaged(&self, detail: String) -> ArchiveError {
        ArchiveError::Damaged {
            format: self.format,
            detail,
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
