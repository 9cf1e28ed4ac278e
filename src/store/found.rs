//! A file that was found, with what stands beside it, and what lies at a path. Made by `walk.rs`, read by `index/`.

use std::sync::Arc;

use super::stamp::{Stamp, Stamps};

/// What stands beside a distribution under its name plus one of these: the signature, the core metadata, the reason
/// for which it was yanked (PEP 592).
pub const SIDECARS: [&str; 3] = [".asc", ".metadata", ".yanked"];

/// The states of what stands beside a distribution. Few have any, so it is small where there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sidecars(Option<Box<[Option<Stamp>; 3]>>);

impl Sidecars {
    /// In the order of [`SIDECARS`].
    pub(super) fn new(stamps: [Option<Stamp>; 3]) -> Self {
        Self((stamps != [None; 3]).then(|| Box::new(stamps)))
    }

    fn get(&self, kind: usize) -> Option<Stamp> {
        self.0.as_ref()?[kind]
    }

    /// What the names of those that are there end with.
    pub(super) fn endings(&self) -> impl Iterator<Item = &'static str> {
        let is_there = |kind: &usize| self.get(*kind).is_some();
        (0..SIDECARS.len()).filter(is_there).map(|kind| SIDECARS[kind])
    }

    /// Of `NAME.asc`.
    pub fn signature(&self) -> Option<Stamp> {
        self.get(0)
    }

    /// Of `NAME.metadata`.
    pub fn metadata(&self) -> Option<Stamp> {
        self.get(1)
    }

    /// Of `NAME.yanked`.
    pub fn yank_mark(&self) -> Option<Stamp> {
        self.get(2)
    }
}

/// A file in one of the directories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Which directory, counted from 0.
    pub root: u8,
    /// Path below it, `/` between its parts.
    pub path: Arc<str>,
    /// The state of the file.
    pub stamp: Stamp,
    /// What stands beside it.
    pub sidecars: Sidecars,
}

impl Found {
    /// The states of what is read to know it.
    pub fn stamps(&self) -> Stamps {
        (self.stamp, self.sidecars.metadata())
    }

    /// The last component of the path.
    pub fn file_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

/// What a changed path is about; see [`Store::look`](super::Store::look).
#[derive(Debug)]
pub enum Look {
    /// A distribution file, or the file that a changed sidecar belongs to.
    There(Found),
    /// Nothing is there (any more) under this relative path.
    Gone(Arc<str>),
    /// A directory: what is in it must be walked.
    Directory,
    /// Hidden, or not ours.
    Nothing,
}

/// The owner of a sidecar, and which of [`SIDECARS`] it is.
pub(super) fn split_sidecar(name: &str) -> Option<(&str, usize)> {
    SIDECARS
        .iter()
        .enumerate()
        .find_map(|(kind, ending)| Some((name.strip_suffix(ending)?, kind)))
}
