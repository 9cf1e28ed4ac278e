//! Digests: the three that PyPI's upload API knows, in one pass. Everybody may call it.

use std::fmt;
use std::io::{self, Read};

use blake2::Blake2b;
use blake2::digest::consts::U32;
use md5::Md5;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The digests of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digests {
    /// SHA-256, the one that identifies the file.
    pub sha256: [u8; 32],
    /// BLAKE2b with 32 bytes of output.
    pub blake2b_256: [u8; 32],
    /// MD5, for old clients.
    pub md5: [u8; 16],
}

/// Bytes as lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy)]
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Digit by digit through `f`, a digest would cost more than the rest of many an answer.
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        self.0.chunks(32).try_for_each(|bytes| {
            let mut digits = [0; 64];
            for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
                pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
            }
            f.write_str(str::from_utf8(&digits[..2 * bytes.len()]).expect("digits are ASCII"))
        })
    }
}

impl Digests {
    /// Of everything that the reader gives.
    ///
    /// # Errors
    /// The reader's.
    pub fn of<R: Read>(reader: R) -> io::Result<Self> {
        let mut hasher = Hasher::default();
        each_piece(reader, |piece| {
            hasher.update(piece);
            Ok(())
        })?;
        Ok(hasher.finish())
    }

    /// 64 hexadecimal digits.
    pub fn sha256_hex(&self) -> Hex<'_> {
        Hex(&self.sha256)
    }

    /// 64 hexadecimal digits.
    pub fn blake2b_256_hex(&self) -> Hex<'_> {
        Hex(&self.blake2b_256)
    }

    /// 32 hexadecimal digits.
    pub fn md5_hex(&self) -> Hex<'_> {
        Hex(&self.md5)
    }
}

/// Reads everything that the reader gives, a piece at a time.
pub(super) fn each_piece(mut reader: impl Read, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut buffer = [0; 16 << 10];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => take(&buffer[..read])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Three digests under way.
#[derive(Debug, Clone, Default)]
pub struct Hasher {
    sha256: Sha256,
    blake2b_256: Blake2b<U32>,
    md5: Md5,
}

impl Hasher {
    /// Takes the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.sha256.update(piece);
        self.blake2b_256.update(piece);
        self.md5.update(piece);
    }

    /// The digests of everything taken.
    pub fn finish(self) -> Digests {
        Digests {
            sha256: self.sha256.finalize().into(),
            blake2b_256: self.blake2b_256.finalize().into(),
            md5: self.md5.finalize().into(),
        }
    }
}

/// The digests that an uploader says its file has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClaimedDigests {
    sha256: Option<[u8; 32]>,
    blake2b_256: Option<[u8; 32]>,
    md5: Option<[u8; 16]>,
}

/// A digest that is not the file's, or none at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestMismatch {
    /// Not hexadecimal digits, or not as many as there must be.
    #[error("the form field {field} must be {digits} hexadecimal digits")]
    NotHex {
        /// The name of the form field.
        field: &'static str,
        /// How many digits it must have.
        digits: usize,
    },
    /// Of other bytes.
    #[error("the file that arrived has the {name} {actual}, but the form says {claimed}; it was damaged on its way")]
    Differs {
        /// Which digest.
        name: &'static str,
        /// In the form.
        claimed: String,
        /// Of the bytes.
        actual: String,
    },
}

impl ClaimedDigests {
    /// Reads the form fields `sha256_digest`, `blake2_256_digest`, `md5_digest`; an empty one counts as absent, and so does
    /// a BLAKE2b of 512 bits, which is what `setup.py upload` of Python 3.9 and later sends in place of the one of 256,
    /// beside a SHA-256 that says as much.
    ///
    /// # Errors
    /// When one is not hexadecimal digits of its length.
    pub fn parse(sha256: Option<&str>, blake2b_256: Option<&str>, md5: Option<&str>) -> Result<Self, DigestMismatch> {
        let blake2b_256 = blake2b_256.filter(|text| parse_hex::<64>(text).is_none());
        Ok(Self {
            sha256: from_hex("sha256_digest", sha256)?,
            blake2b_256: from_hex("blake2_256_digest", blake2b_256)?,
            md5: from_hex("md5_digest", md5)?,
        })
    }

    /// Compares every claim with what arrived.
    ///
    /// # Errors
    /// The first that differs.
    pub fn check(&self, actual: &Digests) -> Result<(), DigestMismatch> {
        compare("SHA-256", self.sha256.as_ref(), &actual.sha256)?;
        compare("BLAKE2b-256", self.blake2b_256.as_ref(), &actual.blake2b_256)?;
        compare("MD5", self.md5.as_ref(), &actual.md5)
    }
}

fn compare<const N: usize>(
    name: &'static str,
    claimed: Option<&[u8; N]>,
    actual: &[u8; N],
) -> Result<(), DigestMismatch> {
    match claimed {
        Some(claimed) if claimed != actual => {
            let (claimed, actual) = (Hex(claimed).to_string(), Hex(actual).to_string());
            Err(DigestMismatch::Differs { name, claimed, actual })
        }
        _ => Ok(()),
    }
}

fn from_hex<const N: usize>(field: &'static str, text: Option<&str>) -> Result<Option<[u8; N]>, DigestMismatch> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let wrong = || DigestMismatch::NotHex { field, digits: 2 * N };
    parse_hex(text).map(Some).ok_or_else(wrong)
}

/// Bytes by their hexadecimal digits, in any case; None unless there are just as many as it takes.
pub fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, []) = text.as_bytes().as_chunks() else {
        return None;
    };
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    bytes.collect::<Option<Vec<u8>>>()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // FIPS 180-4, RFC 7693 (as b2sum -l 256) and RFC 1321 of "abc".
    const SHA256: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const BLAKE2: &str = "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319";
    const MD5: &str = "900150983cd24fb0d6963f7d28e17f72";

    #[test]
    fn the_standards_test_vectors() {
        let digests = Digests::of(&b"abc"[..]).unwrap();
        assert_eq!(digests.sha256_hex().to_string(), SHA256);
        assert_eq!(digests.blake2b_256_hex().to_string(), BLAKE2);
        assert_eq!(digests.md5_hex().to_string(), MD5);
    }

    #[test]
    fn claims_in_any_case_are_checked() {
        let digests = Digests::of(&b"abc"[..]).unwrap();
        let claimed = ClaimedDigests::parse(Some(&SHA256.to_uppercase()), Some(BLAKE2), Some("")).unwrap();
        assert_eq!(claimed.check(&digests), Ok(()));
        let mismatch = claimed.check(&Digests::of(&b"abd"[..]).unwrap()).unwrap_err();
        assert!(matches!(&mismatch, DigestMismatch::Differs { name: "SHA-256", claimed, .. } if claimed == SHA256));
        let sentence = mismatch.to_string();
        assert!(sentence.contains("SHA-256") && sentence.contains(SHA256), "{sentence}");
    }

    #[test]
    fn a_claim_that_is_no_digest_names_its_field() {
        let too_short = ClaimedDigests::parse(None, None, Some("9001")).unwrap_err();
        assert_eq!(
            too_short.to_string(),
            "the form field md5_digest must be 32 hexadecimal digits"
        );
        assert!(ClaimedDigests::parse(Some(&"zz".repeat(32)), None, None).is_err());
        assert!(ClaimedDigests::parse(Some(&"é".repeat(32)), None, None).is_err());
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(bytes in prop::collection::vec(any::<u8>(), 0..2000), size in 1_usize..100) {
            let mut hasher = Hasher::default();
            bytes.chunks(size).for_each(|piece| hasher.update(piece));
            prop_assert_eq!(hasher.finish(), Digests::of(&bytes[..]).unwrap());
        }
    }
}
