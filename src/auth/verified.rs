//! The passwords that were found right, so that a client that sends one with each request pays for one hash only.
//! Used by the `Authenticator`; lives as long as one reading of the password file.

use std::collections::HashMap;
use std::sync::Mutex;

use blake2::Blake2sMac256;
use blake2::digest::{KeyInit, Mac};

use super::UserName;
use super::credentials::Credentials;
use crate::lock::lock;

type Digest = [u8; 32];

/// Compared with for a user who has not logged in, so that it takes as long.
const NEVER: Digest = [0; 32];

/// Per user, a keyed digest (BLAKE2s, RFC 7693) of the password that was last found right. The key is random and
/// never leaves the process. Holds as many entries as there are users.
pub(super) struct Verified {
    key: [u8; 32],
    digests: Mutex<HashMap<UserName, Digest>>,
}

impl Verified {
    /// Empty, with a key of its own.
    pub(super) fn new() -> Result<Self, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        Ok(Self {
            key,
            digests: Mutex::default(),
        })
    }

    /// Whether these credentials were found right before. Takes constant time.
    pub(super) fn contains(&self, credentials: &Credentials) -> bool {
        let mac = self.mac(credentials);
        let digest = lock(&self.digests).get(&credentials.user).copied().unwrap_or(NEVER);
        mac.verify_slice(&digest).is_ok()
    }

    /// Remembers that these credentials are right. Returns whether it is the user's first time.
    pub(super) fn insert(&self, credentials: &Credentials) -> bool {
        let digest = self.mac(credentials).finalize().into_bytes().into();
        lock(&self.digests).insert(credentials.user.clone(), digest).is_none()
    }

    fn mac(&self, credentials: &Credentials) -> Blake2sMac256 {
        let mut mac = Blake2sMac256::new_from_slice(&self.key).expect("BLAKE2s takes keys of 32 bytes");
        mac.update(credentials.user.as_str().as_bytes());
        // No user name holds a colon: the digest of `a` and `b` is not that of `ab` and nothing.
        mac.update(b":");
        mac.update(credentials.password.as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(user: &str, password: &str) -> Credentials {
        Credentials {
            user: UserName::parse(user).unwrap(),
            password: password.into(),
        }
    }

    #[test]
    fn knows_the_last_right_password_of_each_user() {
        let verified = Verified::new().unwrap();
        assert!(!verified.contains(&credentials("jo", "a")));
        assert!(verified.insert(&credentials("jo", "a")));
        assert!(verified.contains(&credentials("jo", "a")));
        assert!(!verified.contains(&credentials("jo", "b")));
        assert!(!verified.contains(&credentials("ann", "a")));
        assert!(!verified.insert(&credentials("jo", "b")));
        assert!(verified.contains(&credentials("jo", "b")));
        assert!(!verified.contains(&credentials("jo", "a")));
    }
}
