//! The htpasswd file on disk: read at start, and again when it changes. Used by the `Authenticator`,
//! and by the commands to [`check`] one.
//! Everything here but [`PasswordFile::current`] and [`PasswordFile::was_looked_at_lately`] blocks.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use blake2::{Blake2s256, Digest};

use super::verified::Verified;
use super::{AuthError, LineError, Passwords};
use crate::chain::Chain;
use crate::lock::lock;

/// Most that is read; 100,000 users take 8 MiB.
const MAX_BYTES: u64 = 16 << 20;

/// How long a change may go unnoticed by somebody who is logged in.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A file that changed so lately may change again without its time of change telling.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// An htpasswd file that is kept up to date.
pub(super) struct PasswordFile {
    path: PathBuf,
    current: ArcSwap<Generation>,
    /// Held for an instant: requests ask for it on the runtime's threads.
    looked_at: Mutex<Instant>,
    /// Held while the file is read.
    seen: Mutex<Seen>,
}

/// One reading of the file.
pub(super) struct Generation {
    pub(super) passwords: Passwords,
    pub(super) verified: Verified,
    /// Of the file's bytes: a file that was only touched stays the same generation.
    digest: [u8; 32],
}

/// What the last look at the file showed.
#[derive(Default)]
struct Seen {
    /// `None` when the next look must read the file whatever it shows.
    fingerprint: Option<Fingerprint>,
    /// Whether the log was told already that the file cannot be read.
    is_unreadable: bool,
    /// Of the bytes whose malformed lines the log was told.
    told: Option<[u8; 32]>,
}

/// Changes when the file is written, replaced, or given other rights.
#[derive(PartialEq, Eq)]
struct Fingerprint {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// A file that was read, with what it was when it was opened.
struct Content {
    generation: Generation,
    errors: Vec<LineError>,
    fingerprint: Option<Fingerprint>,
}

impl PasswordFile {
    /// Reads the file for the first time. A line that is malformed is an error, so that a typo is noticed at start.
    pub(super) fn open(path: PathBuf) -> Result<Self, AuthError> {
        let content = read(&path)?;
        if !content.errors.is_empty() {
            let lines = content.errors;
            return Err(AuthError::Malformed { path, lines });
        }
        Ok(Self::new(path, content))
    }

    /// Reads the file for the first time, in a server that runs: a line that is malformed is logged, and the good ones
    /// work.
    pub(super) fn open_good_lines(path: PathBuf) -> Result<Self, AuthError> {
        let content = read(&path)?;
        tell_malformed(&path, &content.errors);
        Ok(Self::new(path, content))
    }

    fn new(path: PathBuf, content: Content) -> Self {
        let seen = Seen {
            fingerprint: content.fingerprint,
            is_unreadable: false,
            told: Some(content.generation.digest),
        };
        Self {
            path,
            current: ArcSwap::from_pointee(content.generation),
            looked_at: Mutex::new(Instant::now()),
            seen: Mutex::new(seen),
        }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The last reading that worked.
    pub(super) fn current(&self) -> Arc<Generation> {
        self.current.load_full()
    }

    /// Whether [`refresh`](Self::refresh) can wait.
    pub(super) fn was_looked_at_lately(&self) -> bool {
        lock(&self.looked_at).elapsed() < LOOK_EVERY
    }

    /// Reads the file again if it changed. What cannot be read is logged once and leaves the last reading in force.
    pub(super) fn refresh(&self) {
        *lock(&self.looked_at) = Instant::now();
        let mut seen = lock(&self.seen);
        let fingerprint = std::fs::metadata(&self.path)
            .ok()
            .map(|metadata| Fingerprint::of(&metadata));
        let unchanged = fingerprint.is_some() && fingerprint == seen.fingerprint;
        if unchanged {
            return;
        }
        self.read_again(&mut seen);
    }

    /// Reads the file again, changed or not, for somebody who wants to hear what is wrong with it, even once more.
    pub(super) fn reload(&self) {
        *lock(&self.looked_at) = Instant::now();
        let mut seen = lock(&self.seen);
        *seen = Seen::default();
        self.read_again(&mut seen);
    }

    fn read_again(&self, seen: &mut Seen) {
        match read(&self.path) {
            Ok(content) => self.adopt(content, seen),
            Err(error) => {
                // Whatever it was may pass without a change of the file.
                seen.fingerprint = None;
                let was_told = std::mem::replace(&mut seen.is_unreadable, true);
                if !was_told {
                    tell_unreadable(&error);
                }
            }
        }
    }

    fn adopt(&self, content: Content, seen: &mut Seen) {
        let Content {
            generation,
            errors,
            fingerprint,
        } = content;
        if seen.told != Some(generation.digest) {
            tell_malformed(&self.path, &errors);
        }
        *seen = Seen {
            fingerprint,
            is_unreadable: false,
            told: Some(generation.digest),
        };
        if generation.digest == self.current.load().digest {
            return;
        }
        let users = generation.passwords.len();
        tracing::info!(path = %self.path.display(), users, "the password file was read again");
        self.current.store(Arc::new(generation));
    }
}

/// Whether a server would start with this password file.
///
/// # Errors
/// Why it would not.
pub fn check(path: &Path) -> Result<(), AuthError> {
    PasswordFile::open(path.to_owned()).map(drop)
}

impl Fingerprint {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

fn read(path: &Path) -> Result<Content, AuthError> {
    let file = open(path)?;
    let in_io = |source| AuthError::Read {
        path: path.to_owned(),
        source,
    };
    let metadata = file.metadata().map_err(in_io)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(in_io)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(AuthError::TooLarge {
            path: path.to_owned(),
            limit: MAX_BYTES,
        });
    }
    let (passwords, errors) = Passwords::parse(&bytes);
    let verified = Verified::new().map_err(AuthError::Random)?;
    let generation = Generation {
        passwords,
        verified,
        digest: Blake2s256::digest(&bytes).into(),
    };
    let fingerprint = is_settled(&metadata).then(|| Fingerprint::of(&metadata));
    Ok(Content {
        generation,
        errors,
        fingerprint,
    })
}

/// Opens a regular file. Asks for its kind first: opening a pipe would wait for its other end.
fn open(path: &Path) -> Result<File, AuthError> {
    let in_io = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => AuthError::Missing(path.to_owned()),
        _ => AuthError::Read {
            path: path.to_owned(),
            source,
        },
    };
    let metadata = std::fs::metadata(path).map_err(in_io)?;
    if !metadata.is_file() {
        return Err(AuthError::NotAFile(path.to_owned()));
    }
    File::open(path).map_err(in_io)
}

fn is_settled(metadata: &Metadata) -> bool {
    let age = metadata
        .modified()
        .ok()
        .and_then(|modified| SystemTime::now().duration_since(modified).ok());
    age.is_some_and(|age| age > SETTLED_AFTER)
}

fn tell_malformed(path: &Path, errors: &[LineError]) {
    for LineError { line, reason } in errors {
        tracing::error!(path = %path.display(), "line {line} of the password file is not used: {reason}");
    }
}

fn tell_unreadable(error: &AuthError) {
    tracing::error!(error = %Chain(error), "the password file cannot be read again: its last reading stays in force");
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: &str = "ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n";
    const BOB: &str = "bob:$2y$04$2mJNt02x2snj313YuGdH3OH8R0U2PU0ScMK7ze6pTFaStbGjk0rqe\n";

    fn file(content: &str) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("passwords");
        std::fs::write(&path, content).unwrap();
        (directory, path)
    }

    #[test]
    fn a_change_is_read_and_a_touch_is_not() {
        let (_directory, path) = file(BOB);
        let passwords = PasswordFile::open(path.clone()).unwrap();
        let first = passwords.current();
        std::fs::write(&path, BOB).unwrap();
        passwords.refresh();
        assert!(Arc::ptr_eq(&first, &passwords.current()));
        std::fs::write(&path, format!("{BOB}# and no more\n")).unwrap();
        passwords.refresh();
        assert!(!Arc::ptr_eq(&first, &passwords.current()));
    }

    #[test]
    fn a_file_that_is_gone_leaves_the_last_reading_until_it_is_back() {
        let (_directory, path) = file(BOB);
        let passwords = PasswordFile::open(path.clone()).unwrap();
        std::fs::remove_file(&path).unwrap();
        passwords.refresh();
        passwords.reload();
        assert_eq!(passwords.current().passwords.len(), 1);
        std::fs::write(&path, "").unwrap();
        passwords.refresh();
        assert!(passwords.current().passwords.is_empty());
    }

    #[test]
    fn a_malformed_line_is_an_error_at_start_and_left_out_later() {
        let (_directory, path) = file(&format!("{BOB}carol\ndave:hunter2\n"));
        let error = PasswordFile::open(path.clone()).err().unwrap().to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
        assert!(error.contains("line 2: ") && error.contains("line 3: "), "{error}");
        assert!(!error.contains("hunter2") && !error.contains("carol"), "{error}");

        std::fs::write(&path, BOB).unwrap();
        let passwords = PasswordFile::open(path.clone()).unwrap();
        std::fs::write(&path, format!("carol\n{BOB}")).unwrap();
        passwords.reload();
        assert_eq!(passwords.current().passwords.len(), 1);
    }

    #[test]
    fn says_what_is_wrong_with_a_path() {
        let (directory, path) = file(ANN);
        let missing = PasswordFile::open(directory.path().join("none")).err().unwrap();
        assert!(
            missing.to_string().contains("micropypi passwd USER --file"),
            "{missing}"
        );
        let not_a_file = PasswordFile::open(directory.path().to_owned()).err().unwrap();
        assert!(matches!(not_a_file, AuthError::NotAFile(_)));
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(MAX_BYTES + 1)
            .unwrap();
        assert!(matches!(PasswordFile::open(path), Err(AuthError::TooLarge { .. })));
    }
}
