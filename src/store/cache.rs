//! What is known about the files, so that a restart reads none of them again: one redb file. Derived; may be deleted
//! at any time. Called by `index/`.

mod database;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{self, Read, Write};
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use redb::{Database, Durability, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use self::database::Guarded;
use super::{Stamps, is_no_directory, is_scratch};
use crate::dist::Digests;
use crate::lock::lock;

/// Relative path → postcard of [`Facts`].
const FILES: TableDefinition<&str, &[u8]> = TableDefinition::new("files");
/// sha256 of core metadata → the core metadata, deflated.
const METADATA: TableDefinition<&[u8; 32], &[u8]> = TableDefinition::new("metadata");
/// A digest of everything that it was made from → what was derived.
const DERIVED: TableDefinition<&[u8; 32], &[u8]> = TableDefinition::new("derived");
/// The name carries the version of what is inside: another version starts afresh.
const FILE_NAME: &str = "index-4.redb";
/// How many bytes may wait while the database cannot be written.
const MOST_WAITING: usize = 16 << 20;

/// What was learnt by reading a file once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The state of the file and of its `.metadata` sidecar when it was read.
    pub stamps: Stamps,
    /// Of the whole file.
    pub digests: Digests,
    /// The project by its metadata, where the file name alone is read as another's.
    pub project: Option<Box<str>>,
    /// Of its core metadata, where it has any.
    pub metadata: Option<MetadataFacts>,
    /// Why its metadata could not be read, in words.
    pub defect: Option<String>,
}

/// What the index shows of the core metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetadataFacts {
    /// Of the metadata file as served (PEP 658).
    pub sha256: [u8; 32],
    /// The `Requires-Python` field.
    pub requires_python: Option<Box<str>>,
    /// Whether building cannot change what it requires (PEP 643): a promise that PKG-INFO makes from version 2.2 on.
    pub is_static: bool,
    /// The `Summary` field.
    pub summary: Option<Box<str>>,
    /// The `Name` field; in the index, only where the file name spells it otherwise.
    pub name: Option<Box<str>>,
}

/// What is still needed of a cache; see [`Cache::sweep`].
pub struct Needed<'a> {
    /// Whether there is a file of this relative path.
    pub is_file: &'a dyn Fn(&str) -> bool,
    /// The keys of what was derived.
    pub derived: &'a HashSet<[u8; 32]>,
}

/// Why the cache is of no use.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Another process has it open.
    #[error("{0} is in use by another micropypi; give each its own [store] cache")]
    InUse(PathBuf),
    /// The directory cannot be made or written.
    #[error("cannot use the cache directory {path}")]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The database failed.
    #[error("the cache's index failed")]
    Database(#[source] Box<redb::Error>),
    /// The database has failed, and was not opened again yet.
    #[error("the cache's index is closed since it failed; it is opened again in some seconds")]
    Closed,
}

impl From<redb::Error> for CacheError {
    fn from(error: redb::Error) -> Self {
        Self::Database(Box::new(error))
    }
}

/// What waits for the next [`Cache::flush`]; readers see it at once.
#[derive(Debug, Default, Clone)]
struct Pending {
    files: HashMap<Box<str>, Facts>,
    metadata: HashMap<[u8; 32], Arc<[u8]>>,
    derived: HashMap<[u8; 32], Arc<[u8]>>,
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.files.is_empty() && self.metadata.is_empty() && self.derived.is_empty()
    }

    fn bytes(&self) -> usize {
        let texts = self.metadata.values().chain(self.derived.values());
        texts.map(|text| text.len()).sum::<usize>() + self.files.len() * size_of::<Facts>()
    }

    /// What is to be written. What readers look for stays here, too, until it is readable there.
    fn set_out(&mut self) -> Self {
        Self {
            files: mem::take(&mut self.files),
            ..self.clone()
        }
    }

    /// Lets go of what was written.
    fn forget(&mut self, written: &Self) {
        self.metadata
            .retain(|key, bytes| !written.metadata.get(key).is_some_and(|old| Arc::ptr_eq(old, bytes)));
        self.derived
            .retain(|key, bytes| !written.derived.get(key).is_some_and(|old| Arc::ptr_eq(old, bytes)));
        // The first look at a large folder makes them large.
        self.metadata.shrink_to_fit();
        self.derived.shrink_to_fit();
    }

    /// Lets what was not written wait on, unless it is too much: then it is learnt again after the next start.
    fn take_back(&mut self, unwritten: Self) {
        for (path, facts) in unwritten.files {
            self.files.entry(path).or_insert(facts);
        }
        if self.bytes() > MOST_WAITING {
            *self = Self::default();
        }
    }
}

/// The cache's index.
#[derive(Debug)]
pub struct Cache {
    directory: PathBuf,
    database: Guarded,
    pending: Mutex<Pending>,
}

impl Cache {
    /// Opens the index in this directory; makes it when it is missing, and anew when it is damaged.
    ///
    /// # Errors
    /// When the directory cannot be written, or another process uses it.
    pub fn open(directory: &Path) -> Result<Self, CacheError> {
        let database = Guarded::open(directory.join(FILE_NAME))?;
        remove_leftovers(directory);
        Ok(Self {
            directory: directory.to_owned(),
            database,
            pending: Mutex::default(),
        })
    }

    /// Whether the directory, if it is there, can be one. Changes nothing.
    ///
    /// # Errors
    /// [`CacheError::Io`].
    pub fn check(directory: &Path) -> Result<(), CacheError> {
        if is_no_directory(directory) {
            let (path, source) = (directory.to_owned(), io::ErrorKind::NotADirectory.into());
            return Err(CacheError::Io { path, source });
        }
        Ok(())
    }

    /// The directory for everything else that is derived.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Shows what is known of these relative paths, which are sorted, each with its position among them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn recall(&self, paths: &[Arc<str>], mut see: impl FnMut(usize, Facts)) -> Result<(), CacheError> {
        self.database.work(|database| {
            let table = database.begin_read()?.open_table(FILES)?;
            // From a few files on, one pass over all that is known is cheaper than a look-up each.
            if paths.len() <= 32 {
                for (position, path) in paths.iter().enumerate() {
                    if let Some(facts) = table.get(&**path)?.and_then(|row| decoded(row.value())) {
                        see(position, facts);
                    }
                }
                return Ok(());
            }
            let mut wanted = paths.iter().enumerate().peekable();
            for row in table.iter()? {
                let (path, facts) = row?;
                // Both are in order.
                while wanted.next_if(|(_, wanted)| &***wanted < path.value()).is_some() {}
                let is_wanted = wanted.next_if(|(_, wanted)| &***wanted == path.value());
                if let Some(((position, _), facts)) = is_wanted.zip(decoded(facts.value())) {
                    see(position, facts);
                }
            }
            Ok(())
        })
    }

    /// How many files something is known of.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn known(&self) -> Result<u64, CacheError> {
        self.database
            .work(|database| Ok(database.begin_read()?.open_table(FILES)?.len()?))
    }

    /// Remembers a file, from the next [`Cache::flush`] on durably.
    pub fn remember(&self, path: &str, facts: &Facts, metadata: Option<Vec<u8>>) {
        let mut pending = lock(&self.pending);
        if let (Some(known), Some(bytes)) = (&facts.metadata, metadata) {
            pending.metadata.insert(known.sha256, bytes.into());
        }
        pending.files.insert(path.into(), facts.clone());
    }

    /// The core metadata of this sha256, if it is here undamaged. Reads the disk.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn metadata(&self, sha256: &[u8; 32]) -> Result<Option<Vec<u8>>, CacheError> {
        if let Some(bytes) = lock(&self.pending).metadata.get(sha256) {
            return Ok(Some(bytes.to_vec()));
        }
        self.database.work(|database| {
            let table = database.begin_read()?.open_table(METADATA)?;
            let Some(deflated) = table.get(sha256)? else {
                return Ok(None);
            };
            let mut bytes = Vec::new();
            let whole = DeflateDecoder::new(deflated.value()).read_to_end(&mut bytes);
            // A damaged disk may give anything.
            let is_it = whole.is_ok() && Sha256::digest(&bytes) == *sha256;
            Ok(is_it.then_some(bytes))
        })
    }

    /// What was derived under this key, if it is here. Reads the disk.
    pub fn derived(&self, key: &[u8; 32]) -> Option<Vec<u8>> {
        if let Some(bytes) = lock(&self.pending).derived.get(key) {
            return Some(bytes.to_vec());
        }
        let read = self.database.work(|database| {
            let table = database.begin_read()?.open_table(DERIVED)?;
            Ok(table.get(key)?.map(|bytes| bytes.value().to_vec()))
        });
        // What cannot be read is derived again.
        read.ok().flatten()
    }

    /// Remembers what was derived, from the next [`Cache::flush`] on durably.
    pub fn derive(&self, key: &[u8; 32], bytes: Vec<u8>) {
        lock(&self.pending).derived.insert(*key, bytes.into());
    }

    /// Writes what waits, in one durable transaction, and tells whether anything did. Opens the database again where it has
    /// failed. Cheap when there is nothing to do.
    ///
    /// # Errors
    /// When the database cannot be written; what waited goes on waiting, unless it is too much.
    pub fn flush(&self) -> Result<bool, CacheError> {
        let waiting = lock(&self.pending).set_out();
        if let Err(error) = self.write(&waiting) {
            lock(&self.pending).take_back(waiting);
            return Err(error);
        }
        lock(&self.pending).forget(&waiting);
        Ok(!waiting.is_empty())
    }

    fn write(&self, waiting: &Pending) -> Result<(), CacheError> {
        self.database.reopen()?;
        if waiting.is_empty() {
            return Ok(());
        }
        let written = self.database.work(|database| write(database, waiting));
        written.inspect_err(|_| {
            // A full disk can still be read. Where it cannot, the next flush tries again.
            self.database.reopen().ok();
        })
    }

    /// Removes what is known of other files, their core metadata, and what was derived from them. What waits for the next
    /// [`Cache::flush`] stays.
    ///
    /// # Errors
    /// When the database cannot be written; then nothing was removed.
    pub fn sweep(&self, needed: &Needed<'_>) -> Result<(), CacheError> {
        self.database.work(|database| {
            let mut transaction = database.begin_write()?;
            transaction.set_durability(Durability::Immediate)?;
            let mut metadata = HashSet::new();
            transaction.open_table(FILES)?.retain(|path, facts| {
                let facts = decoded(facts).filter(|_| (needed.is_file)(path));
                metadata.extend(facts.iter().filter_map(|facts| Some(facts.metadata.as_ref()?.sha256)));
                facts.is_some()
            })?;
            transaction
                .open_table(METADATA)?
                .retain(|key, _| metadata.contains(key))?;
            transaction
                .open_table(DERIVED)?
                .retain(|key, _| needed.derived.contains(key))?;
            transaction.commit()?;
            Ok(())
        })
    }
}

fn write(database: &Database, waiting: &Pending) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    {
        let mut table = transaction.open_table(METADATA)?;
        for (sha256, bytes) in &waiting.metadata {
            if table.get(sha256)?.is_none() {
                table.insert(sha256, deflated(bytes).as_slice())?;
            }
        }
        let mut table = transaction.open_table(DERIVED)?;
        for (key, bytes) in &waiting.derived {
            table.insert(key, &**bytes)?;
        }
        let mut table = transaction.open_table(FILES)?;
        for (path, facts) in &waiting.files {
            table.insert(&**path, encoded(facts).as_slice())?;
        }
    }
    transaction.commit()?;
    Ok(())
}

/// What a kill left half written, and the indexes of earlier versions. Whoever has the index open owns the directory.
fn remove_leftovers(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_old = name.starts_with("index-") && name.ends_with(".redb") && name != FILE_NAME;
        if is_old || is_scratch(&name) {
            fs::remove_file(entry.path()).ok();
        }
    }
}

fn encoded(facts: &Facts) -> Vec<u8> {
    postcard::to_stdvec(facts).expect("facts hold nothing that postcard cannot write")
}

/// A row that cannot be read is a row that is missing.
fn decoded(facts: &[u8]) -> Option<Facts> {
    postcard::from_bytes(facts).ok()
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("memory takes every byte");
    encoder.finish().expect("memory takes every byte")
}

#[cfg(test)]
mod tests;
