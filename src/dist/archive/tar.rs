//! tar in gzip: read in one pass. Long names (GNU, PAX) are read here and not by the `tar` crate, which would take as
//! many bytes for one as the archive claims. Called by `archive/mod.rs`.

use std::io::{self, Read, Seek, SeekFrom};

use flate2::read::MultiGzDecoder;
use tar::{Archive, Entry, EntryType, PaxExtensions};

use super::{ArchiveError, Bounded, Limits, Member, MemberKind, Visit, damaged, safe_path};

/// Bytes of a long name, or of the PAX records of one member.
const LONGEST_NAME: u64 = 64 << 10;

pub(super) fn walk<R: Read + Seek>(mut reader: R, limits: &Limits, visit: &mut Visit<'_>) -> Result<(), ArchiveError> {
    let packed = reader.seek(SeekFrom::End(0)).map_err(ArchiveError::Damaged)?;
    reader.rewind().map_err(ArchiveError::Damaged)?;
    let most = limits.most_unpacked(packed);
    let broken = |error| damaged(error, most);
    let mut archive = Archive::new(Bounded {
        inner: MultiGzDecoder::new(io::BufReader::with_capacity(64 << 10, reader)),
        left: most,
    });
    let mut long_name = None;
    let mut members = 0usize;
    for entry in archive.entries().map_err(broken)?.raw(true) {
        let mut entry = entry.map_err(broken)?;
        match entry.header().entry_type() {
            EntryType::GNULongName => long_name = Some(trimmed(bounded(&mut entry).map_err(broken)?)),
            EntryType::XHeader => long_name = pax_path(&bounded(&mut entry).map_err(broken)?).or(long_name),
            EntryType::GNULongLink | EntryType::XGlobalHeader => {}
            entry_type => {
                members += 1;
                if members > limits.members {
                    return Err(ArchiveError::TooManyMembers { limit: limits.members });
                }
                let path = safe_path(&long_name.take().unwrap_or_else(|| entry.path_bytes().into_owned()))?;
                let (kind, size) = (kind(entry_type), entry.size());
                if visit(Member {
                    path: &path,
                    kind,
                    size,
                    content: &mut entry,
                })
                .map_err(broken)?
                .is_break()
                {
                    return Ok(());
                }
            }
        }
    }
    // What follows the end of the archive is read, too: a gzip that is cut short shows only there.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(broken)?;
    Ok(())
}

fn kind(entry_type: EntryType) -> MemberKind {
    match entry_type {
        EntryType::Regular | EntryType::Continuous => MemberKind::File,
        EntryType::Directory => MemberKind::Directory,
        EntryType::Symlink | EntryType::Link => MemberKind::Link,
        _ => MemberKind::Other,
    }
}

fn bounded<R: Read>(entry: &mut Entry<'_, R>) -> io::Result<Vec<u8>> {
    if entry.size() > LONGEST_NAME {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a member's name is too long",
        ));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// GNU tar ends a long name with NUL.
fn trimmed(mut name: Vec<u8>) -> Vec<u8> {
    while name.last() == Some(&0) {
        name.pop();
    }
    name
}

fn pax_path(records: &[u8]) -> Option<Vec<u8>> {
    let path = PaxExtensions::new(records)
        .flatten()
        .find(|record| record.key_bytes() == b"path")?;
    Some(path.value_bytes().to_vec())
}
