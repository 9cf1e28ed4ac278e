//! Versions: as they are written, with their meaning where they have one. Everybody may call it.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use pep440_rs::Version;

/// A version as it is written, compared by what it means: `1.0` equals `1.0.0` (PEP 440). Versions of old files that
/// mean nothing sort before all others, by their text.
#[derive(Debug, Clone)]
pub struct ReleaseVersion {
    text: Arc<str>,
    parsed: Option<Version>,
}

/// A text that is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// Not in the grammar of PEP 440.
    #[error("{0:?} is no version as PEP 440 has them, such as 1.0, 1.2rc1 or 1.0+local")]
    NotPep440(String),
    /// Empty, or with characters that no file name has.
    #[error("{0:?} is no version")]
    Illegal(String),
}

impl ReleaseVersion {
    /// Reads a version of PEP 440, in any of its spellings.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        let parsed: Version = text.parse().map_err(|_| VersionError::NotPep440(text.to_owned()))?;
        Ok(Self {
            text: text.trim().into(),
            parsed: Some(parsed),
        })
    }

    /// Reads a version of PEP 440, or what old files have in its place.
    ///
    /// # Errors
    /// When it is empty or holds what no file name can hold.
    pub fn parse_lenient(text: &str) -> Result<Self, VersionError> {
        let is_legal = |b: u8| b.is_ascii_graphic() && !matches!(b, b'/' | b'\\' | b'"' | b'\'' | b'<' | b'>' | b'&');
        if text.is_empty() || !text.bytes().all(is_legal) {
            return Err(VersionError::Illegal(text.to_owned()));
        }
        Ok(Self::parse(text).unwrap_or_else(|_| Self {
            text: text.into(),
            parsed: None,
        }))
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What it means.
    pub fn pep440(&self) -> Option<&Version> {
        self.parsed.as_ref()
    }

    /// Neither a pre-release nor a development release. What means nothing is not stable.
    pub fn is_stable(&self) -> bool {
        self.parsed.as_ref().is_some_and(|version| !version.any_prerelease())
    }
}

impl Ord for ReleaseVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.parsed, &other.parsed) {
            (None, None) => self.text.cmp(&other.text),
            (one, other) => one.cmp(other),
        }
    }
}

impl PartialOrd for ReleaseVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ReleaseVersion {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for ReleaseVersion {}

impl Hash for ReleaseVersion {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match &self.parsed {
            Some(version) => version.hash(state),
            None => self.text.hash(state),
        }
    }
}

impl fmt::Display for ReleaseVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
