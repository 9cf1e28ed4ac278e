//! The passwords that were found right, so that a client that sends one with each request pays for one hash only.
//! Used by the `Authenticator`; lives as long as one reading of the password file.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Mutex;

use blake2::Blake2sMac256;
use blake2::digest::{KeyInit, Mac};

use super::UserName;
use super::credentials::Credentials;
use crate::lock::lock;

/// Most addresses of a user that are remembered; together at most 100 kB.
const MAX_ADDRESSES: usize = 1_024;

/// Per user, keyed digests (BLAKE2s, RFC 7693) of the passwords that were found right and of the addresses that sent them:
/// what one address knows is no answer to the guesses of another, which its throttle is to slow down. The key is random and
/// never leaves the process, so how long it takes to find a digest tells nobody anything. Holds as many users as the file.
pub(super) struct Verified {
    key: [u8; 32],
    digests: Mutex<HashMap<UserName, HashSet<[u8; 32]>>>,
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

    /// Whether these credentials were found right before, from the same address.
    pub(super) fn contains(&self, credentials: &Credentials, peer: IpAddr) -> bool {
        let digest = self.digest(credentials, peer);
        let digests = lock(&self.digests);
        digests
            .get(&credentials.user)
            .is_some_and(|known| known.contains(&digest))
    }

    /// Remembers that these credentials are right. Returns whether it is the user's first time.
    pub(super) fn insert(&self, credentials: &Credentials, peer: IpAddr) -> bool {
        let digest = self.digest(credentials, peer);
        let mut digests = lock(&self.digests);
        let known = digests.entry(credentials.user.clone()).or_default();
        let is_first = known.is_empty();
        if known.len() >= MAX_ADDRESSES {
            known.clear();
        }
        known.insert(digest);
        is_first
    }

    fn digest(&self, credentials: &Credentials, peer: IpAddr) -> [u8; 32] {
        let mut mac = Blake2sMac256::new_from_slice(&self.key).expect("BLAKE2s takes keys of 32 bytes");
        // No address holds a space and no user name a colon: the digest of `a` and `b` is not that of `ab` and nothing.
        mac.update(format!("{peer} {}:", credentials.user).as_bytes());
        mac.update(credentials.password.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const HOME: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

    fn credentials(user: &str, password: &str) -> Credentials {
        Credentials {
            user: UserName::parse(user).unwrap(),
            password: password.into(),
        }
    }

    #[test]
    fn knows_what_each_user_has_sent_from_each_address() {
        let verified = Verified::new().unwrap();
        let jo = credentials("jo", "a");
        assert!(!verified.contains(&jo, HOME));
        assert!(verified.insert(&jo, HOME));
        assert!(verified.contains(&jo, HOME));
        assert!(!verified.contains(&credentials("jo", "b"), HOME));
        assert!(!verified.contains(&credentials("ann", "a"), HOME));
        assert!(!verified.contains(&jo, ELSEWHERE));
        assert!(!verified.insert(&jo, ELSEWHERE));
        assert!(verified.contains(&jo, ELSEWHERE) && verified.contains(&jo, HOME));
    }

    #[test]
    fn addresses_without_end_take_no_memory_without_end() {
        let verified = Verified::new().unwrap();
        let jo = credentials("jo", "a");
        for address in 0..3_000_u32 {
            let peer = IpAddr::V4(address.into());
            verified.insert(&jo, peer);
            assert!(verified.contains(&jo, peer));
        }
        assert!(lock(&verified.digests)[&jo.user].len() <= MAX_ADDRESSES);
    }
}
