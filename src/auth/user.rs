//! The name of a user, as it can stand in an htpasswd file and in a Basic header. Parsed by this room only.

use std::fmt;

/// Longest user name in bytes; apache's `htpasswd` has the same limit.
const MAX_BYTES: usize = 255;

/// The name of a user: 1 to 255 bytes of UTF-8 without `:` and control characters, not starting with `#`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UserName(Box<str>);

/// Why a text is no user name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum UserNameError {
    #[error("the user name is empty")]
    Empty,
    #[error("the user name is longer than {MAX_BYTES} bytes")]
    TooLong,
    #[error("the user name holds a colon, which separates it from the password")]
    Colon,
    #[error("the user name holds a control character")]
    Control,
    #[error("the user name starts with `#`, which starts a comment in the password file")]
    Comment,
    #[error("the user name starts or ends with a space")]
    Space,
}

impl UserName {
    /// The one door: what passes can be written to an htpasswd file and read back (RFC 7617, section 2).
    ///
    /// # Errors
    /// [`UserNameError`], a sentence.
    pub fn parse(text: &str) -> Result<Self, UserNameError> {
        match text {
            "" => Err(UserNameError::Empty),
            _ if text.len() > MAX_BYTES => Err(UserNameError::TooLong),
            _ if text.contains(':') => Err(UserNameError::Colon),
            _ if text.contains(char::is_control) => Err(UserNameError::Control),
            _ if text.starts_with('#') => Err(UserNameError::Comment),
            _ if text.trim() != text => Err(UserNameError::Space),
            _ => Ok(Self(text.into())),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_a_password_file_can_hold() {
        for name in ["jo", "Jörg", "jo doe", "a@b.example", "__token__", "a#b"] {
            assert_eq!(UserName::parse(name).unwrap().to_string(), name);
        }
        assert!(UserName::parse(&"x".repeat(255)).is_ok());
    }

    #[test]
    fn refuses_what_a_password_file_cannot_hold() {
        let long = "x".repeat(256);
        let cases = [
            ("", UserNameError::Empty),
            ("a:b", UserNameError::Colon),
            ("a\nb", UserNameError::Control),
            ("a\0", UserNameError::Control),
            ("#a", UserNameError::Comment),
            (" a", UserNameError::Space),
            ("a ", UserNameError::Space),
            (long.as_str(), UserNameError::TooLong),
        ];
        for (name, error) in cases {
            assert_eq!(UserName::parse(name), Err(error), "{name:?}");
        }
    }
}
