//! Reading files without blocking the runtime: what the page cache holds is read on the spot, the rest on a thread that
//! may wait. Called by `http/`.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, ReadWriteFlags};
use tokio::task::{JoinHandle, spawn_blocking};

/// Bytes from which on a file is not small: sendfile(2) is worth its system call then.
pub(super) const LARGE: u64 = 32 << 10;
/// Bytes that one read asks for: large enough that a system call costs little beside its bytes, small enough that a
/// hundred slow readers cost little memory.
const PIECE: usize = 128 << 10;
/// Bytes between two looks at what the page cache holds. Each look costs as much as sending some 10 KB.
const PROBES: usize = 512 << 10;

/// Opens a file for reading. Where the kernel knows the path without asking a disk, no thread is involved.
///
/// # Errors
/// What the system says.
pub async fn open(path: PathBuf) -> io::Result<File> {
    match open_at_once(&path) {
        Some(opened) => opened,
        None => blocking(move || File::open(path)).await,
    }
}

/// As [`open`], where no disk is asked: `openat2(2)` with `RESOLVE_CACHED` (Linux 5.12) gives an answer at once, or none.
pub fn open_at_once(path: &Path) -> Option<io::Result<File>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    match rustix::fs::openat2(CWD, path, flags, Mode::empty(), ResolveFlags::CACHED) {
        Ok(descriptor) => Some(Ok(descriptor.into())),
        Err(Errno::NOENT) => Some(Err(io::ErrorKind::NotFound.into())),
        // Not cached, or a kernel or a sandbox without openat2: ask the patient way.
        Err(_) => None,
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}

/// The bytes of a range of a file, piece by piece.
#[derive(Debug)]
pub struct Pieces {
    file: Arc<File>,
    range: Range<u64>,
    buffer: BytesMut,
    waiting: Option<JoinHandle<io::Result<BytesMut>>>,
}

impl Pieces {
    /// The bytes `range` of the file.
    pub fn new(file: File, range: Range<u64>) -> Self {
        Self {
            file: Arc::new(file),
            range,
            buffer: BytesMut::new(),
            waiting: None,
        }
    }

    /// How many bytes are still to come.
    pub fn left(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// Takes the next range, at most `most` bytes, off what is still to come, for sendfile(2). None: it is small, or
    /// sendfile would wait for a disk; read it.
    pub fn take_cached(&mut self, most: u64) -> Option<(Arc<File>, Range<u64>)> {
        let next = self.range.start..self.range.end.min(self.range.start + most);
        let is_large = next.end - next.start >= LARGE;
        if self.waiting.is_some() || !is_large || !is_cached(&self.file, &next) {
            return None;
        }
        self.range.start = next.end;
        Some((Arc::clone(&self.file), next))
    }

    /// Takes what was read off the range that is still to come.
    fn advance(&mut self, mut filled: BytesMut) -> io::Result<Bytes> {
        if filled.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file became shorter while it was sent",
            ));
        }
        self.range.start += filled.len() as u64;
        let piece = filled.split().freeze();
        // The allocation is used again once the socket has let go of the piece.
        self.buffer = filled;
        Ok(piece)
    }
}

impl Stream for Pieces {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(waiting) = &mut self.waiting {
            let filled = ready!(Pin::new(waiting).poll(context))
                .map_err(io::Error::other)
                .flatten();
            self.waiting = None;
            return Poll::Ready(Some(filled.and_then(|filled| self.advance(filled))));
        }
        let left = usize::try_from(self.left()).unwrap_or(usize::MAX);
        if left == 0 {
            return Poll::Ready(None);
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(left.min(PIECE), 0);
        match read_at_once(&self.file, &mut buffer, self.range.start) {
            Ok(()) => Poll::Ready(Some(self.advance(buffer))),
            Err(_) => {
                let (file, offset) = (Arc::clone(&self.file), self.range.start);
                self.waiting = Some(spawn_blocking(move || {
                    let read = file.read_at(&mut buffer, offset)?;
                    buffer.truncate(read);
                    Ok(buffer)
                }));
                self.poll_next(context)
            }
        }
    }
}

/// Whether the page cache holds the range, by a byte here and there: the kernel reads ahead, and gives memory back in the
/// order in which it was filled, so it holds or lacks neighbours alike. At the edge between the two a read may wait for
/// less than [`PROBES`] bytes.
fn is_cached(file: &File, range: &Range<u64>) -> bool {
    let mut byte = [0];
    range.clone().step_by(PROBES).all(|offset| {
        let read = rustix::io::preadv2(file, &mut [IoSliceMut::new(&mut byte)], offset, ReadWriteFlags::NOWAIT);
        read == Ok(1)
    })
}

/// One read that fails where it would wait for a disk, the buffer shortened to what came: `preadv2(2)` with `RWF_NOWAIT`.
/// Some file systems, and qemu's emulation of Linux, do not have it.
pub(super) fn read_at_once(file: &File, buffer: &mut BytesMut, offset: u64) -> io::Result<()> {
    let read = rustix::io::preadv2(file, &mut [IoSliceMut::new(buffer)], offset, ReadWriteFlags::NOWAIT)?;
    buffer.truncate(read);
    Ok(())
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    #[tokio::test]
    async fn gives_exactly_the_range() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let content: Vec<u8> = (0..1_000_000u32).map(|n| (n % 251) as u8).collect();
        std::fs::write(&path, &content).unwrap();
        for range in [0..1_000_000, 5..6, 999_999..1_000_000, 7..7, 100_000..900_001] {
            let pieces = Pieces::new(open(path.clone()).await.unwrap(), range.clone());
            let read: Vec<Bytes> = pieces.map(Result::unwrap).collect().await;
            assert!(
                read.concat() == content[range.start as usize..range.end as usize],
                "{range:?}"
            );
        }
    }

    #[tokio::test]
    async fn what_is_taken_and_what_is_read_is_the_range() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let content: Vec<u8> = (0..1_000_000u32).map(|n| (n % 251) as u8).collect();
        std::fs::write(&path, &content).unwrap();
        let mut pieces = Pieces::new(open(path).await.unwrap(), 10..1_000_000);
        let mut at = 10;
        while pieces.left() > 0 {
            // Whether the page cache is asked at all depends on the file system.
            if let Some((_, range)) = pieces.take_cached(200_000) {
                assert!(range.start == at && range.end - at <= 200_000);
                at = range.end;
            }
            if let Some(read) = pieces.next().await {
                let read = read.unwrap();
                assert!(content[at as usize..].starts_with(&read));
                at += read.len() as u64;
            }
        }
        assert_eq!(at, 1_000_000);
    }

    #[tokio::test]
    async fn a_file_that_shrinks_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "four").unwrap();
        let mut pieces = Pieces::new(open(path).await.unwrap(), 0..5);
        assert_eq!(pieces.next().await.unwrap().unwrap(), "four");
        assert!(pieces.next().await.unwrap().is_err());
    }
}
