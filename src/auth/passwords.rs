//! A parsed htpasswd file. Made by [`password_file`](super::password_file) and read by the `Authenticator`; `passwd`
//! takes lines apart as it does.

use std::collections::HashMap;
use std::fmt;

use super::UserName;
use super::hash::PasswordHash;

/// Most malformed lines that are reported; a file with more is no password file.
const MAX_ERRORS: usize = 20;

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
#[derive(Default)]
pub struct Passwords {
    hashes: HashMap<UserName, PasswordHash>,
    /// Whose hash an unknown user's password is checked against, so that it takes as long as a known one's.
    decoy: Option<UserName>,
}

impl Passwords {
    /// Reads an htpasswd file: one `user:hash` per line, LF or CRLF; blank lines and those that start with `#` are left
    /// out; what follows a second colon is ignored, as apache does. Also gives the first 20 lines that cannot be used.
    pub fn parse(bytes: &[u8]) -> (Self, Vec<LineError>) {
        let mut hashes = HashMap::new();
        let mut errors = Vec::new();
        for (index, line) in bytes.split(|&b| b == b'\n').enumerate() {
            if let Err(reason) = add_line(&mut hashes, line)
                && errors.len() < MAX_ERRORS
            {
                errors.push(LineError {
                    line: index + 1,
                    reason,
                });
            }
        }
        let decoy = most_frequent(&hashes).cloned();
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
        let decoy = || self.hashes.get(self.decoy.as_ref()?);
        self.hashes.get(user).or_else(decoy)
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
    let user = str::from_utf8(entry.user).map_err(|_| "the user name is not UTF-8")?;
    let user = UserName::parse(user)
        .map_err(|_| "the user name is empty, too long, or holds characters that none can have")?;
    let hash = str::from_utf8(entry.hash).map_err(|_| "the hash is not text")?;
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

/// A user whose hash is of the work that most users' hashes have; of several, the hardest.
fn most_frequent(hashes: &HashMap<UserName, PasswordHash>) -> Option<&UserName> {
    let mut counts = HashMap::new();
    for hash in hashes.values() {
        *counts.entry(hash.work()).or_insert(0_usize) += 1;
    }
    let (work, _) = counts.into_iter().max_by_key(|&(work, count)| (count, work))?;
    hashes
        .iter()
        .find(|(_, hash)| hash.work() == work)
        .map(|(user, _)| user)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::auth::hash::Work;

    // Made by apache's htpasswd 2.4.71 from the password `secret`.
    const BCRYPT: &str = "$2y$04$2mJNt02x2snj313YuGdH3OH8R0U2PU0ScMK7ze6pTFaStbGjk0rqe";
    const SHA_256: &str = "$5$92B2pIcPvJabqD0c$sobWDtGUOOuVLpXVhA9hxQpWPnesiTzEd47bartplS4";

    fn user(name: &str) -> UserName {
        UserName::parse(name).unwrap()
    }

    fn parse(file: impl AsRef<[u8]>) -> Passwords {
        let (passwords, errors) = Passwords::parse(file.as_ref());
        assert_eq!(errors, []);
        passwords
    }

    #[test]
    fn reads_comments_blank_lines_and_either_line_end() {
        for end in ["\n", "\r\n"] {
            let lines = [
                "# staff",
                "",
                &format!("ann:{BCRYPT}"),
                "  ",
                " # more",
                &format!("jörg:{SHA_256}  "),
            ];
            let passwords = parse(lines.join(end));
            assert_eq!(passwords.len(), 2);
            assert!(passwords.verify(&user("ann"), "secret"));
            assert!(passwords.verify(&user("jörg"), "secret"));
        }
        assert!(parse("").is_empty());
    }

    #[test]
    fn reads_what_an_editor_of_windows_and_a_third_field_leave() {
        let passwords = parse(format!("\u{feff}ann:{BCRYPT}:Ann Example"));
        assert!(passwords.verify(&user("ann"), "secret"));
    }

    #[test]
    fn tells_malformed_lines_by_number_and_keeps_the_good_ones() {
        let mut file = format!("carol\nann:{BCRYPT}\n:{BCRYPT}\nann:{SHA_256}\nbob:\n").into_bytes();
        file.extend_from_slice(b"d\xffve:x\neve:\xff\nfay:hunter2");
        let (passwords, errors) = Passwords::parse(&file);
        assert_eq!(passwords.len(), 1);
        assert!(passwords.verify(&user("ann"), "secret"));
        assert_eq!(errors.iter().map(|e| e.line).collect::<Vec<_>>(), [1, 3, 4, 5, 6, 7, 8]);
        assert_eq!(
            errors[0].to_string(),
            "line 1: it is not `user:hash`: there is no colon"
        );
        assert_eq!(errors[2].reason, "an earlier line has the same user");
    }

    #[test]
    fn a_file_that_is_no_password_file_is_not_told_line_by_line() {
        let (passwords, errors) = Passwords::parse("prose\n".repeat(1_000).as_bytes());
        assert!(passwords.is_empty());
        assert_eq!(errors.len(), MAX_ERRORS);
    }

    #[test]
    fn an_unknown_user_is_the_same_work_as_a_known_one() {
        let passwords = parse(format!("ann:{BCRYPT}\nbob:{BCRYPT}\ncarol:{SHA_256}\n"));
        let work = |name| passwords.hash_for(&user(name)).unwrap().work();
        assert_eq!(work("nobody"), work("ann"));
        assert_eq!(work("nobody"), Work::Bcrypt { cost: 4 });
        let others = parse(format!("ann:{SHA_256}\nbob:{SHA_256}\ncarol:{BCRYPT}\n"));
        let work = others.hash_for(&user("nobody")).unwrap().work();
        assert_eq!(work, Work::Sha256Crypt { rounds: 5_000 });
    }

    #[test]
    fn nobody_gets_in_by_the_decoy() {
        let passwords = parse(format!("ann:{BCRYPT}\n"));
        assert!(!passwords.verify(&user("nobody"), "secret"));
        assert!(!Passwords::default().verify(&user("nobody"), "secret"));
    }

    #[test]
    fn no_hash_reaches_a_log() {
        assert_eq!(
            format!("{:?}", parse(format!("ann:{BCRYPT}"))),
            "Passwords { users: 1, .. }"
        );
    }

    proptest! {
        #[test]
        fn no_file_panics(file in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Passwords::parse(&file);
        }

        #[test]
        fn every_line_is_a_user_or_an_error_or_nothing(lines in proptest::collection::vec("[a-c#: ]{0,3}:?[$2y./{SHA}]{0,20}", 0..20)) {
            let (passwords, errors) = Passwords::parse(lines.join("\n").as_bytes());
            prop_assert!(passwords.len() + errors.len() <= lines.len().max(1));
            prop_assert!(errors.iter().all(|e| (1..=lines.len().max(1)).contains(&e.line)));
        }
    }
}
