//! Where a distribution keeps its core metadata: a wheel in `*.dist-info/METADATA`, an sdist in `*/PKG-INFO`. Everybody
//! may call it.

use std::io::{self, Read, Seek};
use std::ops::ControlFlow;

use super::archive::{ArchiveError, Limits, MemberKind, walk};
use super::{DistFilename, ProjectName, ReleaseVersion};

/// Reads a whole archive once, within limits, and gives its core metadata; None for an sdist without any, as
/// MicroPython's classic ones are.
///
/// # Errors
/// When the archive is damaged, dangerous or beyond the limits; when a wheel has no METADATA, or an sdist two PKG-INFO.
pub fn read_core_metadata<R: Read + Seek>(
    reader: R,
    filename: &DistFilename,
    limits: &Limits,
) -> Result<Option<Vec<u8>>, ArchiveError> {
    let Some(format) = filename.archive_format() else {
        return Ok(None);
    };
    let mut found: Option<Vec<u8>> = None;
    let mut problem = None;
    walk(reader, format, limits, &mut |member| {
        if member.kind != MemberKind::File || !is_metadata(member.path, filename) {
            return Ok(ControlFlow::Continue(()));
        }
        match read(member.content, limits)? {
            Ok(_) if found.is_some() => problem = Some(ArchiveError::TwoMetadata),
            Ok(bytes) => found = Some(bytes),
            Err(error) => problem = Some(error),
        }
        Ok(if problem.is_some() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    })?;
    match (problem, found) {
        (Some(problem), _) => Err(problem),
        (None, None) if filename.is_wheel() => Err(ArchiveError::NoMetadata),
        (None, found) => Ok(found),
    }
}

fn is_metadata(path: &str, filename: &DistFilename) -> bool {
    let Some((directory, file)) = path.split_once('/') else {
        return false;
    };
    if !filename.is_wheel() {
        return file == "PKG-INFO";
    }
    let named = directory
        .strip_suffix(".dist-info")
        .and_then(|stem| stem.split_once('-'));
    file == "METADATA"
        && named.is_some_and(|(name, version)| {
            ProjectName::parse(name).as_ref() == Ok(filename.project())
                && ReleaseVersion::parse_lenient(version).as_ref() == Ok(filename.version())
        })
}

fn read(content: &mut dyn Read, limits: &Limits) -> io::Result<Result<Vec<u8>, ArchiveError>> {
    let mut bytes = Vec::new();
    content.take(limits.metadata_bytes + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limits.metadata_bytes {
        return Ok(Err(ArchiveError::MetadataTooLarge {
            limit: limits.metadata_bytes,
        }));
    }
    Ok(if std::str::from_utf8(&bytes).is_ok() {
        Ok(bytes)
    } else {
        Err(ArchiveError::MetadataNotUtf8)
    })
}
