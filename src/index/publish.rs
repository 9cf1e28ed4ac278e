//! The use case behind an upload: every check, then the file's place in the directory, then its place in the catalog.
//! Called by `http/upload.rs`, where blocking is allowed.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::learn::{metadata_facts, untold_project, yank_reason};
use super::{Difference, File, Index, Scope, Trust};
use crate::board::{self, Refusal};
use crate::dist::{
    self, ArchiveError, ClaimedDigests, CoreMetadata, DigestMismatch, Digests, DistFilename, FilenameError,
    MetadataError, NameError, ProjectName, ReleaseVersion, VersionError,
};
use crate::store::{Facts, Found, INBOX, Look, MetadataFacts, Placing, Staged, Stamp, StoreError, Synced};

/// A file that was received, and what the uploader says about it.
#[derive(Debug)]
pub struct Upload {
    /// The file.
    pub staged: Staged,
    /// The name that it is to have.
    pub file_name: String,
    /// The form field `name`.
    pub name: String,
    /// The form field `version`.
    pub version: String,
    /// The form's digests.
    pub claimed: ClaimedDigests,
    /// A detached OpenPGP signature, kept as `NAME.asc`.
    pub signature: Option<Vec<u8>>,
}

/// What became of an upload.
#[derive(Debug)]
pub enum Outcome {
    /// It is in the index.
    Published,
    /// The same bytes were there already under the same name.
    Unchanged,
    /// It was, and somebody has replaced or removed it by hand since.
    Changed,
}

/// Why an upload is refused. Each is a sentence for the uploader.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum PublishError {
    #[error(transparent)]
    Name(#[from] NameError),
    #[error(transparent)]
    Version(#[from] VersionError),
    #[error(transparent)]
    Filename(#[from] FilenameError),
    #[error(
        "the file name {file} says version {in_name}, but the form says {in_form}; upload a file that was built for {in_form}"
    )]
    VersionsDiffer {
        file: String,
        in_name: ReleaseVersion,
        in_form: ReleaseVersion,
    },
    #[error(transparent)]
    Digest(#[from] DigestMismatch),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    #[error("{refusal}; {remedy}")]
    Refused { refusal: Refusal, remedy: &'static str },
    #[error(
        "File already exists: {file} is here with other content (sha256 {sha256}); raise the version, or set overwrite = true"
    )]
    Exists { file: String, sha256: String },
    #[error("{file} is in the way: it cannot be read where it lies; remove it from the packages directory")]
    Unreadable { file: String, source: io::Error },
    #[error(
        "{0}.asc, where the signature would be kept, is too long for the name of a file; upload it without a signature"
    )]
    Unsignable(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A wheel does not hold the `pyproject.toml` of its project; the sdist beside it does.
const WHEEL_REMEDY: &str =
    "leave it out by exclude = [...] under [tool.micropypi] in pyproject.toml, and upload the sdist first";

/// Where a pure wheel is, boards take nothing from the sdist.
const SDIST_REMEDY: &str = "upload a pure wheel first, or make it a file that a board can take, or leave it out by exclude = [...] \
                            under [tool.micropypi] in pyproject.toml";

/// An upload that passed every check that needs nothing but itself.
struct Checked {
    name: DistFilename,
    digests: Digests,
    metadata: Option<(MetadataFacts, Vec<u8>)>,
}

impl Index {
    /// Publishes a received file. When this returns, it is durable and in the catalog. Blocks.
    ///
    /// # Errors
    /// When anything about the upload is wrong; then nothing has changed.
    pub fn publish(&self, upload: Upload) -> Result<Outcome, PublishError> {
        let mut checked = self.check(&upload)?;
        let Upload { staged, signature, .. } = upload;
        let file_name = checked.name.as_str().to_owned();
        let _alone = self.alone_with(checked.name.project());
        let there = self.same_name(&checked.name);
        if let Some(there) = &there {
            if there.digests == checked.digests {
                self.keep(there, signature)?;
                return Ok(Outcome::Unchanged);
            }
            if self.options.placing == Placing::New {
                return Err(exists(there.name.as_str(), &there.digests));
            }
        }
        // Under the name that it has there, which may spell project and version otherwise.
        let path = match &there {
            // Also in a sub-folder, it is replaced where it lies.
            Some(there) if there.root == INBOX => Arc::clone(&there.path),
            // Another directory is not written; a namesake hides what lies there.
            Some(there) => there.name.as_str().into(),
            None => Arc::from(&*file_name),
        };
        if let Some(there) = there.filter(|there| there.name.project() == checked.name.project()) {
            checked.name = there.name.clone();
        }
        let _requested = self.request(&path);
        // All that can fail for a reason of its own, or take long, comes before anything changes.
        let staged = staged.sync()?;
        let signature = signature
            .map(|signature| self.stage_signature(&signature, &path))
            .transpose()?;
        self.remove_sidecars(&path)?;
        let placed = match staged.place(&path, self.options.placing) {
            // A file lies there that the index has not seen yet.
            Err(StoreError::Exists(_)) => return self.compare_with_disk(&file_name, &checked.digests),
            other => other?,
        };
        if let Some(signature) = signature {
            self.place_signature(signature, &path)?;
        }
        self.admit(&path, placed, checked)
    }

    /// Makes durable what is here already with the same bytes, and keeps the signature that came with it, unless there is one.
    /// A further directory is its owner's, and takes none.
    fn keep(&self, there: &File, signature: Option<Vec<u8>>) -> Result<(), PublishError> {
        // It may have been copied there, and not be on the disk yet.
        self.store.sync(there.root, &there.path)?;
        if let Some(signature) = signature.filter(|_| there.root == INBOX && !there.is_signed()) {
            self.place_signature(self.stage_signature(&signature, &there.path)?, &there.path)?;
            self.read_again(&there.path);
        }
        Ok(())
    }

    fn check(&self, upload: &Upload) -> Result<Checked, PublishError> {
        let project = ProjectName::parse(&upload.name)?;
        let in_form = ReleaseVersion::parse(&upload.version)?;
        let name = DistFilename::parse_upload(&upload.file_name, &project)?;
        if *name.version() != in_form {
            let (file, in_name) = (upload.file_name.clone(), name.version().clone());
            return Err(PublishError::VersionsDiffer { file, in_name, in_form });
        }
        let digests = upload.staged.digests();
        upload.claimed.check(&digests)?;
        let bytes = dist::read_core_metadata(upload.staged.reader()?, &name, &self.options.limits)?;
        let metadata = bytes.map(|bytes| {
            let parsed = CoreMetadata::parse(&bytes)?;
            parsed.agrees_with(&name)?;
            Ok::<_, MetadataError>((metadata_facts(parsed, &bytes), bytes))
        });
        self.check_paths(upload, &name)?;
        Ok(Checked {
            name,
            digests,
            metadata: metadata.transpose()?,
        })
    }

    /// What a board cannot take is told to whoever can mend it: the uploader of the file that boards would get.
    fn check_paths(&self, upload: &Upload, name: &DistFilename) -> Result<(), PublishError> {
        let catalog = self.catalog();
        let project = catalog.project(name.project());
        let is_taken = match project.and_then(|project| project.release(name.version())) {
            Some(release) => release.would_be_described_by(name),
            None => board::choose([name]).is_some(),
        };
        if !is_taken {
            return Ok(());
        }
        let remedy = if name.is_wheel() { WHEEL_REMEDY } else { SDIST_REMEDY };
        let refusal = self.refusal(upload.staged.reader()?, name);
        refusal.map_or(Ok(()), |refusal| Err(PublishError::Refused { refusal, remedy }))
    }

    /// The file of this name, wherever it lies and however it spells project and version. It may have been removed or
    /// replaced by hand a moment ago, or where nobody watches.
    fn same_name(&self, name: &DistFilename) -> Option<Arc<File>> {
        let known = self.known_by_name(name)?;
        let path = self.store.locate(known.root, &known.path);
        if matches!(self.store.look(&path), Look::There(found) if known.is(&found)) {
            return Some(known);
        }
        self.refresh(Scope::Paths([path].into()), Trust::Quiet);
        self.known_by_name(name)
    }

    fn known_by_name(&self, name: &DistFilename) -> Option<Arc<File>> {
        let catalog = self.catalog();
        let in_inbox = catalog.file(name.as_str());
        let anywhere = || {
            let release = catalog.project(name.project())?.release(name.version())?;
            release.files.iter().find(|file| file.name.kind() == name.kind())
        };
        in_inbox.or_else(anywhere).cloned()
    }

    fn compare_with_disk(&self, file_name: &str, digests: &Digests) -> Result<Outcome, PublishError> {
        let there = self.store.open_file(INBOX, file_name).and_then(Digests::of);
        // Such as a link to a stick that was pulled out.
        let there = there.map_err(|source| PublishError::Unreadable {
            file: file_name.to_owned(),
            source,
        })?;
        if there == *digests {
            self.store.sync(INBOX, file_name)?;
            self.read_again(file_name);
            Ok(Outcome::Unchanged)
        } else {
            Err(exists(file_name, &there))
        }
    }

    /// Removes what an earlier file of this path has left beside it. Before the new one is placed: a power cut must not leave
    /// it with another's metadata.
    fn remove_sidecars(&self, path: &str) -> Result<(), StoreError> {
        let is_refused = self.options.placing == Placing::New && self.store.locate(INBOX, path).exists();
        if is_refused {
            Ok(())
        } else {
            self.store.remove_sidecars(path)
        }
    }

    /// A file that was copied here may have a name that leaves no room for the ending of its signature's.
    fn stage_signature(&self, signature: &[u8], path: &str) -> Result<Synced, PublishError> {
        let place = self.store.locate(INBOX, &format!("{path}.asc"));
        if let Err(error) = place.symlink_metadata()
            && error.kind() == io::ErrorKind::InvalidFilename
        {
            return Err(PublishError::Unsignable(path.to_owned()));
        }
        let mut staged = self.store.stage()?;
        staged.write(signature)?;
        Ok(staged.sync()?)
    }

    fn place_signature(&self, signature: Synced, path: &str) -> Result<(), StoreError> {
        signature.place(&format!("{path}.asc"), Placing::Replace).map(drop)
    }

    /// Reads what lies under a path now, as if it had been copied there.
    fn read_again(&self, path: &str) {
        let place = self.store.locate(INBOX, path);
        self.refresh(Scope::Paths([place].into()), Trust::Closed);
    }

    fn admit(&self, path: &str, placed: Stamp, checked: Checked) -> Result<Outcome, PublishError> {
        let Checked {
            name,
            digests,
            metadata,
        } = checked;
        let found = match self.store.look(&self.store.locate(INBOX, path)) {
            Look::There(found) if found.stamp == placed => found,
            _ => {
                self.read_again(path);
                return Ok(Outcome::Changed);
            }
        };
        let (known, bytes) = metadata.unzip();
        let facts = Facts {
            stamps: found.stamps(),
            digests,
            project: untold_project(&name),
            metadata: known,
            defect: None,
        };
        let file = self.entry(&found, name, facts.clone());
        self.replace(&Difference {
            put: vec![Arc::new(file)],
            ..Difference::default()
        });
        // Last, so that the sweep finds nothing in the cache that is not in the catalog yet.
        self.cache.remember(path, &facts, bytes);
        Ok(Outcome::Published)
    }

    /// The catalog's entry of a file of which everything is known.
    pub(super) fn entry(&self, found: &Found, name: DistFilename, facts: Facts) -> File {
        let project = facts.project.and_then(|project| ProjectName::parse(&project).ok());
        let name = project.and_then(|project| name.of_project(&project)).unwrap_or(name);
        let metadata = facts.metadata.map(|known| MetadataFacts {
            name: known.name.filter(|spelling| is_other_spelling(spelling, &name)),
            ..known
        });
        File {
            root: found.root,
            path: Arc::clone(&found.path),
            name,
            stamp: found.stamp,
            sidecars: found.sidecars.clone(),
            digests: facts.digests,
            metadata,
            yanked: yank_reason(&self.store, found),
            defect: facts.defect.map(Into::into),
            is_empty_on_boards: AtomicBool::new(false),
        }
    }
}

/// Whether this is the project's name, and not as the file name spells it. The others would only take memory.
fn is_other_spelling(spelling: &str, name: &DistFilename) -> bool {
    spelling != name.name() && ProjectName::parse(spelling).is_ok_and(|project| project == *name.project())
}

fn exists(file: &str, there: &Digests) -> PublishError {
    PublishError::Exists {
        file: file.to_owned(),
        sha256: there.sha256_hex().to_string(),
    }
}
