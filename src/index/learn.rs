//! What is to be known about a file, by reading it: digests and core metadata. Called within the room.

use std::io::{self, Read, Seek};

use pep440_rs::Version;
use sha2::{Digest, Sha256};

use crate::chain::Chain;
use crate::dist::{self, CoreMetadata, Digests, DistFilename, Limits, ProjectName};
use crate::store::{Facts, Found, MetadataFacts, Stamp, Store};

/// Most bytes of a reason that are shown.
const REASON_BYTES: u64 = 4_096;

/// What was learnt, and the bytes of the core metadata.
pub(super) struct Learnt {
    pub(super) facts: Facts,
    pub(super) metadata: Option<Vec<u8>>,
    /// The state of the file when all of it was read. A name that it lost by then has changed its inode.
    pub(super) stamp: Stamp,
}

/// Reads a file that lies in the store. A file whose metadata cannot be read is still a file.
///
/// # Errors
/// When the file itself cannot be read.
pub(super) fn learn(store: &Store, found: &Found, name: &DistFilename, limits: &Limits) -> io::Result<Learnt> {
    let mut file = store.open_file(found.root, &found.path)?;
    let mut facts = Facts {
        stamps: found.stamps(),
        digests: Digests::of(&file)?,
        project: None,
        metadata: None,
        defect: None,
    };
    let read = match found.sidecars.metadata() {
        Some(_) => store
            .read_sidecar(found.root, &found.path, ".metadata", limits.metadata_bytes)
            .map(Some)
            .map_err(|error| Chain(&error).to_string()),
        None => {
            file.rewind()?;
            dist::read_core_metadata(&file, name, limits).map_err(|error| Chain(&error).to_string())
        }
    };
    let parsed = read.and_then(|bytes| bytes.map(|bytes| Ok((parse(&bytes)?, bytes))).transpose());
    let metadata = match parsed {
        Ok(None) => None,
        Ok(Some((parsed, bytes))) => {
            facts.project = other_project(&parsed, name);
            facts.metadata = Some(metadata_facts(parsed, &bytes));
            Some(bytes)
        }
        Err(defect) => {
            facts.defect = Some(defect);
            None
        }
    };
    let stamp = Stamp::of(&file.metadata()?);
    Ok(Learnt { facts, metadata, stamp })
}

/// The project that the metadata tells of, if the file name, read as another's, can be its too.
fn other_project(metadata: &CoreMetadata, name: &DistFilename) -> Option<Box<str>> {
    let project = ProjectName::parse(&metadata.name).ok()?;
    let differs = project != *name.project() && name.of_project(&project).is_some();
    differs.then(|| project.as_str().into())
}

/// The project of a file, where nobody can tell it by the file name alone.
pub(super) fn untold_project(name: &DistFilename) -> Option<Box<str>> {
    let told = DistFilename::parse(name.as_str()).is_ok_and(|guess| guess.project() == name.project());
    (!told).then(|| name.project().as_str().into())
}

fn parse(bytes: &[u8]) -> Result<CoreMetadata, String> {
    CoreMetadata::parse(bytes).map_err(|error| Chain(&error).to_string())
}

/// What the index shows of core metadata.
pub(super) fn metadata_facts(parsed: CoreMetadata, bytes: &[u8]) -> MetadataFacts {
    MetadataFacts {
        sha256: Sha256::digest(bytes).into(),
        is_static: is_static(&parsed),
        requires_python: parsed.requires_python.map(Into::into),
        summary: parsed.summary.map(Into::into),
        name: Some(parsed.name.into()),
    }
}

/// PEP 643: from version 2.2 on, every field is as it is in the wheel unless `Dynamic` names it.
fn is_static(metadata: &CoreMetadata) -> bool {
    const DECISIVE: [&str; 3] = ["requires-dist", "requires-python", "provides-extra"];
    let version = metadata.metadata_version.parse::<Version>();
    let is_new = version.is_ok_and(|version| version >= Version::new([2, 2]));
    let is_decisive = |field: &String| DECISIVE.contains(&field.to_ascii_lowercase().as_str());
    is_new && !metadata.dynamic.iter().any(is_decisive)
}

/// Why a file was yanked: the first line of `NAME.yanked`, which may be empty. A long one is cut.
pub(super) fn yank_reason(store: &Store, found: &Found) -> Option<Box<str>> {
    found.sidecars.yank_mark()?;
    let mut bytes = Vec::new();
    let opened = store.open_sidecar(found.root, &found.path, ".yanked");
    // A mark that cannot be read is still a mark.
    opened
        .and_then(|file| file.take(REASON_BYTES).read_to_end(&mut bytes))
        .ok();
    let text = String::from_utf8_lossy(&bytes);
    let reason = text.lines().next().unwrap_or_default();
    // The cut may go through a character.
    Some(reason.trim_end_matches(char::REPLACEMENT_CHARACTER).trim().into())
}
