//! What lies in the directories: every file that is not hidden, with its sidecars. Called by `store/mod.rs`.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::found::{Found, Look, SIDECARS, Sidecars, split_sidecar};
use super::is_gone;
use super::stamp::Stamp;
use crate::cores::on_all_cores;
use crate::lock::lock;

/// What a look at everything has found.
#[derive(Debug, Default)]
pub struct Walked {
    /// The files.
    pub found: Vec<Found>,
    /// The directories and links that could not be looked at: they and what is below them may be there. Each as its root and its
    /// path below that, a directory's with `/` at its end unless it is empty.
    pub unseen: Vec<(u8, Box<str>)>,
    /// The directories that symbolic links lead to, and the links that lead nowhere.
    pub linked: BTreeSet<PathBuf>,
    /// The links that lead to files.
    pub file_links: BTreeSet<PathBuf>,
}

impl Walked {
    /// Whether a file may be there, although it was not found.
    pub fn may_hold(&self, root: u8, path: &str) -> bool {
        self.unseen
            .iter()
            .any(|(unseen, below)| *unseen == root && path.starts_with(&**below))
    }
}

/// Files whose names nobody can ask for; each is logged once.
#[derive(Debug, Default)]
pub(super) struct Unnamed(Mutex<HashSet<PathBuf>>);

impl Unnamed {
    fn tell(&self, path: &Path) {
        let mut told = lock(&self.0);
        if told.insert(path.to_owned()) {
            tracing::info!(file = %path.display(), reason = "its name is not UTF-8", "ignored: not a distribution");
        }
    }
}

pub(super) fn walk(roots: &[PathBuf], unnamed: &Unnamed) -> Walked {
    let mut walked = Walked::default();
    for (root, directory) in (0u8..).zip(roots) {
        let mut walk = Walk {
            root,
            walked: &mut walked,
            visited: HashSet::new(),
            unnamed,
        };
        walk.directory(directory, "");
    }
    // With one directory, the usual case, nothing can hide anything.
    if roots.len() > 1 {
        let mut paths = HashSet::new();
        walked.found.retain(|file| paths.insert(Arc::clone(&file.path)));
    }
    walked
}

struct Walk<'a> {
    root: u8,
    walked: &'a mut Walked,
    /// Device and inode of every directory, so that a circle of symbolic links ends.
    visited: HashSet<(u64, u64)>,
    unnamed: &'a Unnamed,
}

/// What stat(2) says of an entry.
enum Kind {
    Directory,
    File {
        stamp: Stamp,
        /// Whether it lies elsewhere.
        is_linked: bool,
    },
    /// Opening it might wait for ever, as that of a pipe.
    Other,
}

impl Kind {
    /// A symbolic link stands for what it points at.
    fn of(path: &Path) -> io::Result<Self> {
        let mut metadata = fs::symlink_metadata(path)?;
        let is_linked = metadata.is_symlink();
        if is_linked {
            metadata = fs::metadata(path)?;
        }
        let stamp = Stamp::of(&metadata);
        Ok(match metadata.file_type() {
            kind if kind.is_dir() => Self::Directory,
            kind if kind.is_file() => Self::File { stamp, is_linked },
            _ => Self::Other,
        })
    }
}

impl Walk<'_> {
    fn directory(&mut self, directory: &Path, prefix: &str) {
        let Some(metadata) = self.note_unseen(fs::metadata(directory), prefix) else {
            return;
        };
        self.note_link(directory);
        if !self.visited.insert((metadata.dev(), metadata.ino())) {
            return;
        }
        let names = self.names(directory, prefix);
        let mut sidecars: HashMap<Box<str>, [Option<Stamp>; 3]> = HashMap::new();
        let start = self.walked.found.len();
        let kinds = on_all_cores(&names, |name| Kind::of(&directory.join(&**name)));
        for (name, kind) in names.iter().zip(kinds) {
            let path = || directory.join(&**name);
            if matches!(kind, Ok(Kind::File { is_linked: true, .. })) {
                self.walked.file_links.insert(path());
            }
            match self.note_unseen_entry(kind, directory, prefix, name) {
                Some(Kind::Directory) => self.directory(&path(), &format!("{prefix}{name}/")),
                Some(Kind::File { stamp, .. }) => match split_sidecar(name) {
                    Some((owner, kind)) => sidecars.entry(owner.into()).or_default()[kind] = Some(stamp),
                    None => self.walked.found.push(Found {
                        root: self.root,
                        path: format!("{prefix}{name}").into(),
                        stamp,
                        sidecars: Sidecars::default(),
                    }),
                },
                Some(Kind::Other) => {}
                None => self.note_link(&path()),
            }
        }
        if sidecars.is_empty() {
            return;
        }
        for file in &mut self.walked.found[start..] {
            if let Some(own) = file.path.strip_prefix(prefix).and_then(|name| sidecars.get(name)) {
                file.sidecars = Sidecars::new(*own);
            }
        }
    }

    /// The names in a directory that can be asked for.
    fn names(&mut self, directory: &Path, prefix: &str) -> Vec<Box<str>> {
        let entries = self.note_unseen(fs::read_dir(directory), prefix);
        let mut names = Vec::new();
        for entry in entries.into_iter().flatten() {
            let Some(entry) = self.note_unseen(entry, prefix) else {
                continue;
            };
            match visible(&entry.file_name()) {
                Some(name) => names.push(name),
                None if is_hidden(&entry.file_name()) => {}
                None => self.unnamed.tell(&entry.path()),
            }
        }
        names
    }

    /// A link may lead to a stick that is plugged in later, or pulled out.
    fn note_link(&mut self, path: &Path) {
        if path.is_symlink() {
            let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
            self.walked.linked.insert(target);
        }
    }

    /// As [`Walk::note_unseen`], of an entry. A link that leads where nobody may look tells nothing of what lies beside it.
    fn note_unseen_entry(
        &mut self,
        kind: io::Result<Kind>,
        directory: &Path,
        prefix: &str,
        name: &str,
    ) -> Option<Kind> {
        if kind.is_err() && directory.join(name).is_symlink() {
            return self.note_unseen(kind, &format!("{prefix}{name}"));
        }
        self.note_unseen(kind, prefix)
    }

    /// Gives what was seen, or notes that it was not. What went away in the meantime is not there; what cannot be looked at
    /// may be.
    fn note_unseen<T>(&mut self, result: io::Result<T>, prefix: &str) -> Option<T> {
        result
            .inspect_err(|error| {
                let unseen = (self.root, prefix.into());
                if !is_gone(error) && self.walked.unseen.last() != Some(&unseen) {
                    self.walked.unseen.push(unseen);
                }
            })
            .ok()
    }
}

pub(super) fn look(roots: &[PathBuf], path: &Path, unnamed: &Unnamed) -> Look {
    let Some(relative) = roots.iter().find_map(|root| path.strip_prefix(root).ok()) else {
        return Look::Nothing;
    };
    if relative.iter().any(is_hidden) {
        return Look::Nothing;
    }
    let Some(names) = relative.iter().map(visible).collect::<Option<Vec<_>>>() else {
        unnamed.tell(path);
        return Look::Nothing;
    };
    if names.is_empty() || path.is_dir() {
        return Look::Directory;
    }
    let relative = names.join("/");
    let owner = split_sidecar(&relative).map_or(relative.as_str(), |(owner, _)| owner);
    at(roots, owner).map_or_else(|| Look::Gone(owner.into()), Look::There)
}

/// The file of this relative path that no earlier directory hides.
fn at(roots: &[PathBuf], path: &str) -> Option<Found> {
    (0u8..).zip(roots).find_map(|(root, directory)| {
        let stamp_of = |path: &str| match Kind::of(&directory.join(path)) {
            Ok(Kind::File { stamp, .. }) => Some(stamp),
            _ => None,
        };
        Some(Found {
            root,
            path: path.into(),
            stamp: stamp_of(path)?,
            sidecars: Sidecars::new(SIDECARS.map(|ending| stamp_of(&format!("{path}{ending}")))),
        })
    })
}

/// Names that begin with a dot are hidden, and names that are not UTF-8 cannot be asked for.
fn visible(name: &OsStr) -> Option<Box<str>> {
    name.to_str().filter(|_| !is_hidden(name)).map(Into::into)
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    fn look(roots: &[PathBuf], path: &Path) -> Look {
        super::look(roots, path, &Unnamed::default())
    }

    fn paths(found: &[Found]) -> Vec<&str> {
        let mut paths: Vec<_> = found.iter().map(|f| &*f.path).collect();
        paths.sort_unstable();
        paths
    }

    #[test]
    fn finds_sub_folders_and_sidecars_and_nothing_hidden() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join("sub/deep")).unwrap();
        fs::create_dir(root.join(".git")).unwrap();
        for name in [
            "a-1.tar.gz",
            "a-1.tar.gz.asc",
            "a-1.tar.gz.yanked",
            ".hidden-1.tar.gz",
            ".git/b-1.tar.gz",
            "sub/deep/c-1.zip",
        ] {
            fs::write(root.join(name), name).unwrap();
        }
        std::os::unix::fs::symlink(root, root.join("sub/circle")).unwrap();
        let Walked {
            found, unseen, linked, ..
        } = walk(&[root.to_owned()], &Unnamed::default());
        assert_eq!(unseen, []);
        assert_eq!(linked, [fs::canonicalize(root).unwrap()].into());
        assert_eq!(paths(&found), ["a-1.tar.gz", "sub/deep/c-1.zip"]);
        let a = found.iter().find(|f| &*f.path == "a-1.tar.gz").unwrap();
        assert_eq!(a.sidecars.endings().collect::<Vec<_>>(), [".asc", ".yanked"]);
    }

    /// To open a pipe is to wait for its other end.
    #[test]
    fn a_sidecar_is_a_regular_file() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().to_owned();
        fs::write(root.join("a-1.zip"), "1").unwrap();
        fs::create_dir(root.join("a-1.zip.metadata")).unwrap();
        mknodat(
            CWD,
            root.join("a-1.zip.yanked"),
            FileType::Fifo,
            Mode::RUSR | Mode::WUSR,
            0,
        )
        .unwrap();
        let roots = [root.clone()];
        let walked = walk(&roots, &Unnamed::default()).found;
        assert_eq!(walked[0].sidecars, Sidecars::default());
        let Look::There(seen) = look(&roots, &root.join("a-1.zip")) else {
            panic!()
        };
        assert_eq!(walked, [seen]);
    }

    #[test]
    fn an_earlier_directory_hides_namesakes() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(one.path().join("a-1.zip"), "1").unwrap();
        fs::write(two.path().join("a-1.zip"), "22").unwrap();
        fs::write(two.path().join("b-1.zip"), "22").unwrap();
        let roots = [one.path().to_owned(), two.path().to_owned()];
        let found = walk(&roots, &Unnamed::default()).found;
        assert_eq!(paths(&found), ["a-1.zip", "b-1.zip"]);
        assert_eq!(found[0].stamp.size, 1);
        let Look::There(a) = look(&roots, &two.path().join("a-1.zip")) else {
            panic!()
        };
        assert_eq!((a.root, a.stamp.size), (0, 1));
    }

    #[test]
    fn a_look_at_a_sidecar_tells_of_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let roots = [dir.path().to_owned()];
        fs::write(dir.path().join("a-1.zip"), "1").unwrap();
        let Look::There(found) = look(&roots, &dir.path().join("a-1.zip.yanked")) else {
            panic!()
        };
        assert_eq!((&*found.path, found.sidecars), ("a-1.zip", Sidecars::default()));
        assert!(matches!(look(&roots, &dir.path().join("b-1.zip")), Look::Gone(path) if &*path == "b-1.zip"));
        assert!(matches!(look(&roots, &dir.path().join(".a")), Look::Nothing));
        assert!(matches!(look(&roots, dir.path()), Look::Directory));
    }
}
