//! `passwd`: which file, then [`crate::auth::passwd`].

use std::path::{Path, PathBuf};

use super::{CommandError, load, print, trial};
use crate::auth::{self, AuthError};
use crate::cli::PasswdArgs;
use crate::config::{self, Flags, Source};
use crate::durable::{directory_of, make_directory};

pub(super) fn run(args: &PasswdArgs) -> Result<(), CommandError> {
    let file = match &args.file {
        Some(file) => file.clone(),
        None => configured_file(args)?,
    };
    let done = auth::passwd::run(&file, &args.user, args.delete)?;
    print(format!("{done}\n").as_bytes())?;
    // The other lines stay as they are.
    if let Err(error @ AuthError::Malformed { .. }) = auth::check(&file) {
        eprintln!("warning: {error}; no server starts with that");
    }
    Ok(())
}

/// The file that the server would read, or will once it is made. The quick trial's is made with its directory.
fn configured_file(args: &PasswdArgs) -> Result<PathBuf, CommandError> {
    let loaded = load(&args.config, Flags::default())?;
    match (loaded.config.auth.passwords.clone(), loaded.source) {
        (Some(file), _) => Ok(file),
        (None, Source::File(path)) => Ok(config::passwords_beside(&path)),
        (None, _) => {
            let file = trial::password_file(&loaded.config);
            make_parent(&file)?;
            Ok(file)
        }
    }
}

fn make_parent(file: &Path) -> Result<(), CommandError> {
    let path = directory_of(file);
    make_directory(path).map_err(|source| CommandError::Directory {
        path: path.to_owned(),
        source,
    })
}
