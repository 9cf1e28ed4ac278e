//! Where things are unless a setting says otherwise: below the directories that systemd made for the service, and
//! beside the configuration file. Used by `load.rs` and `environment.rs`, and by the command `passwd`.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::flags::Flags;

/// What tells where systemd's directories are.
pub(super) const VARIABLES: [&str; 3] = [STATE, CACHE, CREDENTIALS];
const STATE: &str = "STATE_DIRECTORY";
const CACHE: &str = "CACHE_DIRECTORY";
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// The defaults under systemd (systemd.exec(5)) and of a configuration file.
///
/// - `store.packages`: `packages` in `$STATE_DIRECTORY`
/// - `store.cache`: `$CACHE_DIRECTORY`
/// - `auth.passwords`: the credential `htpasswd`, else `htpasswd` beside `file`; whichever is there
pub(super) fn defaults(file: Option<&Path>, env: &HashMap<String, OsString>) -> Flags {
    let directory = |name: &str| env.get(name).and_then(|value| first(value));
    let settings = [
        ("store.packages", directory(STATE).map(|state| state.join("packages"))),
        ("store.cache", directory(CACHE)),
        ("auth.passwords", passwords(directory(CREDENTIALS), file)),
    ];
    let mut defaults = Flags::default();
    for (path, value) in settings {
        if let Some(value) = value {
            defaults.set(path, [value.to_string_lossy()]);
        }
    }
    defaults
}

/// The password file that goes with a configuration file.
pub(crate) fn passwords_beside(file: &Path) -> PathBuf {
    file.with_file_name("htpasswd")
}

fn passwords(credentials: Option<PathBuf>, file: Option<&Path>) -> Option<PathBuf> {
    let credential = credentials.map(|directory| directory.join("htpasswd"));
    let beside = file.map(passwords_beside);
    [credential, beside].into_iter().flatten().find(|path| path.exists())
}

/// systemd separates several directories by colons.
fn first(directories: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(directories).find(|path| path.is_absolute())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn found(file: Option<&Path>, env: &[(&str, &Path)]) -> Vec<(String, Vec<String>)> {
        let env = env
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.into()))
            .collect();
        defaults(file, &env).0.into_iter().collect()
    }

    #[test]
    fn the_service_keeps_to_the_directories_that_systemd_made() {
        let env = [
            ("STATE_DIRECTORY", Path::new("/var/lib/micropypi:/var/lib/other")),
            ("CACHE_DIRECTORY", Path::new("/var/cache/micropypi")),
        ];
        let expected = [
            ("store.cache".to_owned(), vec!["/var/cache/micropypi".to_owned()]),
            (
                "store.packages".to_owned(),
                vec!["/var/lib/micropypi/packages".to_owned()],
            ),
        ];
        assert_eq!(found(None, &env), expected);
        assert!(found(None, &[]).is_empty());
    }

    #[test]
    fn a_credential_goes_before_the_file_beside_the_configuration() {
        let (etc, credentials) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let config = etc.path().join("config.toml");
        let env = [("CREDENTIALS_DIRECTORY", credentials.path())];
        let passwords = || found(Some(&config), &env).pop().map(|(_, mut paths)| paths.remove(0));
        assert_eq!(passwords(), None);
        for directory in [etc.path(), credentials.path()] {
            let file = directory.join("htpasswd");
            fs::write(&file, "").unwrap();
            assert_eq!(passwords(), Some(file.display().to_string()));
        }
    }
}
