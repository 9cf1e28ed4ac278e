//! The core metadata that a distribution carries, found while its archive is read once.

use std::io::{self, Read, Seek};
use std::ops::ControlFlow;

use super::{ArchiveError, Limits, Member, MemberKind, walk};
use crate::dist::{DistFilename, ProjectName, ReleaseVersion};

/// Reads the whole archive once and gives its core metadata, as UTF-8: of a wheel the `METADATA` in the one `.dist-info`
/// that fits the file name, of an sdist the `PKG-INFO` in its top directory. `None` for an sdist without (the classic ones of
/// MicroPython), and for kinds that are never opened.
///
/// # Errors
/// [`ArchiveError`]: whatever is wrong with the archive, and metadata that is missing in a wheel, there twice, no file, too
/// large or not UTF-8.
pub fn read_core_metadata<R: Read + Seek>(
    reader: R,
    filename: &DistFilename,
    limits: &Limits,
) -> Result<Option<Vec<u8>>, ArchiveError> {
    let Some(format) = filename.archive_format() else {
        return Ok(None);
    };
    let mut search = Search {
        filename,
        limit: limits.metadata_bytes,
        found: None,
        other: None,
        refusal: None,
    };
    walk(reader, format, limits, &mut |mut member| search.visit(&mut member))?;
    search.finish()
}

struct Search<'a> {
    filename: &'a DistFilename,
    limit: u64,
    /// Path and content.
    found: Option<(String, Vec<u8>)>,
    /// Metadata that a wheel has of something else.
    other: Option<String>,
    refusal: Option<ArchiveError>,
}

impl Search<'_> {
    fn visit(&mut self, member: &mut Member<'_>) -> io::Result<ControlFlow<()>> {
        if !self.is_wanted(member.path) {
            return Ok(ControlFlow::Continue(()));
        }
        self.refusal = self.refuse(member);
        if self.refusal.is_some() {
            return Ok(ControlFlow::Break(()));
        }
        let mut content = Vec::new();
        member.content.read_to_end(&mut content)?;
        self.found = Some((member.path.to_owned(), content));
        Ok(ControlFlow::Continue(()))
    }

    fn is_wanted(&mut self, path: &str) -> bool {
        let Some((top, file)) = path.split_once('/') else {
            return false;
        };
        if !self.filename.is_wheel() {
            return file == "PKG-INFO";
        }
        let Some(stem) = top.strip_suffix(".dist-info").filter(|_| file == "METADATA") else {
            return false;
        };
        let fits = fits(stem, self.filename);
        if !fits {
            self.other = Some(path.to_owned());
        }
        fits
    }

    fn refuse(&self, member: &Member<'_>) -> Option<ArchiveError> {
        let path = member.path.to_owned();
        if let Some((first, _)) = &self.found {
            return Some(ArchiveError::TwoMetadata {
                first: first.clone(),
                second: path,
            });
        }
        if member.kind != MemberKind::File {
            return Some(ArchiveError::MetadataKind { path });
        }
        // Reading content that is longer than this fails.
        (member.size > self.limit).then_some(ArchiveError::MetadataTooLarge {
            path,
            limit: self.limit,
        })
    }

    fn finish(self) -> Result<Option<Vec<u8>>, ArchiveError> {
        if let Some(refusal) = self.refusal {
            return Err(refusal);
        }
        let Some((path, content)) = self.found else {
            return if self.filename.is_wheel() {
                Err(missing(self.filename, self.other))
            } else {
                Ok(None)
            };
        };
        match str::from_utf8(&content) {
            Ok(_) => Ok(Some(content)),
            Err(error) => Err(ArchiveError::MetadataNotUtf8 {
                path,
                at: error.valid_up_to(),
            }),
        }
    }
}

/// Whether `NAME-VERSION` means what the file name means, in whatever spelling.
fn fits(stem: &str, filename: &DistFilename) -> bool {
    let Some((name, version)) = stem.rsplit_once('-') else {
        return false;
    };
    let is_version = |text: &str| ReleaseVersion::parse_lenient(text).is_ok_and(|it| it == *filename.version());
    ProjectName::parse(name).is_ok_and(|name| name == *filename.project())
        && (is_version(version) || is_version(&version.replace('_', "-")))
}

fn missing(filename: &DistFilename, other: Option<String>) -> ArchiveError {
    let expected = format!("{}-{}.dist-info/METADATA", filename.name(), filename.version());
    ArchiveError::NoMetadata { expected, other }
}
