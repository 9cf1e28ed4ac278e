//! The contents of board files, each stored once under its SHA-256 in the cache directory. Called by `index/`
//! and `http/mip.rs`.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tempfile::NamedTempFile;

use super::is_scratch;
use crate::dist::{ContentId, Hex, parse_hex};
use crate::lock::lock;

/// The shortest beginning of a digest that names a content: mip knows no shorter one, and so many digits name the folder.
const SHORTEST: usize = 4;

/// How many contents are remembered by the digits that they were asked for; together at most 1 MB.
const REMEMBERED: usize = 4_096;

/// A store of contents by digest and length: `abcd/REST-SIZE`.
#[derive(Debug)]
pub struct Contents {
    directory: PathBuf,
    /// What was found lately, so that a file that many boards ask for is not looked for each time.
    found: Mutex<HashMap<Box<str>, ContentId>>,
}

impl Contents {
    /// In this directory, which is made when the first content comes.
    pub fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            found: Mutex::default(),
        }
    }

    /// Stores a content from the beginning of a reader. Nothing is written when it is here already.
    ///
    /// # Errors
    /// The reader's and the system's.
    pub fn put(&self, content: &ContentId, reader: impl Read) -> io::Result<()> {
        if self.has(content) {
            return Ok(());
        }
        let path = self.path(content);
        let folder = path.parent().expect("a content lies in a folder");
        fs::create_dir_all(folder)?;
        let mut file = NamedTempFile::new_in(folder)?;
        io::copy(&mut reader.take(content.size), &mut file)?;
        file.persist(path)?;
        Ok(())
    }

    /// Whether a content is here, and is what its name says: a power cut may leave a file of the right length. Reads it.
    pub fn has(&self, content: &ContentId) -> bool {
        let read = self.open(content).and_then(ContentId::of);
        read.is_ok_and(|found| found == *content)
    }

    /// Opens a content.
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::NotFound`] when it is not here.
    pub fn open(&self, content: &ContentId) -> io::Result<File> {
        File::open(self.path(content))
    }

    /// A scratch file on the same file system, which has no name and goes away with its handle.
    ///
    /// # Errors
    /// The system's.
    pub fn scratch(&self) -> io::Result<File> {
        fs::create_dir_all(&self.directory)?;
        tempfile::tempfile_in(&self.directory)
    }

    /// Removes every content but these, and what a kill left of one. What else lies there is not ours: somebody may keep
    /// packages below the cache. Nobody may call [`Contents::put`] meanwhile.
    pub fn sweep(&self, needed: &HashSet<ContentId>) {
        lock(&self.found).retain(|_, content| needed.contains(content));
        for folder in names(&self.directory).filter(|name| name.len() == SHORTEST && is_hex(name)) {
            let path = self.directory.join(&folder);
            let is_litter = |name: &String| match content_of(&folder, name) {
                Some(content) => !needed.contains(&content),
                None => is_scratch(name),
            };
            for name in names(&path).filter(is_litter) {
                // What cannot be removed is litter in a cache.
                fs::remove_file(path.join(name)).ok();
            }
            // Fails where something is left in it, as it should.
            fs::remove_dir(&path).ok();
        }
    }

    /// Where a content lies.
    pub fn path(&self, content: &ContentId) -> PathBuf {
        let hex = Hex(&content.sha256).to_string();
        let (folder, rest) = hex.split_at(SHORTEST);
        self.directory.join(folder).join(format!("{rest}-{}", content.size))
    }

    /// What [`Contents::find`] has found for these digits before. It may have gone since, or be damaged.
    pub fn found(&self, digits: &str) -> Option<ContentId> {
        lock(&self.found).get(digits).copied()
    }

    /// The content whose digest begins with these hexadecimal digits. Reads a folder and, as [`Contents::has`] does, the content.
    ///
    /// # Errors
    /// The system's.
    pub fn find(&self, digits: &str) -> io::Result<Option<ContentId>> {
        let found = self.look_for(digits)?;
        let mut remembered = lock(&self.found);
        if let Some(found) = found {
            if remembered.len() >= REMEMBERED {
                remembered.clear();
            }
            remembered.insert(digits.into(), found);
        }
        Ok(found)
    }

    fn look_for(&self, digits: &str) -> io::Result<Option<ContentId>> {
        if digits.len() < SHORTEST || digits.len() > 64 || !is_hex(digits) {
            return Ok(None);
        }
        let (folder, rest) = digits.split_at(SHORTEST);
        let entries = match fs::read_dir(self.directory.join(folder)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let content = name
                .to_str()
                .filter(|name| name.starts_with(rest))
                .and_then(|name| content_of(folder, name));
            if let Some(content) = content.filter(|content| self.has(content)) {
                return Ok(Some(content));
            }
        }
        Ok(None)
    }
}

/// Whether these are hexadecimal digits as digests are written.
fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// What a file holds by its name.
fn content_of(folder: &str, name: &str) -> Option<ContentId> {
    let (rest, size) = name.split_once('-')?;
    let sha256 = parse_hex(&[folder, rest].concat())?;
    let size = size.parse().ok()?;
    Some(ContentId { sha256, size })
}

/// The names in a directory; none where it cannot be read.
fn names(directory: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_leaves_what_is_needed_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let contents = Contents::new(dir.path().join("files"));
        let [kept, gone] = [&b"kept"[..], b"gone"].map(|content| {
            let id = ContentId::of(content).unwrap();
            contents.put(&id, content).unwrap();
            id
        });
        let litter = contents.path(&kept).with_file_name(".tmpAbCdEf");
        fs::write(&litter, "ke").unwrap();
        let digits = [kept, gone].map(|id| Hex(&id.sha256).to_string());
        assert!(digits.iter().all(|digits| contents.find(digits).unwrap().is_some()));
        contents.sweep(&[kept].into());
        assert_eq!(digits.map(|digits| contents.found(&digits).is_some()), [true, false]);
        assert!(contents.has(&kept) && !litter.exists());
        assert!(!contents.path(&gone).parent().unwrap().exists());
    }

    #[test]
    fn a_sweep_leaves_what_is_not_ours() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["led/a-1.0.tar.gz", "cafe/a-1.0.tar.gz", "b-1.0.tar.gz", "cafe/.tmp"] {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, name).unwrap();
            Contents::new(dir.path().to_owned()).sweep(&HashSet::new());
            assert!(path.exists(), "{name}");
        }
    }

    #[test]
    fn a_content_is_found_by_any_beginning_of_its_digest() {
        let dir = tempfile::tempdir().unwrap();
        let contents = Contents::new(dir.path().join("files"));
        let id = ContentId::of(&b"x = 1\n"[..]).unwrap();
        let hex = Hex(&id.sha256).to_string();
        assert_eq!(contents.find(&hex).unwrap(), None);
        contents.put(&id, &b"x = 1\n"[..]).unwrap();
        for length in [4, 8, 16, 64] {
            assert_eq!(contents.find(&hex[..length]).unwrap(), Some(id));
            assert_eq!(contents.found(&hex[..length]), Some(id));
        }
        for wrong in [&hex[..3], "../x", "zzzz", "", &hex.to_uppercase()] {
            assert_eq!(contents.find(wrong).unwrap(), None, "{wrong}");
        }
        for damaged in ["x", "\0\0\0\0\0\0"] {
            fs::write(contents.path(&id), damaged).unwrap();
            assert!(!contents.has(&id));
            assert_eq!(contents.find(&hex).unwrap(), None);
        }
    }
}
