//! Files that hold secrets, and who can read them. Called by `serve/`.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::process::{getegid, geteuid};

use crate::shell::Word;

/// Warns, with the command that mends it, of a secret that every user of this machine can read. Blocks on the disk.
/// `what` names the file in the sentence: "password file", "private key".
pub fn warn_if_exposed(what: &str, path: &Path) {
    if is_exposed(path) {
        let word = Word(path);
        // Else the remedy would shut out a server that is one of all users itself, as in a container with another's volume.
        let chown = if is_own(path) {
            String::new()
        } else {
            format!("chown {} {word} && ", geteuid())
        };
        let path = path.display();
        tracing::warn!("the {what} {path} can be read by every user of this machine; run: {chown}chmod o-rwx {word}");
    }
}

/// Whether this process reads it by the right of its owner, its group or root.
fn is_own(path: &Path) -> bool {
    let (user, group) = (geteuid(), getegid());
    let is_ours = |file: fs::Metadata| file.uid() == user.as_raw() || file.gid() == group.as_raw();
    user.is_root() || fs::metadata(path).is_ok_and(is_ours)
}

/// A file that cannot be looked at is reported by whoever opens it.
fn is_exposed(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o007 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_strangers_and_the_group_is_not() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (mode, exposed) in [(0o600, false), (0o640, false), (0o644, true), (0o666, true)] {
            fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(is_exposed(file.path()), exposed, "{mode:o}");
        }
        assert!(!is_exposed(Path::new("/nonexistent")));
    }
}
