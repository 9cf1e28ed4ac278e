//! How a password is set in the file that the server reads: for sentences of the log. Used by the `Authenticator` and
//! `serve/`.

use std::fmt;
use std::path::Path;

use crate::shell::Word;
use crate::systemd;

/// The command that sets a password, to be pasted, and what has to be done besides.
#[derive(Debug)]
pub struct SetPassword<'a> {
    /// Whose.
    pub user: &'a str,
    /// The password file as the server has it.
    pub file: &'a Path,
}

impl fmt::Display for SetPassword<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (user, file) = (Word(self.user), Word(self.file));
        if systemd::is_credential(self.file) {
            return write!(
                f,
                "`micropypi passwd {user} --file FILE`, where FILE is what the unit's credential is loaded from, and restart \
                 the service"
            );
        }
        // A server that was given its file by a flag has another than the command takes by itself.
        write!(f, "`micropypi passwd {user} --file {file}`")
    }
}
