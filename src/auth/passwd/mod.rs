//! Sets and deletes passwords in an htpasswd file. Called by the command `passwd`, and by `commands/trial.rs` for the
//! quick trial's user. Everything here blocks.

mod edit;
mod prompt;
mod replace;

use std::fmt;
use std::fs;
use std::io;
use std::path::{self, Path, PathBuf};

use super::hash::PasswordHash;
use super::{UserName, UserNameError};

/// Longest password in bytes: bcrypt does not look further.
const MAX_PASSWORD_BYTES: usize = 72;

/// Letters and digits that nobody mixes up: no `l`, `o`, `0`, `1`. There are 32, so that a random byte picks evenly.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Characters of a random password: 120 bits.
const RANDOM_PASSWORD_LEN: usize = 24;

/// What stands behind the hash of a password that nobody has seen. Whoever reads the file passes over it.
const UNSEEN: &str = ":unseen";

/// What was done. `Display` is the sentence for the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    change: Change,
    user: UserName,
    file: PathBuf,
}

/// What happened to the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    /// To a file that was not there.
    Made,
    Added,
    Changed,
    Deleted,
}

/// Why a password was not set or deleted. The file is as it was.
#[derive(Debug, thiserror::Error)]
pub enum PasswdError {
    /// The user name cannot stand in an htpasswd file.
    #[error(transparent)]
    User(#[from] UserNameError),
    /// No password was given.
    #[error("the password is empty")]
    Empty,
    /// bcrypt would look at a part of it only.
    #[error(
        "the password is longer than {MAX_PASSWORD_BYTES} bytes, and bcrypt does not look further: take a shorter one"
    )]
    TooLong,
    /// No client could send it.
    #[error("the password holds a control character, which no client can send")]
    Control,
    /// The two that were typed differ.
    #[error("the two passwords differ: nothing was changed")]
    Mismatch,
    /// The password cannot be read.
    #[error("cannot read the password from the {from}")]
    Input {
        /// Terminal or standard input.
        from: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// There is nobody to delete.
    #[error("there is no user {user} in {file}")]
    UnknownUser {
        /// The name that was asked for.
        user: UserName,
        /// The password file.
        file: PathBuf,
    },
    /// There is no file to change.
    #[error("the password file {0} does not exist")]
    NoFile(PathBuf),
    /// It is a directory, a pipe, a device.
    #[error("the password file {0} is not a regular file")]
    NotAFile(PathBuf),
    /// It is the root of a mount, such as a single file that is bound into a container.
    #[error("cannot replace {0}, because it is mounted on its own: mount its directory in its place")]
    Mounted(PathBuf),
    /// This user may not read or write the file, and root may.
    #[error("cannot {what} {path} as this user: run the command with sudo")]
    Denied {
        /// What was tried.
        what: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file cannot be read or written.
    #[error("cannot {what} {path}")]
    File {
        /// What was tried.
        what: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// bcrypt fails when the system gives no random bytes.
    #[error("cannot hash the password")]
    Hash(#[from] bcrypt::BcryptError),
    /// The system gives no random bytes.
    #[error("cannot get random bytes from the operating system")]
    Random(#[from] getrandom::Error),
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { change, user, file } = self;
        let file = file.display();
        match change {
            // In full: it may be another folder than that of the server.
            Change::Made => match path::absolute(&self.file) {
                Ok(whole) => write!(f, "made {} with the user {user}", whole.display()),
                Err(_) => write!(f, "made {file} with the user {user}"),
            },
            Change::Added => write!(f, "added the user {user} to {file}"),
            Change::Changed => write!(f, "changed the password of {user} in {file}"),
            Change::Deleted => write!(f, "deleted the user {user} from {file}"),
        }
    }
}

/// The command: sets the password of `user` in `file`, which is made if there is none, or deletes the user. The
/// password is asked for twice on a terminal, else it is the first line of standard input.
///
/// # Errors
/// Those of [`set`] and [`delete`]; a user name that no file can hold, and a password that cannot be read.
pub fn run(file: &Path, user: &str, delete_user: bool) -> Result<Done, PasswdError> {
    let user = UserName::parse(user)?;
    if delete_user {
        return delete(file, user);
    }
    let password = prompt::read(&user)?;
    set(file, user, &password)
}

/// Sets the password of `user` in `file`. The other lines stay as they are, byte for byte.
///
/// # Errors
/// A password that cannot work, and a file that cannot be read or replaced.
pub fn set(file: &Path, user: UserName, password: &str) -> Result<Done, PasswdError> {
    check_password(password)?;
    let hash = PasswordHash::make(password)?;
    let mut change = Change::Added;
    replace::update(file, |old| {
        change = match old {
            None => Change::Made,
            Some(old) if edit::has(old, &user) => Change::Changed,
            Some(_) => Change::Added,
        };
        Ok(edit::set(old.unwrap_or_default(), &user, &hash))
    })?;
    Ok(Done {
        change,
        user,
        file: file.to_owned(),
    })
}

/// Takes `user` out of `file`.
///
/// # Errors
/// A file or a user that is not there, and a file that cannot be replaced.
pub fn delete(file: &Path, user: UserName) -> Result<Done, PasswdError> {
    replace::update(file, |old| match old {
        None => Err(PasswdError::NoFile(file.to_owned())),
        Some(old) if edit::has(old, &user) => Ok(edit::delete(old, &user)),
        Some(_) => Err(PasswdError::UnknownUser {
            user: user.clone(),
            file: file.to_owned(),
        }),
    })?;
    Ok(Done {
        change: Change::Deleted,
        user,
        file: file.to_owned(),
    })
}

/// A random password that was set, and that nobody has seen yet.
pub struct Unseen {
    /// The password.
    pub password: String,
    file: PathBuf,
    user: UserName,
    hash: String,
}

impl Unseen {
    /// Sets a random password of `user` in `file`, which is made (mode 0600, and the directories above it) if there is
    /// none. The other lines stay as they are. For the quick trial.
    ///
    /// # Errors
    /// All that [`set`] has, but for those of the password.
    pub fn set(file: &Path, user: &str) -> Result<Self, PasswdError> {
        let user = UserName::parse(user)?;
        let password = random_password()?;
        let hash = PasswordHash::make(&password)?;
        replace::make_directory_of(file)?;
        let noted = format!("{hash}{UNSEEN}");
        replace::update(file, |old| Ok(edit::set(old.unwrap_or_default(), &user, &noted)))?;
        Ok(Self {
            password,
            file: file.to_owned(),
            user,
            hash,
        })
    }

    /// Notes in the file that the password was seen, unless another one was set meanwhile.
    ///
    /// # Errors
    /// When the file is gone, or cannot be read or written.
    pub fn note_seen(self) -> Result<(), PasswdError> {
        let Self { file, user, hash, .. } = self;
        let line = format!("{user}:{hash}{UNSEEN}");
        replace::update(&file, |old| match old {
            None => Err(PasswdError::NoFile(file.clone())),
            Some(old) if edit::line_of(old, &user) == Some(line.as_bytes()) => Ok(edit::set(old, &user, &hash)),
            Some(old) => Ok(old.to_owned()),
        })
    }
}

/// Whether nobody has seen the password that `user` has in `file`. What cannot be read tells nothing of the kind.
pub fn is_unseen(file: &Path, user: &str) -> bool {
    let (Ok(user), Ok(content)) = (UserName::parse(user), fs::read(file)) else {
        return false;
    };
    edit::line_of(&content, &user).is_some_and(|line| line.ends_with(UNSEEN.as_bytes()))
}

fn check_password(password: &str) -> Result<(), PasswdError> {
    match password {
        "" => Err(PasswdError::Empty),
        _ if password.len() > MAX_PASSWORD_BYTES => Err(PasswdError::TooLong),
        _ if password.contains(char::is_control) => Err(PasswdError::Control),
        _ => Ok(()),
    }
}

fn random_password() -> Result<String, getrandom::Error> {
    let mut bytes = [0; RANDOM_PASSWORD_LEN];
    getrandom::fill(&mut bytes)?;
    let pick = |byte: &u8| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]);
    Ok(bytes.iter().map(pick).collect())
}

#[cfg(test)]
mod tests;
