//! Members of a `.zip`, a wheel among them.
//!
//! Read by the central directory, as installers do, one entry at a time: neither the directory nor the names are kept.

use std::io::{BufReader, Read, Seek};
use std::ops::ControlFlow;

use zip::CompressionMethod;
use zip::read::{Config, ZipFileEntry, ZipReadOptions};
use zip::result::ZipError;
use zip::unstable::read::ZipIterable;

use super::budget::Metered;
use super::{ArchiveError, MemberKind, Walk, path};

/// How much is read at once, in bytes. Every member costs two reads, so a large one does not pay.
const BLOCK: usize = 8 * 1024;

pub(super) fn walk<R: Read + Seek>(reader: R, mut walk: Walk<'_>) -> Result<(), ArchiveError> {
    let reader = BufReader::with_capacity(BLOCK, reader);
    let archive = ZipIterable::try_new(reader, Config::default()).map_err(|error| failure(error, &walk))?;
    // A name or size that the two headers of a member tell differently makes one archive two.
    let mut archive = archive.enforce_header_consistency(true);
    let entries = archive.files().map_err(|error| failure(error, &walk))?;
    while let Some(entry) = entries.next() {
        let entry = entry.map_err(|error| failure(error, &walk))?;
        if visit(entry, entries.reader_mut(), &mut walk)?.is_break() {
            break;
        }
    }
    Ok(())
}

fn visit<R: Read + Seek>(
    entry: ZipFileEntry<'_>,
    reader: &mut R,
    walk: &mut Walk<'_>,
) -> Result<ControlFlow<()>, ArchiveError> {
    check_packing(&entry)?;
    let raw_path = entry.name_raw().to_owned();
    let (kind, size) = (kind(&entry), entry.size());
    let content = entry
        .with_reader(reader, ZipReadOptions::new())
        .map_err(|error| failure(error, walk))?;
    let mut content = Metered::new(content, walk.budget);
    walk.member(&raw_path, kind, size, &mut content)
}

fn check_packing(entry: &ZipFileEntry<'_>) -> Result<(), ArchiveError> {
    let path = || path::show(entry.name_raw());
    if entry.encrypted() {
        return Err(ArchiveError::Encrypted { path: path() });
    }
    match entry.compression() {
        CompressionMethod::Stored | CompressionMethod::Deflated => Ok(()),
        other => Err(ArchiveError::Unsupported {
            path: path(),
            how: format!("{other} data"),
        }),
    }
}

fn kind(entry: &ZipFileEntry<'_>) -> MemberKind {
    const FILE_TYPE: u32 = 0o170_000;
    const REGULAR: u32 = 0o100_000;
    if entry.is_dir() {
        return MemberKind::Directory;
    }
    if entry.is_symlink() {
        return MemberKind::Link;
    }
    // Writers that are not of Unix leave the type out.
    match entry.unix_mode().unwrap_or(0) & FILE_TYPE {
        0 | REGULAR => MemberKind::File,
        _ => MemberKind::Other,
    }
}

fn failure(error: ZipError, walk: &Walk<'_>) -> ArchiveError {
    match error {
        ZipError::Io(error) => walk.failure(error),
        error => walk.damaged(error.to_string()),
    }
}
