//! Where the content of a board's files goes. `index/` brings the sink; the view fills it.

use std::io::{self, Read, Write};

use sha2::{Digest, Sha256};

/// What is in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The digest that it is stored under.
    pub sha256: [u8; 32],
    /// Length in bytes.
    pub size: u64,
}

/// Where the content of a board's files goes: the cache, which stores each content once.
///
/// What is part of the view shows only when the archive has been read to its end; so everything that may be is staged
/// on the way, and what is not kept is to be dropped with the sink.
pub trait Sink {
    /// Copies one content to its end; [`hash_copy`] does it.
    ///
    /// # Errors
    /// Those of the content, and of writing the copy.
    fn stage(&mut self, content: &mut dyn Read) -> io::Result<Content>;
    /// Makes a staged content permanent; the same one may be kept more than once.
    ///
    /// # Errors
    /// Those of the system.
    fn keep(&mut self, content: &Content) -> io::Result<()>;
}

/// Copies to the end and hashes on the way.
///
/// # Errors
/// Those of the reader and of the writer.
pub fn hash_copy(content: &mut dyn Read, out: &mut dyn Write) -> io::Result<Content> {
    let mut hasher = Sha256::new();
    let mut buffer = [0; 16 << 10];
    let mut size = 0;
    loop {
        let length = match content.read(&mut buffer) {
            Ok(0) => {
                return Ok(Content {
                    sha256: hasher.finalize().into(),
                    size,
                });
            }
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&buffer[..length]);
        out.write_all(&buffer[..length])?;
        size += length as u64;
    }
}
