//! A cache in memory, and the view of a distribution as a tree of files. Called by the tests.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use micropypi::board::{BoardFile, Patterns, Sink, View, view, write_tarball};
use micropypi::dist::{ContentId, CoreMetadata, DistFilename, Limits, read_core_metadata};

use crate::clients::Tree;

pub(crate) const LIMITS: Limits = Limits {
    members: 10_000,
    unpacked_bytes: 64 << 20,
    ratio: 1_000,
    metadata_bytes: 1 << 20,
};

/// What was staged, by its digest.
#[derive(Default)]
pub(crate) struct Shelf(BTreeMap<[u8; 32], Vec<u8>>);

impl Sink for Shelf {
    fn stage(&mut self, content: &mut dyn Read) -> io::Result<ContentId> {
        let mut bytes = Vec::new();
        let content = ContentId::of_copied(content, &mut bytes)?;
        self.0.insert(content.sha256, bytes);
        Ok(content)
    }

    fn keep(&mut self, _: &ContentId) -> io::Result<()> {
        Ok(())
    }
}

/// A view with the content of its files.
pub(crate) struct Board {
    pub(crate) view: View,
    shelf: Shelf,
}

impl Board {
    /// The view of a distribution file.
    pub(crate) fn of(dist: &Path) -> Self {
        let open = || BufReader::new(File::open(dist).unwrap());
        let filename = DistFilename::parse(dist.file_name().unwrap().to_str().unwrap()).unwrap();
        let metadata = read_core_metadata(open(), &filename, &LIMITS).unwrap();
        let metadata = metadata.map(|bytes| CoreMetadata::parse(&bytes).unwrap());
        let mut shelf = Shelf::default();
        let view = view(
            open(),
            &filename,
            metadata.as_ref(),
            &LIMITS,
            &Patterns::default(),
            &mut shelf,
        )
        .unwrap();
        Self { view, shelf }
    }

    fn content(&self, file: &BoardFile) -> &[u8] {
        &self.shelf.0[&file.content.sha256]
    }

    /// The files, as they would lie on the board.
    pub(crate) fn tree(&self) -> Tree {
        self.view
            .files
            .iter()
            .map(|file| (file.path.clone(), self.content(file).to_vec()))
            .collect()
    }

    /// upip's tarball, without requirements.
    pub(crate) fn tarball(&self, mut out: impl Write) {
        write_tarball(&self.view, &[], &mut |file| Ok(self.content(file)), &mut out).unwrap();
    }
}
