//! The bytes of a file by what names them. Everybody may call it.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::digest::each_piece;

/// What names a content: its SHA-256, and its length, which tells a whole file from what a power cut left of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ContentId {
    /// Of all bytes.
    pub sha256: [u8; 32],
    /// Length in bytes.
    pub size: u64,
}

impl ContentId {
    /// Of everything that the reader gives.
    ///
    /// # Errors
    /// The reader's.
    pub fn of(reader: impl Read) -> io::Result<Self> {
        Self::of_copied(reader, io::sink())
    }

    /// As [`ContentId::of`], of what is copied from a reader to a writer.
    ///
    /// # Errors
    /// The reader's and the writer's.
    pub fn of_copied(reader: impl Read, mut writer: impl Write) -> io::Result<Self> {
        let (mut hasher, mut size) = (Sha256::new(), 0);
        each_piece(reader, |piece| {
            hasher.update(piece);
            size += piece.len() as u64;
            writer.write_all(piece)
        })?;
        let sha256 = hasher.finalize().into();
        Ok(Self { sha256, size })
    }
}
