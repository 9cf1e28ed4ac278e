//! What goes wrong in this room: [`AuthError`] for the administrator, [`Denied`] for the client.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::LineError;
use crate::shell::Word;

/// Why a password file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// There is no such file.
    #[error("the password file {0} does not exist: make it with `micropypi passwd USER --file {word}`", word = Word(.0))]
    Missing(PathBuf),
    /// It is a directory, a pipe, a device.
    #[error("the password file {0} is not a regular file")]
    NotAFile(PathBuf),
    /// It is far larger than any password file.
    #[error("the password file {path} is larger than {limit} bytes: is it a password file?")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most that is read, in bytes.
        limit: u64,
    },
    /// Some lines cannot be read. There is at least one.
    #[error("the password file {path}, {lines}", lines = list(.lines))]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The lines, in their order.
        lines: Vec<LineError>,
    },
    /// The operating system says no.
    #[error("cannot read the password file {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
    /// The operating system gives no random bytes.
    #[error("cannot get random bytes from the operating system")]
    Random(#[source] getrandom::Error),
}

fn list(lines: &[LineError]) -> String {
    let texts: Vec<String> = lines.iter().map(LineError::to_string).collect();
    texts.join("; ")
}

/// Why a client may not do what it wants. `Display` is the sentence for the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No `Authorization` header, or one with an empty password.
    #[error("this needs a user name and a password")]
    CredentialsMissing,
    /// An `Authorization` header of another scheme, such as `Bearer`.
    #[error("this needs a user name and a password (Basic authentication)")]
    OtherScheme,
    /// Basic credentials that cannot be read.
    #[error("the Authorization header cannot be read: {0}")]
    Malformed(&'static str),
    /// The user is unknown, or the password is another.
    #[error("the user name or the password is wrong")]
    WrongPassword,
    /// Too many wrong passwords from this address.
    #[error("too many wrong passwords from this address: try again in {} s", .retry_after.as_secs())]
    Throttled {
        /// When a password is looked at again, in whole seconds.
        retry_after: Duration,
    },
    /// Nobody has a password. Holds how this server is told a password file.
    #[error(
        "this server refuses it to everybody, because no password file is configured: on the server, run \
         `micropypi passwd USER --file FILE` and {0}"
    )]
    NoPasswordFile(&'static str),
    /// The password file is there, and nobody is in it.
    #[error(
        "this server refuses it to everybody, because it has no user yet: on the server, run `micropypi passwd USER`"
    )]
    NoUser,
}
