//! Project names: any legal spelling in, the normalized one out. Everybody may call it.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The longest name; none on PyPI is as long, and a file name has room for it.
const LONGEST: usize = 128;

/// A project's name, normalized (PyPA's name normalization, PEP 503): `My_Pkg` is `my-pkg`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProjectName(Arc<str>);

/// A text that is no project name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing at all.
    #[error("the project name is empty")]
    Empty,
    /// More than 128 characters.
    #[error("the project name has {0} characters; at most {LONGEST} are allowed")]
    TooLong(usize),
    /// Not `^([A-Z0-9]|[A-Z0-9][A-Z0-9._-]*[A-Z0-9])$`, ignoring case.
    #[error("{0:?} is no project name: letters, digits, and between them . _ - are allowed")]
    Illegal(String),
}

impl ProjectName {
    /// Reads any spelling.
    ///
    /// # Errors
    /// When it is no legal project name (PyPA's core metadata specification, field Name).
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let bytes = text.as_bytes();
        let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
            return Err(NameError::Empty);
        };
        if bytes.len() > LONGEST {
            return Err(NameError::TooLong(text.chars().count()));
        }
        let is_inner = |b: &u8| b.is_ascii_alphanumeric() || is_separator(*b);
        if !first.is_ascii_alphanumeric() || !last.is_ascii_alphanumeric() || !bytes.iter().all(is_inner) {
            return Err(NameError::Illegal(text.to_owned()));
        }
        Ok(Self(normalize(text).into()))
    }

    /// The normalized name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b'.' | b'_' | b'-')
}

fn normalize(text: &str) -> String {
    let mut normalized = String::with_capacity(text.len());
    for byte in text.bytes() {
        if !is_separator(byte) {
            normalized.push(char::from(byte.to_ascii_lowercase()));
        } else if !normalized.ends_with('-') {
            normalized.push('-');
        }
    }
    normalized
}

impl fmt::Display for ProjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for ProjectName {
    fn borrow(&self) -> &str {
        &self.0
    }
}
