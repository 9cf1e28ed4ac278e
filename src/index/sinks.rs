//! Where the contents of an archive's members go while its view is made. Called by `views.rs`.

use std::collections::HashMap;
use std::fs::File as FsFile;
use std::io::{self, Read, Seek, SeekFrom};

use crate::board::Sink;
use crate::dist::ContentId;
use crate::store::Contents;

/// Gathers the contents of an archive's members in one scratch file until it is known which of them are wanted.
pub(super) struct Stager<'a> {
    contents: &'a Contents,
    scratch: FsFile,
    end: u64,
    /// Where each content begins.
    staged: HashMap<ContentId, u64>,
    /// How writing failed.
    pub(super) error: Option<io::ErrorKind>,
}

impl<'a> Stager<'a> {
    pub(super) fn new(contents: &'a Contents, scratch: FsFile) -> Self {
        Self {
            contents,
            scratch,
            end: 0,
            staged: HashMap::new(),
            error: None,
        }
    }
}

impl Sink for Stager<'_> {
    fn stage(&mut self, content: &mut dyn Read) -> io::Result<ContentId> {
        let mut out = Watched {
            out: &mut self.scratch,
            error: &mut self.error,
        };
        let content = ContentId::of_copied(content, &mut out)?;
        self.staged.insert(content, self.end);
        self.end += content.size;
        Ok(content)
    }

    fn keep(&mut self, content: &ContentId) -> io::Result<()> {
        let start = self.staged.get(content).ok_or(io::ErrorKind::NotFound)?;
        self.scratch.seek(SeekFrom::Start(*start))?;
        self.contents.put(content, &self.scratch)
    }
}

/// A file, and whether writing to it failed.
struct Watched<'a> {
    out: &'a mut FsFile,
    error: &'a mut Option<io::ErrorKind>,
}

impl io::Write for Watched<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out
            .write(bytes)
            .inspect_err(|error| *self.error = Some(error.kind()))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A sink for those who want to know only what a view would hold.
pub(super) struct Nowhere;

impl Sink for Nowhere {
    fn stage(&mut self, content: &mut dyn Read) -> io::Result<ContentId> {
        ContentId::of(content)
    }

    fn keep(&mut self, _: &ContentId) -> io::Result<()> {
        Ok(())
    }
}
