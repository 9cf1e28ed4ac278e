//! What is to be known about a file, by reading it: digests and core metadata. Called by `publish.rs` and `scan.rs`.

use std::fs;
use std::io::{self, Read};

use pep440_rs::Version;

use crate::dist::{self, CoreMetadata, Digests, DistFilename, Limits};
use crate::store::{Facts, Found, MetadataFacts, Store};

/// What was learnt, and the bytes of the core metadata.
pub(super) struct Learnt {
    pub(super) facts: Facts,
    pub(super) metadata: Option<Vec<u8>>,
}

/// Reads a file that lies in the store. A file whose metadata cannot be read is still a file.
///
/// # Errors
/// When the file itself cannot be read.
pub(super) fn learn(store: &Store, found: &Found, name: &DistFilename, limits: &Limits) -> io::Result<Learnt> {
    let digests = Digests::of(store.open_file(found.root, &found.path)?)?;
    let read = match found.sidecars[1] {
        Some(_) => read_sidecar(store, found, limits)
            .map(Some)
            .map_err(|error| sentence(&error)),
        None => read_archive(store, found, name, limits)?,
    };
    let parsed = read.and_then(|bytes| match bytes {
        Some(bytes) => Ok(Some((metadata_facts(&bytes)?, bytes))),
        None => Ok(None),
    });
    let stamps = (found.stamp, found.sidecars[1]);
    Ok(match parsed {
        Ok(None) => Learnt {
            facts: Facts {
                stamps,
                digests,
                metadata: None,
                defect: None,
            },
            metadata: None,
        },
        Ok(Some((known, bytes))) => Learnt {
            facts: Facts {
                stamps,
                digests,
                metadata: Some(known),
                defect: None,
            },
            metadata: Some(bytes),
        },
        Err(defect) => Learnt {
            facts: Facts {
                stamps,
                digests,
                metadata: None,
                defect: Some(defect),
            },
            metadata: None,
        },
    })
}

/// What the index shows of core metadata. The error is a sentence.
pub(super) fn metadata_facts(bytes: &[u8]) -> Result<MetadataFacts, String> {
    let parsed = CoreMetadata::parse(bytes).map_err(|error| sentence(&error))?;
    Ok(MetadataFacts {
        sha256: Digests::of(bytes).map_err(|error| sentence(&error))?.sha256,
        is_static: is_static(&parsed),
        requires_python: parsed.requires_python.map(Into::into),
        summary: parsed.summary.map(Into::into),
    })
}

/// PEP 643: from version 2.2 on, every field is as it is in the wheel unless `Dynamic` names it.
fn is_static(metadata: &CoreMetadata) -> bool {
    const DECISIVE: [&str; 3] = ["requires-dist", "requires-python", "provides-extra"];
    let version = metadata.metadata_version.parse::<Version>();
    let is_new = version.is_ok_and(|version| version >= Version::new([2, 2]));
    let is_decisive = |field: &String| DECISIVE.contains(&field.to_ascii_lowercase().as_str());
    is_new && !metadata.dynamic.iter().any(is_decisive)
}

fn read_archive(
    store: &Store,
    found: &Found,
    name: &DistFilename,
    limits: &Limits,
) -> io::Result<Result<Option<Vec<u8>>, String>> {
    if name.archive_format().is_none() {
        return Ok(Ok(None));
    }
    let archive = store.open_file(found.root, &found.path)?;
    Ok(dist::read_core_metadata(archive, name, limits).map_err(|error| sentence(&error)))
}

fn read_sidecar(store: &Store, found: &Found, limits: &Limits) -> io::Result<Vec<u8>> {
    let file = store.open_file(found.root, &format!("{}.metadata", found.path))?;
    let mut bytes = Vec::new();
    file.take(limits.metadata_bytes + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limits.metadata_bytes {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "the .metadata file is too large",
        ));
    }
    Ok(bytes)
}

/// Why a file was yanked: the first line of `NAME.yanked`, which may be empty.
pub(super) fn yank_reason(store: &Store, found: &Found) -> Option<Box<str>> {
    found.sidecars[2]?;
    let sidecar = store.locate(found.root, &format!("{}.yanked", found.path));
    let mut text = String::new();
    let read = fs::File::open(sidecar).and_then(|file| file.take(4_096).read_to_string(&mut text));
    // A mark that cannot be read is still a mark.
    let reason = read.map_or("", |_| text.lines().next().unwrap_or("").trim());
    Some(reason.into())
}

fn sentence(error: &dyn std::error::Error) -> String {
    std::iter::successors(error.source(), |cause| cause.source())
        .fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
