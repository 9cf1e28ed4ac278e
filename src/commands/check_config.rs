//! `check-config`: is the configuration right? Reads it and changes nothing, so that it runs at build time, too.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::{CommandError, load, print};
use crate::auth;
use crate::chain::Chain;
use crate::cli::CheckConfigArgs;
use crate::config::{Config, Flags, Source};
use crate::serve;
use crate::store::{Cache, Store};
use crate::tls;

pub(super) fn run(args: &CheckConfigArgs) -> Result<(), CommandError> {
    let loaded = load(&args.file, Flags::default())?;
    let mut text = match &loaded.source {
        Source::File(path) => format!("{}: OK\n", path.display()),
        _ => "no configuration file, the defaults: OK\n".to_owned(),
    };
    if args.show {
        text.push('\n');
        text.push_str(&toml::to_string(&loaded.config).expect("a configuration is made of TOML's types"));
    }
    check(&loaded.config)?;
    // Files may be missing where the check runs (a build machine), so that is no error.
    for (setting, path) in files(&loaded.config).filter(|(_, path)| is_missing(path)) {
        eprintln!("warning: {setting}: {} is not there", path.display());
    }
    if let Some(doubt) = loaded.config.doubt() {
        eprintln!("warning: {doubt}");
    }
    print(text.as_bytes())
}

/// Looks at the files and directories that are there as the server will, as far as this user may.
fn check(config: &Config) -> Result<(), CommandError> {
    Store::check(&config.store.packages)?;
    Cache::check(&config.store.cache)?;
    if let Some(tls) = &config.tls {
        unless_out_of_reach(tls::load(&tls.certificate, &tls.key))?;
    }
    if let Some(passwords) = config.auth.passwords.as_deref().filter(|path| !is_missing(path)) {
        unless_out_of_reach(auth::check(passwords))?;
    }
    if let Some(path) = &config.welcome {
        let page = unless_out_of_reach(serve::welcome(path))?;
        if let Some(doubt) = page.and_then(|page| page.doubt(path)) {
            eprintln!("warning: {doubt}");
        }
    }
    if let Some(compiler) = &config.boards.mpy_cross {
        unless_out_of_reach(serve::compiler(compiler))?;
    }
    Ok(())
}

/// Where this user may not look, it may be there.
fn is_missing(path: &Path) -> bool {
    matches!(path.try_exists(), Ok(false))
}

/// None for what this user may not read, which the server's user may, and for what is missing, which is told of elsewhere.
fn unless_out_of_reach<T, E: Error + Into<CommandError> + 'static>(
    checked: Result<T, E>,
) -> Result<Option<T>, CommandError> {
    let error = match checked {
        Ok(sound) => return Ok(Some(sound)),
        Err(error) => error,
    };
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    match cause.map(io::Error::kind) {
        Some(ErrorKind::NotFound) => Ok(None),
        Some(ErrorKind::PermissionDenied) => {
            eprintln!("warning: {}; this user may not, and the server's must", Chain(&error));
            Ok(None)
        }
        _ => Err(error.into()),
    }
}

/// The files and directories that the server will want to be there.
fn files(config: &Config) -> impl Iterator<Item = (&'static str, &Path)> {
    let tls = config.tls.as_ref();
    let log = config.log.file.as_deref().and_then(Path::parent);
    let log = log.filter(|directory| !directory.as_os_str().is_empty());
    let named = [
        ("welcome", config.welcome.as_deref()),
        ("auth.passwords", config.auth.passwords.as_deref()),
        ("boards.mpy_cross", config.boards.mpy_cross.as_deref()),
        ("tls.certificate", tls.map(|tls| tls.certificate.as_path())),
        ("tls.key", tls.map(|tls| tls.key.as_path())),
        ("log.file", log),
    ];
    // The first is made.
    let further = config.store.packages.iter().skip(1);
    let further = further.map(|path| ("store.packages", path.as_path()));
    let named = named.into_iter().filter_map(|(setting, path)| Some((setting, path?)));
    named.chain(further)
}
