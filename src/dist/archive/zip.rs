//! zip, by its central directory. Called by `archive/mod.rs`.

use std::io::{self, Read, Seek, SeekFrom};

use zip::ZipArchive;
use zip::result::ZipError;

use super::{ArchiveError, Bounded, Limits, Member, MemberKind, Visit, damaged, safe_path};

pub(super) fn walk<R: Read + Seek>(mut reader: R, limits: &Limits, visit: &mut Visit<'_>) -> Result<(), ArchiveError> {
    let packed = reader.seek(SeekFrom::End(0)).map_err(ArchiveError::Damaged)?;
    let most = limits.most_unpacked(packed);
    let mut archive = ZipArchive::new(io::BufReader::new(reader)).map_err(|error| broken(error, most))?;
    if archive.len() > limits.members {
        return Err(ArchiveError::TooManyMembers { limit: limits.members });
    }
    let mut claimed = 0u64;
    // True bytes, since a size in the directory is only a claim.
    let mut left = most;
    for index in 0..archive.len() {
        let entry = archive.by_index_data(index).map_err(|error| broken(error, most))?;
        let path = safe_path(entry.name_raw())?;
        if entry.encrypted() {
            return Err(ArchiveError::Encrypted { path });
        }
        claimed = claimed.saturating_add(entry.size());
        if claimed > most {
            return Err(ArchiveError::TooLarge { limit: most });
        }
        let kind = match () {
            () if entry.is_dir() => MemberKind::Directory,
            () if entry.is_symlink() => MemberKind::Link,
            () => MemberKind::File,
        };
        let size = entry.size();
        let content = archive.by_index(index).map_err(|error| broken(error, most))?;
        let mut content = Bounded { inner: content, left };
        let flow = visit(Member {
            path: &path,
            kind,
            size,
            content: &mut content,
        })
        .map_err(|error| damaged(error, most))?;
        left = content.left;
        if flow.is_break() {
            break;
        }
    }
    Ok(())
}

fn broken(error: ZipError, most: u64) -> ArchiveError {
    match error {
        ZipError::Io(error) => damaged(error, most),
        error => ArchiveError::Damaged(io::Error::new(io::ErrorKind::InvalidData, error)),
    }
}
