//! A parsed htpasswd file. Made by [`password_file`](super::password_file) and read by the `Authenticator`.

use std::collections::HashMap;
use std::fmt;

use super::UserName;
use super::hash::PasswordHash;

/// Why a line of an htpasswd file is not used. Never holds a word of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct LineError {
    /// Its number; the first is 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// The users of an htpasswd file and the hashes of their passwords.
#[derive(Clone, Default)]
pub struct Passwords {
    hashes: HashMap<UserName, PasswordHash>,
    /// What an unknown user's password is checked against, so that it takes as long as a known one's.
    decoy: Option<PasswordHash>,
}

impl Passwords {
    /// Reads an htpasswd file: `user:hash` a line, LF or CRLF; blank lines and those that start with `#` are left out;
    /// what follows a second colon is ignored, as apache does. Lines that cannot be used are told beside the rest.
    pub fn parse(bytes: &[u8]) -> (Self, Vec<LineError>) {
        let mut hashes = HashMap::new();
        let mut errors = Vec::new();
        for (index, line) in bytes.split(|&b| b == b'\n').enumerate() {
            if let Err(reason) = add_line(&mut hashes, line) {
                errors.push(LineError {
                    line: index + 1,
                    reason,
                });
            }
        }
        let decoy = most_frequent(&hashes);
        (Self { hashes, decoy }, errors)
    }

    /// How many users there are.
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Whether there is that user.
    pub(super) fn contains(&self, user: &UserName) -> bool {
        self.hashes.contains_key(user)
    }

    /// Whether it is that user's password. An unknown user takes as long as most known ones. Blocks.
    pub(super) fn verify(&self, user: &UserName, password: &str) -> bool {
        let matches = self.hash_for(user).is_some_and(|hash| hash.verify(password));
        matches && self.contains(user)
    }

    /// The user's hash, or the decoy.
    fn hash_for(&self, user: &UserName) -> Option<&PasswordHash> {
        self.hashes.get(user).or(self.decoy.as_ref())
    }

    /// Whether the user's password is kept as an old, weak hash.
    pub(super) fn is_legacy(&self, user: &UserName) -> bool {
        self.hashes.get(user).is_some_and(PasswordHash::is_legacy)
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords")
            .field("users", &self.len())
            .finish_non_exhaustive()
    }
}

fn add_line(hashes: &mut HashMap<UserName, PasswordHash>, line: &[u8]) -> Result<(), &'static str> {
    let Some(entry) = Entry::parse(line)? else {
        return Ok(());
    };
    let user = std::str::from_utf8(entry.user).map_err(|_| "the user name is not UTF-8")?;
    let user = UserName::parse(user)
        .map_err(|_| "the user name is empty, too long, or holds characters that none can have")?;
    let hash = std::str::from_utf8(entry.hash).map_err(|_| "the hash is not text")?;
    let hash = PasswordHash::parse(hash)?;
    if hashes.contains_key(&user) {
        return Err("an earlier line has the same user");
    }
    hashes.insert(user, hash);
    Ok(())
}

/// A line that is neither blank nor a comment.
pub(super) struct Entry<'a> {
    pub(super) user: &'a [u8],
    hash: &'a [u8],
}

impl<'a> Entry<'a> {
    /// Takes a line apart, given with or without its end. `None` for a blank line and a comment.
    pub(super) fn parse(line: &'a [u8]) -> Result<Option<Self>, &'static str> {
        // Windows' editors put a byte order mark before the first line.
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        let line = line.trim_ascii_end();
        if line.is_empty() || line.trim_ascii_start().starts_with(b"#") {
            return Ok(None);
        }
        let mut fields = line.splitn(3, |&b| b == b':');
        let user = fields.next().unwrap_or_default();
        let hash = fields
            .next()
            .ok_or("it is not `user:hash`: there is no colon")?
            .trim_ascii();
        Ok(Some(Self { user, hash }))
    }
}

/// A hash of the work that most users' hashes have; of several, the hardest.
fn most_frequent(hashes: &HashMap<UserName, PasswordHash>) -> Option<PasswordHash> {
    let mut counts = HashMap::new();
    for hash in hashes.values() {
        *counts.entry(hash.work()).or_insert(0_usize) += 1;
    }
    let (work, _) = counts.into_iter().max_by_key(|&(work, count)| (count, work))?;
    hashes.values().find(|hash| hash.work() == work).cloned()
}
