//! Members of a `.tar.gz`.
//!
//! The crate `tar` finds the headers; its raw mode is used because its own reading of GNU and PAX extensions keeps them in
//! memory whole, however long they are.

use std::io::{self, BufReader, Read};
use std::mem;
use std::ops::ControlFlow;

use flate2::bufread::MultiGzDecoder;
use tar::{Archive, Entry, EntryType, PaxExtensions};

use super::budget::Metered;
use super::{ArchiveError, MemberKind, Walk, path};

/// How much is read and unpacked at once, in bytes.
const BLOCK: usize = 16 * 1024;

/// Longest GNU or PAX extension of one member, in bytes.
const MAX_EXTENSION: u64 = 1 << 20;

pub(super) fn walk<R: Read>(reader: R, mut walk: Walk<'_>) -> Result<(), ArchiveError> {
    let gzip = MultiGzDecoder::new(BufReader::with_capacity(BLOCK, reader));
    let unpacked = BufReader::with_capacity(BLOCK, Metered::new(gzip, walk.budget));
    let mut archive = Archive::new(unpacked);
    if walk_members(&mut archive, &mut walk)?.is_break() {
        return Ok(());
    }
    // Padding follows the last member; only at the very end gzip's checksum is compared.
    let rest = io::copy(&mut archive.into_inner(), &mut io::sink());
    rest.map_err(|error| walk.failure(error))?;
    Ok(())
}

fn walk_members<R: Read>(archive: &mut Archive<R>, walk: &mut Walk<'_>) -> Result<ControlFlow<()>, ArchiveError> {
    let mut extensions = Extensions::default();
    let entries = archive.entries().map_err(|error| walk.failure(error))?;
    for entry in entries.raw(true) {
        let mut entry = entry.map_err(|error| walk.failure(error))?;
        if extensions.take(&mut entry, walk)? {
            continue;
        }
        if visit(&mut entry, mem::take(&mut extensions), walk)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    match extensions.path {
        Some(_) => Err(walk.damaged("a long name without its member".to_owned())),
        None => Ok(ControlFlow::Continue(())),
    }
}

fn visit<R: Read>(
    entry: &mut Entry<'_, R>,
    extensions: Extensions,
    walk: &mut Walk<'_>,
) -> Result<ControlFlow<()>, ArchiveError> {
    let raw_path = extensions.path.unwrap_or_else(|| entry.path_bytes().into_owned());
    let kind = kind(entry.header().entry_type(), &raw_path)?;
    let size = entry.size();
    // Readers disagree on whether such content is there, so that one archive would be two.
    if matches!(kind, MemberKind::Directory | MemberKind::Link) && size > 0 {
        return Err(walk.damaged(format!("{:?} is no file and yet has content", path::show(&raw_path))));
    }
    if extensions.size.is_some_and(|claimed| claimed != size) {
        return Err(walk.damaged(format!("two headers of {:?} differ in its size", path::show(&raw_path))));
    }
    walk.member(&raw_path, kind, size, entry)
}

fn kind(entry_type: EntryType, raw_path: &[u8]) -> Result<MemberKind, ArchiveError> {
    Ok(match entry_type {
        // Before ustar, directories were files whose name ends with '/'.
        EntryType::Regular if raw_path.ends_with(b"/") => MemberKind::Directory,
        EntryType::Regular | EntryType::Continuous => MemberKind::File,
        EntryType::Directory => MemberKind::Directory,
        EntryType::Symlink | EntryType::Link => MemberKind::Link,
        EntryType::GNUSparse => return Err(sparse(raw_path)),
        _ => MemberKind::Other,
    })
}

fn sparse(raw_path: &[u8]) -> ArchiveError {
    ArchiveError::Unsupported {
        path: path::show(raw_path),
        how: "a sparse file".to_owned(),
    }
}

/// What headers of their own say about the member after them.
#[derive(Default)]
struct Extensions {
    path: Option<Vec<u8>>,
    size: Option<u64>,
}

impl Extensions {
    /// Takes the entry if it is an extension. A link's long target is of no interest.
    fn take<R: Read>(&mut self, entry: &mut Entry<'_, R>, walk: &Walk<'_>) -> Result<bool, ArchiveError> {
        match entry.header().entry_type() {
            EntryType::GNULongName => {
                let mut name = read_extension(entry, walk)?;
                name.truncate(name.iter().position(|byte| *byte == 0).unwrap_or(name.len()));
                self.set_path(name, walk)?;
            }
            EntryType::XHeader => self.take_pax(&read_extension(entry, walk)?, walk)?,
            EntryType::XGlobalHeader => Self::check_global(&read_extension(entry, walk)?, walk)?,
            EntryType::GNULongLink => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn take_pax(&mut self, records: &[u8], walk: &Walk<'_>) -> Result<(), ArchiveError> {
        for record in PaxExtensions::new(records) {
            let record = record.map_err(|error| walk.failure(error))?;
            match record.key_bytes() {
                b"path" => self.set_path(record.value_bytes().to_owned(), walk)?,
                b"size" => self.size = Some(parse_size(record.value_bytes(), walk)?),
                key if key.starts_with(b"GNU.sparse.") => return Err(sparse(record.value_bytes())),
                _ => {}
            }
        }
        Ok(())
    }

    /// A name or size for all members makes no sense, and readers disagree on what to make of it.
    fn check_global(records: &[u8], walk: &Walk<'_>) -> Result<(), ArchiveError> {
        let mut global = Self::default();
        global.take_pax(records, walk)?;
        if global.path.is_some() || global.size.is_some() {
            return Err(walk.damaged("a global header that names a member".to_owned()));
        }
        Ok(())
    }

    fn set_path(&mut self, path: Vec<u8>, walk: &Walk<'_>) -> Result<(), ArchiveError> {
        match self.path.replace(path) {
            Some(_) => Err(walk.damaged("two long names for one member".to_owned())),
            None => Ok(()),
        }
    }
}

fn read_extension<R: Read>(entry: &mut Entry<'_, R>, walk: &Walk<'_>) -> Result<Vec<u8>, ArchiveError> {
    if entry.size() > MAX_EXTENSION {
        return Err(walk.damaged(format!("a header of more than {MAX_EXTENSION} bytes")));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(|error| walk.failure(error))?;
    Ok(bytes)
}

fn parse_size(digits: &[u8], walk: &Walk<'_>) -> Result<u64, ArchiveError> {
    let size = str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    size.ok_or_else(|| walk.damaged("a size that is no number".to_owned()))
}
