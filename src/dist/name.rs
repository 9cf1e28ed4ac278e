//! The name of a project: one door for every spelling. Everybody may call it.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// Longest project name, in bytes. With a version and an extension it still makes a file name (255 bytes).
const MAX_BYTES: usize = 128;

/// A project name as PEP 503 normalizes it: lower case, runs of `-`, `_` and `.` as one `-`. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProjectName(Arc<str>);

/// Why a text is no project name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// No text at all.
    #[error("the project name is empty")]
    Empty,
    /// More than 128 bytes.
    #[error("the project name has {0} bytes, more than the {MAX_BYTES} that are allowed")]
    TooLong(usize),
    /// Not what the specification of names allows.
    #[error(
        "{0:?} is not a project name: it takes ASCII letters, digits, '-', '_' and '.', and begins and ends with a letter or digit"
    )]
    Invalid(String),
}

impl ProjectName {
    /// Takes any legal spelling (`My_Pkg`, `my.pkg`, `my-pkg`), as the [specification of names] has it.
    ///
    /// # Errors
    /// [`NameError`], a sentence that says what a name may be.
    ///
    /// [specification of names]: https://packaging.python.org/en/latest/specifications/name-normalization/
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > MAX_BYTES {
            return Err(NameError::TooLong(text.len()));
        }
        if !is_legal(text.as_bytes()) {
            return Err(NameError::Invalid(text.to_owned()));
        }
        Ok(Self(normalize(text).into()))
    }

    /// The normalized name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_legal(text: &[u8]) -> bool {
    let ends_well = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    ends_well(text.first())
        && ends_well(text.last())
        && text
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || is_separator(*byte))
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b'-' | b'_' | b'.')
}

fn normalize(legal: &str) -> String {
    let mut normal = String::with_capacity(legal.len());
    for byte in legal.bytes() {
        if !is_separator(byte) {
            normal.push(char::from(byte.to_ascii_lowercase()));
        } else if !normal.ends_with('-') {
            normal.push('-');
        }
    }
    normal
}

impl fmt::Display for ProjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Borrow<str> for ProjectName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_spelling_is_one_project() {
        for spelling in ["My_Pkg", "my.pkg", "MY-PKG", "my-_.pkg", "mY__pkg"] {
            assert_eq!(ProjectName::parse(spelling).unwrap().as_str(), "my-pkg");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in [
            "", "-a", "a-", "_", ".", "a b", "a/b", "..", "a\0", "naïve", "a\n", "a+b",
        ] {
            assert!(ProjectName::parse(text).is_err(), "{text:?}");
        }
        assert!(ProjectName::parse(&"a".repeat(128)).is_ok());
        assert_eq!(ProjectName::parse(&"a".repeat(129)), Err(NameError::TooLong(129)));
    }

    proptest! {
        #[test]
        fn parse_never_panics(text in any::<String>()) {
            let _ = ProjectName::parse(&text);
        }

        #[test]
        fn normalizing_again_changes_nothing(text in "[A-Za-z0-9]([A-Za-z0-9._-]{0,30}[A-Za-z0-9])?") {
            let name = ProjectName::parse(&text).unwrap();
            prop_assert_eq!(&ProjectName::parse(name.as_str()).unwrap(), &name);
            prop_assert!(!name.as_str().contains("--"));
        }

        #[test]
        fn spellings_agree(words in prop::collection::vec("[A-Za-z0-9]{1,6}", 1..5), separators in prop::collection::vec("[-_.]{1,3}", 4)) {
            let spelled: String = words.iter().enumerate()
                .map(|(i, word)| if i == 0 { word.clone() } else { format!("{}{word}", separators[i - 1]) })
                .collect();
            prop_assert_eq!(ProjectName::parse(&spelled).unwrap(), ProjectName::parse(&words.join("-").to_uppercase()).unwrap());
        }
    }
}
