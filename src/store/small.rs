//! What small files hold, in memory for as long as they are asked for: to open, read and close one costs as much as the
//! rest of its request. Kept by the index; called by `http/`.

use std::fs::{File, Metadata};
use std::io;

use bytes::{Bytes, BytesMut};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::file::{LARGE, read_at_once};
use crate::dist::ContentId;

/// Bytes that are kept, at most.
const BYTES: u64 = 4 << 20;
/// Bytes that are expected of most files.
const TYPICAL: u64 = 8 << 10;

/// Where the bytes of a file are to be had.
#[derive(Debug)]
pub enum Source {
    /// Here, all of them.
    Memory(Bytes),
    /// From the kernel.
    File(File),
}

/// The bytes of files. Since they are found by what names the content and not the file, nothing in here is ever wrong;
/// whether they may be sent is for the catalog to say.
#[derive(Debug)]
pub struct SmallFiles(Cache<ContentId, Bytes, Length>);

#[derive(Debug, Clone)]
struct Length;

impl Weighter<ContentId, Bytes> for Length {
    fn weight(&self, _: &ContentId, bytes: &Bytes) -> u64 {
        (size_of::<ContentId>() + bytes.len()) as u64
    }
}

impl Default for SmallFiles {
    fn default() -> Self {
        Self(Cache::with_weighter((BYTES / TYPICAL) as usize, BYTES, Length))
    }
}

impl SmallFiles {
    /// The content, if it is kept.
    pub fn get(&self, content: &ContentId) -> Option<Source> {
        self.0.get(content).map(Source::Memory)
    }

    /// What was opened as the file of this content. None: by `is_it` it is another. Its bytes are kept from now on if it is
    /// small, and was read without waiting for a disk.
    ///
    /// # Errors
    /// The system's.
    pub fn source(
        &self,
        opened: File,
        content: &ContentId,
        is_it: impl FnOnce(&Metadata) -> bool,
    ) -> io::Result<Option<Source>> {
        if !is_it(&opened.metadata()?) {
            return Ok(None);
        }
        let bytes = Some(content.size)
            .filter(|size| *size < LARGE)
            .and_then(|size| read(&opened, size));
        Ok(Some(match bytes.and_then(|bytes| self.keep(content, bytes)) {
            Some(bytes) => Source::Memory(bytes),
            None => Source::File(opened),
        }))
    }

    /// Keeps the bytes if they are the content: their file may be changing just now, or a power cut has damaged it.
    /// No thread is asked to hash so little, and it is done once for as long as they are kept.
    fn keep(&self, content: &ContentId, bytes: Bytes) -> Option<Bytes> {
        if ContentId::of(&*bytes).is_ok_and(|read| read == *content) {
            self.0.insert(*content, bytes.clone());
            return Some(bytes);
        }
        None
    }
}

/// All `size` bytes, if nobody has to wait for a disk.
fn read(file: &File, size: u64) -> Option<Bytes> {
    let mut buffer = BytesMut::zeroed(usize::try_from(size).ok()?);
    read_at_once(file, &mut buffer, 0).ok()?;
    (buffer.len() as u64 == size).then(|| buffer.freeze())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// A file of this content, and what names that.
    fn file(content: &[u8]) -> (File, ContentId) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        (file, ContentId::of(content).unwrap())
    }

    #[test]
    fn what_is_kept_has_a_limit() {
        let small = SmallFiles::default();
        let ids = (0..1_000u32).map(|n| {
            let content = Bytes::from(n.to_le_bytes().repeat(4 << 10));
            let id = ContentId::of(&*content).unwrap();
            small.keep(&id, content).unwrap();
            id
        });
        let kept = ids
            .collect::<Vec<_>>()
            .iter()
            .filter(|id| small.get(id).is_some())
            .count() as u64;
        assert!(kept > 0 && kept * (16 << 10) <= BYTES, "{kept}");
    }

    #[test]
    fn neither_a_large_file_nor_another_is_kept() {
        let small = SmallFiles::default();
        let put = |content: &[u8], size, is_it| {
            let (opened, id) = file(content);
            let id = ContentId { size, ..id };
            let source = small.source(opened, &id, |_| is_it).unwrap();
            assert!(small.get(&id).is_none());
            source
        };
        assert!(matches!(put(&[7; LARGE as usize], LARGE, true), Some(Source::File(_))));
        assert!(put(b"other", 5, false).is_none());
        assert!(matches!(put(b"short", 6, true), Some(Source::File(_))));
        let id = ContentId {
            sha256: [1; 32],
            size: 7,
        };
        let damaged = small.source(file(b"damaged").0, &id, |_| true).unwrap();
        assert!(matches!(damaged, Some(Source::File(_))));
        assert!(small.keep(&id, Bytes::from("damaged")).is_none());
        assert!(small.get(&id).is_none());
    }

    /// tmpfs and overlayfs cannot tell whether a read would wait, so nothing that they hold is kept.
    #[test]
    fn what_was_asked_for_is_in_memory() {
        let small = SmallFiles::default();
        let (opened, id) = file(b"x = 1");
        let at_once = read(&opened, 5).is_some();
        small.source(opened, &id, |_| true).unwrap();
        assert_eq!(small.get(&id).is_some(), at_once);
        small.keep(&id, Bytes::from("x = 1")).unwrap();
        assert!(matches!(small.get(&id), Some(Source::Memory(bytes)) if bytes == "x = 1"));
        assert!(small.get(&ContentId { size: 6, ..id }).is_none());
    }
}
