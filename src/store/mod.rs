//! The directory: stage, publish, open, walk, watch, remove; and the cache of what is derived. Called by `index/`
//! and `http/`, and opened by `serve/`.

mod cache;
mod clean;
mod contents;
mod file;
mod found;
mod mounts;
mod small;
mod stage;
mod stamp;
mod sync;
mod walk;
mod watch;
mod writing;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use rustix::fs::{Access, Mode, OFlags, access};

pub use cache::{Cache, CacheError, Facts, MetadataFacts, Needed};
pub use contents::Contents;
pub use file::{Pieces, open, open_at_once};
pub use found::{Found, Look, SIDECARS, Sidecars};
pub use small::{SmallFiles, Source};
pub use stage::{Placing, Staged, Synced};
pub use stamp::{Stamp, Stamps};
pub use walk::Walked;
pub use watch::{Changes, Ground, Watcher};
pub use writing::Writer;

use crate::config::Watch;
use crate::durable::{self, make_directory};
use crate::lock::lock;
use mounts::Mounts;
use writing::Writing;

/// The directory that takes the uploads, among all of them.
pub const INBOX: u8 = 0;

/// Why the directory could not do what was asked. The sources hold the operating system's words.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file of this name is there already.
    #[error("{0} exists already")]
    Exists(String),
    /// A further directory is missing; making it would hide a typo.
    #[error("the packages directory {0} is not there; only the first one is made")]
    Missing(PathBuf),
    /// A plain file is there, or on the way there.
    #[error("the packages directory {0} is not a directory")]
    NotADirectory(PathBuf),
    /// The first leads into the second: what lies there would be listed twice.
    #[error("the packages directory {0} leads into {1}, which is served with all its sub-folders")]
    Nested(PathBuf, PathBuf),
    /// No space, or a quota is used up.
    #[error("no space left in {path}")]
    Full {
        /// The packages directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The directory or its file system cannot be written.
    #[error("{path} cannot be written by this server")]
    ReadOnly {
        /// The packages directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The directory was there once.
    #[error("{path} is gone")]
    Gone {
        /// The packages directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Anything else.
    #[error("cannot {doing} {path}")]
    Io {
        /// The verb.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl StoreError {
    /// Sorts an error of the system into what the caller can act on.
    fn new(doing: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        // By kind, not by number: tempfile wraps the system's errors and keeps the kind alone.
        match source.kind() {
            _ if is_full(&source) => Self::Full { path, source },
            ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => Self::ReadOnly { path, source },
            _ if is_gone(&source) => Self::Gone { path, source },
            _ => Self::Io { doing, path, source },
        }
    }
}

/// The package directories: the only truth.
#[derive(Debug)]
pub struct Store {
    roots: Vec<PathBuf>,
    unnamed: walk::Unnamed,
    /// What the watcher hears. A new one begins anew: what became of the files meanwhile, nobody knows.
    writing: ArcSwap<Writing>,
    mounts: Mounts,
    /// Where symbolic links led at the last walk, and links that lead nowhere yet.
    linked: Mutex<BTreeSet<PathBuf>>,
    /// See [`Store::file_links`].
    file_links: Mutex<BTreeSet<PathBuf>>,
}

impl Store {
    /// Opens the directories, makes the first if it is missing, and removes what an interrupted upload left.
    /// The first directory takes the uploads.
    ///
    /// # Errors
    /// When the first cannot be made, or another is missing.
    pub fn open(roots: Vec<PathBuf>) -> Result<Self, StoreError> {
        Self::check(&roots)?;
        if let Some(inbox) = roots.first() {
            make(inbox).map_err(|e| StoreError::new("make", inbox, e))?;
        }
        let resolve = |root: PathBuf| match fs::canonicalize(&root) {
            Err(error) if error.kind() == ErrorKind::NotFound => Err(StoreError::Missing(root)),
            Err(error) => Err(StoreError::new("resolve", &root, error)),
            Ok(absolute) => Ok(absolute),
        };
        let roots: Vec<_> = roots.into_iter().map(resolve).collect::<Result<_, _>>()?;
        if let Some(inbox) = roots.first() {
            clean::remove_litter(inbox);
        }
        Ok(Self {
            roots,
            unnamed: walk::Unnamed::default(),
            writing: ArcSwap::default(),
            mounts: Mounts::open(),
            linked: Mutex::default(),
            file_links: Mutex::default(),
        })
    }

    /// Whether the directories that are there can be some. Changes nothing.
    ///
    /// # Errors
    /// [`StoreError::NotADirectory`] and [`StoreError::Nested`].
    pub fn check(roots: &[PathBuf]) -> Result<(), StoreError> {
        let wrong = roots.iter().find(|root| is_no_directory(root));
        let wrong = wrong.cloned().map(StoreError::NotADirectory);
        wrong.or_else(|| nested(roots)).map_or(Ok(()), Err)
    }

    /// The directories, absolute.
    pub fn roots(&self) -> &[PathBuf] {
        &self.roots
    }

    /// The directory that takes the uploads.
    pub(crate) fn inbox(&self) -> &Path {
        self.roots
            .first()
            .expect("the configuration demands a packages directory")
    }

    /// Whether the directory that takes the uploads can be written. Writes nothing.
    ///
    /// # Errors
    /// The system's reason why not.
    pub(crate) fn check_inbox(&self) -> io::Result<()> {
        Ok(access(self.inbox(), Access::WRITE_OK | Access::EXEC_OK)?)
    }

    /// Watches the directories, in the place of whatever watched them before. None when `how` is off. Blocks.
    pub fn watch(&self, how: Watch) -> Option<Watcher> {
        let writing = Arc::<Writing>::default();
        self.writing.store(Arc::clone(&writing));
        Watcher::new(&self.roots, how, self.ground(), writing)
    }

    /// Who is writing a file that was found, or what stands beside it.
    pub fn writer(&self, found: &Found) -> Writer {
        let writing = self.writing.load();
        let of = |ending| writing.writer(&self.locate(found.root, &format!("{}{ending}", found.path)));
        found.sidecars.endings().map(of).fold(of(""), Writer::max)
    }

    /// What lies under the paths of the directories now.
    pub fn ground(&self) -> Ground {
        let places = self.roots.iter().chain(&*lock(&self.linked)).cloned().collect();
        Ground::new(places, &self.mounts)
    }

    /// Where a found file lies.
    pub fn locate(&self, root: u8, path: &str) -> PathBuf {
        self.roots[usize::from(root)].join(path)
    }

    /// A hidden, empty file in the upload directory.
    ///
    /// # Errors
    /// When the directory is full or cannot be written.
    pub fn stage(&self) -> Result<Staged, StoreError> {
        Staged::new(self.inbox())
    }

    /// Opens a file for reading.
    ///
    /// # Errors
    /// What the system says; [`io::ErrorKind::NotFound`] when it went away.
    pub fn open_file(&self, root: u8, path: &str) -> io::Result<File> {
        File::open(self.locate(root, path))
    }

    /// Opens what stands beside a file under its name plus `ending`. A pipe that has taken its place is not waited for.
    ///
    /// # Errors
    /// What the system says; [`ErrorKind::NotFound`] for anything but a file.
    pub fn open_sidecar(&self, root: u8, path: &str, ending: &str) -> io::Result<File> {
        let sidecar = self.locate(root, &format!("{path}{ending}"));
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = File::from(rustix::fs::open(sidecar, flags, Mode::empty())?);
        if file.metadata()?.is_file() {
            Ok(file)
        } else {
            Err(ErrorKind::NotFound.into())
        }
    }

    /// Reads all that [`Store::open_sidecar`] opens.
    ///
    /// # Errors
    /// As there; [`ErrorKind::FileTooLarge`] for more than `most` bytes.
    pub fn read_sidecar(&self, root: u8, path: &str, ending: &str, most: u64) -> io::Result<Vec<u8>> {
        let file = self.open_sidecar(root, path, ending)?;
        let mut bytes = Vec::new();
        file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > most {
            let reason = format!("the {ending} file is too large");
            return Err(io::Error::new(ErrorKind::FileTooLarge, reason));
        }
        Ok(bytes)
    }

    /// Whether the directories answer; for health checks.
    pub fn answers(&self) -> bool {
        self.roots.iter().all(|root| root.read_dir().is_ok())
    }

    /// Removes a distribution and its sidecars, durably, from every directory: a namesake that it hid must not come forth.
    ///
    /// # Errors
    /// When a directory cannot be looked into or written. A file that is gone already is no error.
    pub fn remove(&self, path: &str) -> Result<(), StoreError> {
        let mut files = self.roots.iter().map(|root| root.join(path));
        files.try_for_each(|file| {
            if is_there(&file).map_err(|e| StoreError::new("look at", &file, e))? {
                remove_with_sidecars(&file)?;
            }
            // Also where somebody else has removed it, a moment ago.
            let parent = file.parent().expect("a file lies in a directory");
            match durable::sync(parent) {
                Err(error) if !is_gone(&error) => Err(StoreError::new("sync", parent, error)),
                _ => Ok(()),
            }
        })
    }

    /// Removes what stands beside a file of the upload directory that is replaced: its signature and its core metadata. Where
    /// there is no such file, also the yank mark that an earlier one has left.
    ///
    /// # Errors
    /// When the directory cannot be written. Nothing to remove is no error.
    pub fn remove_sidecars(&self, path: &str) -> Result<(), StoreError> {
        let is_replaced = self.locate(INBOX, path).exists();
        let left = if is_replaced { &SIDECARS[..2] } else { &SIDECARS[..] };
        left.iter().try_for_each(|ending| {
            let sidecar = self.locate(INBOX, &format!("{path}{ending}"));
            remove_if_there(&sidecar).map_err(|e| StoreError::new("remove", &sidecar, e))
        })
    }

    /// Every distribution file of all directories, by relative path. An earlier directory hides its namesakes in later ones.
    pub fn walk(&self) -> Walked {
        let walked = walk::walk(&self.roots, &self.unnamed);
        lock(&self.linked).clone_from(&walked.linked);
        lock(&self.file_links).clone_from(&walked.file_links);
        walked
    }

    /// What lies at an absolute path now, if it is a file that [`Store::walk`] would find.
    pub fn look(&self, path: &Path) -> Look {
        let look = walk::look(&self.roots, path, &self.unnamed);
        let links = match look {
            Look::There(_) => &self.file_links,
            // It may lead into a stick that is plugged in later.
            Look::Gone(_) => &self.linked,
            Look::Directory | Look::Nothing => return look,
        };
        if path.is_symlink() {
            lock(links).insert(path.to_owned());
        }
        look
    }

    /// The links that led to files when somebody looked. What they lead to changes where no watcher is told.
    pub(crate) fn file_links(&self) -> BTreeSet<PathBuf> {
        lock(&self.file_links).clone()
    }
}

/// Makes a packages directory, unless it is there. The log tells of it, because its name may be a typo.
fn make(directory: &Path) -> io::Result<()> {
    let is_new = !directory.exists();
    make_directory(directory)?;
    if is_new {
        tracing::info!(
            "made the packages directory {}, which was not there",
            directory.display()
        );
    }
    Ok(())
}

/// Whether nothing lies at a path: no file, or a plain file where a directory should be.
pub fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Whether there is no more space, or a quota is used up.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// Whether a plain file lies at a path, or on the way there.
fn is_no_directory(path: &Path) -> bool {
    path.metadata().map_or_else(
        |error| error.kind() == ErrorKind::NotADirectory,
        |there| !there.is_dir(),
    )
}

/// Of two directories, one that leads into the other by links: the configuration was checked as it is written.
fn nested(roots: &[PathBuf]) -> Option<StoreError> {
    let resolve = |root| Some((root, fs::canonicalize(root).ok()?));
    let places: Vec<(&PathBuf, PathBuf)> = roots.iter().filter_map(resolve).collect();
    places.iter().rev().find_map(|(inner, place)| {
        let mut others = places.iter().filter(|(other, _)| other != inner);
        let (outer, _) = others.find(|(_, outer)| place.starts_with(outer))?;
        Some(StoreError::Nested(inner.to_path_buf(), outer.to_path_buf()))
    })
}

/// Whether there is a file. A directory that this user may not look into tells nothing of it, and that is an error.
fn is_there(path: &Path) -> io::Result<bool> {
    match path.metadata() {
        Err(error) if is_gone(&error) || error.kind() == ErrorKind::InvalidFilename => Ok(false),
        other => other.map(|_| true),
    }
}

/// Whether tempfile has made up this name: `.tmp` and six letters or digits.
fn is_scratch(name: &str) -> bool {
    let random = name.strip_prefix(".tmp").unwrap_or_default();
    random.len() == 6 && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn remove_with_sidecars(file: &Path) -> Result<(), StoreError> {
    [""].iter().chain(&SIDECARS).try_for_each(|ending| {
        let mut path = file.as_os_str().to_owned();
        path.push(ending);
        let path = Path::new(&path);
        remove_if_there(path).map_err(|e| StoreError::new("remove", path, e))
    })
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        // No file has a name that is too long.
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::InvalidFilename) => Ok(()),
        other => other,
    }
}
