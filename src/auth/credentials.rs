//! Basic credentials (RFC 7617) out of an `Authorization` header. Called by the [`Authenticator`](super::Authenticator).

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::{Denied, UserName};

/// The value of `WWW-Authenticate` that goes with a 401 (RFC 7617, section 2.1).
pub const CHALLENGE: &str = r#"Basic realm="micropypi", charset="UTF-8""#;

/// Longest password in bytes. apache's `htpasswd` takes no longer one, and SHA-crypt's work grows with its square.
const MAX_PASSWORD_BYTES: usize = 255;

/// More than a user name and a password of 255 bytes each take.
const MAX_TOKEN_BYTES: usize = 1_024;

/// Clients differ in whether they pad.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A user name and the password given with it. Has no `Debug`, so that no log can hold it.
pub(super) struct Credentials {
    pub(super) user: UserName,
    pub(super) password: Box<str>,
}

impl Credentials {
    /// Reads the value of an `Authorization` header. Errors are [`Denied::OtherScheme`], [`Denied::Malformed`], and
    /// [`Denied::CredentialsMissing`] where the password is empty: pip, given `http://USER@HOST/`, asks like this, and asks
    /// its keyring or its user for the password once it is told that one is missing.
    pub(super) fn from_header(value: &[u8]) -> Result<Self, Denied> {
        let token = basic_token(value).ok_or(Denied::OtherScheme)?;
        let credentials = Self::parse(token).map_err(Denied::Malformed)?;
        if credentials.password.is_empty() {
            return Err(Denied::CredentialsMissing);
        }
        Ok(credentials)
    }

    fn parse(token: &[u8]) -> Result<Self, &'static str> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err("it is too long");
        }
        let decoded = BASE64.decode(token).map_err(|_| "it is not base64")?;
        let text = to_text(decoded);
        let (user, password) = text
            .split_once(':')
            .ok_or("it has no colon between user name and password")?;
        if password.len() > MAX_PASSWORD_BYTES {
            return Err("the password is longer than 255 bytes");
        }
        if password.contains(char::is_control) {
            return Err("the password holds a control character");
        }
        let user =
            UserName::parse(user).map_err(|_| "the user name is empty, too long, or holds characters that none has")?;
        let password = password.into();
        Ok(Self { user, password })
    }
}

/// What follows the scheme, which is `Basic` in any case.
fn basic_token(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.trim_ascii().split_at_checked(5)?;
    let is_basic = scheme.eq_ignore_ascii_case(b"Basic") && token.starts_with(b" ");
    is_basic.then(|| token.trim_ascii())
}

/// UTF-8 if it can be, else ISO 8859-1, which is what twine sends (by requests) for letters such as `ä`.
fn to_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|not_utf8| not_utf8.into_bytes().into_iter().map(char::from).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(value: &[u8]) -> Result<(String, String), Denied> {
        Credentials::from_header(value).map(|c| (c.user.to_string(), c.password.into_string()))
    }

    fn header(user_and_password: &[u8]) -> Vec<u8> {
        format!("Basic {}", BASE64.encode(user_and_password)).into_bytes()
    }

    #[test]
    fn reads_the_example_of_the_rfc() {
        let expected = Ok(("Aladdin".to_owned(), "open sesame".to_owned()));
        assert_eq!(parse(b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), expected);
        assert_eq!(parse(b"bASIC   QWxhZGRpbjpvcGVuIHNlc2FtZQ "), expected);
    }

    #[test]
    fn a_password_may_hold_colons_and_not_be_empty() {
        assert_eq!(parse(&header(b"jo:a:b")), Ok(("jo".into(), "a:b".into())));
        assert_eq!(parse(&header(b"jo:")), Err(Denied::CredentialsMissing));
    }

    #[test]
    fn letters_in_utf8_and_in_latin1_are_the_same() {
        let expected = Ok(("jörg".to_owned(), "süß".to_owned()));
        assert_eq!(parse(&header("jörg:süß".as_bytes())), expected);
        assert_eq!(parse(&header(b"j\xf6rg:s\xfc\xdf")), expected);
    }

    #[test]
    fn says_what_is_malformed() {
        let long = header(format!("jo:{}", "x".repeat(256)).as_bytes());
        for other in [b"".as_slice(), b"Bearer abc", b"Basicabc"] {
            assert_eq!(parse(other), Err(Denied::OtherScheme));
        }
        let cases: [(&[u8], &'static str); 4] = [
            (b"Basic ***", "it is not base64"),
            (&header(b"jo"), "it has no colon between user name and password"),
            (&header(b"jo:a\0b"), "the password holds a control character"),
            (&long, "the password is longer than 255 bytes"),
        ];
        for (value, reason) in cases {
            assert_eq!(parse(value), Err(Denied::Malformed(reason)));
        }
        assert!(parse(&header(b":x")).is_err());
        assert!(parse(&header(&[b'x'; 2_000])).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(value in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&value);
            let _ = parse(&header(&value));
        }

        #[test]
        fn reads_back_what_a_client_writes(user in "[a-zäß]{1,20}", password in "[ -~äß]{1,60}") {
            prop_assert_eq!(parse(&header(format!("{user}:{password}").as_bytes())), Ok((user, password)));
        }
    }
}
