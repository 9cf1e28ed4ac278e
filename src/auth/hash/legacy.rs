//! The old hashes of apache's tool: MD5 (`$apr1$`), SHA-1 (`{SHA}`), DES crypt. Checked by the crate `htpasswd-verify`,
//! which is handed well-formed parts only: its own parser panics on others. Called by [`hash`](super).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use htpasswd_verify::{Hash, MD5Hash};

use super::is_crypt_base64;

/// From 65 bytes on, the crate's MD5 reads the password through a misaligned pointer.
const MAX_MD5_PASSWORD_BYTES: usize = 64;

/// A well-formed hash of an old kind.
pub(in crate::auth) struct LegacyHash(Hash<'static>);

impl LegacyHash {
    /// The one door. The error says what is wrong without a word of the text.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some(body) = text.strip_prefix("$apr1$") {
            return parse_md5(body);
        }
        if let Some(body) = text.strip_prefix("{SHA}") {
            return parse_sha1(body);
        }
        if text.len() == 13 && is_crypt_base64(text) {
            return Ok(Self(Hash::Crypt(text.to_owned().into())));
        }
        Err(
            "no hash that is known here (bcrypt, `$5$`, `$6$`, `$apr1$`, `{SHA}`, DES crypt), and plain text is not accepted: \
             set the password with `micropypi passwd`",
        )
    }

    /// Whether `password` is the one. The crate compares text as it comes, which tells nobody anything: the salt of
    /// MD5 and DES is secret, and the throttle leaves no one the tries that SHA-1 would take.
    pub(super) fn verify(&self, password: &str) -> bool {
        match &self.0 {
            Hash::MD5(_) if password.len() > MAX_MD5_PASSWORD_BYTES => false,
            hash => hash.check(password),
        }
    }
}

/// `salt$hash`: 1 to 8 and 22 characters.
fn parse_md5(body: &str) -> Result<LegacyHash, &'static str> {
    const GARBLED: &str = "the `$apr1$` hash is cut off or garbled";
    let (salt, hash) = body.split_once('$').ok_or(GARBLED)?;
    let salt_fits = (1..=8).contains(&salt.len()) && is_crypt_base64(salt);
    if !salt_fits || hash.len() != 22 || !is_crypt_base64(hash) {
        return Err(GARBLED);
    }
    let (salt, hash) = (salt.to_owned().into(), hash.to_owned().into());
    Ok(LegacyHash(Hash::MD5(MD5Hash { salt, hash })))
}

/// Base64 of 20 bytes.
fn parse_sha1(body: &str) -> Result<LegacyHash, &'static str> {
    match STANDARD.decode(body) {
        Ok(digest) if digest.len() == 20 => Ok(LegacyHash(Hash::SHA1(body.to_owned().into()))),
        _ => Err("the `{SHA}` hash is cut off or garbled"),
    }
}
