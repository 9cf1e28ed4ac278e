//! `run`: pypiserver's own command line, so that its users change one word. Source: pypiserver 2.4.2, `config.py`.

use std::net::ToSocketAddrs;
use std::path::Path;

use super::{CommandError, environment};
use crate::cli::{IgnoredArgs, RunArgs};
use crate::config::{self, Flags};

pub(super) fn run(args: &RunArgs) -> Result<(), CommandError> {
    let flags = translate(args)?;
    let notes = notes(args)?;
    let loaded = config::load_pypiserver(flags, environment(), defaults())?;
    Ok(crate::serve::run(loaded, notes)?)
}

/// The port without `-p`: pypiserver's image reads it from the environment.
pub(super) fn default_port() -> String {
    std::env::var("PYPISERVER_PORT").unwrap_or_else(|_| "8080".to_owned())
}

/// pypiserver's defaults, where they are not ours.
fn defaults() -> Flags {
    let mut defaults = Flags::default();
    let port = default_port();
    defaults.set("listen", [format!("[::]:{port}")]);
    if let Some(home) = std::env::home_dir() {
        defaults.set("store.packages", [home.join("packages").to_string_lossy()]);
        // pypiserver leaves nothing in the working directory. The port tells two servers of one user apart.
        let cache = home.join(".cache/micropypi").join(port);
        defaults.set("store.cache", [cache.to_string_lossy()]);
    }
    defaults
}

/// What was given, as our settings.
fn translate(args: &RunArgs) -> Result<Flags, CommandError> {
    let mut flags = Flags::default();
    if args.port.is_some() || args.interface.is_some() {
        flags.set("listen", listen(args)?);
    }
    if !args.directories.is_empty() {
        flags.set("store.packages", args.directories.iter().map(|path| expand_user(path)));
    }
    set_auth(args, &mut flags)?;
    if args.overwrite {
        flags.set("store.overwrite", ["true"]);
    }
    if args.verbose > 1 {
        flags.set("log.level", ["debug"]);
    }
    let fallback = args.fallback_url.as_deref().filter(|_| !args.disable_fallback);
    let cache_control = args.cache_control.map(|age| age.to_string());
    let texts = [
        ("index.fallback_url", fallback),
        ("index.cache_control", cache_control.as_deref()),
        ("health_endpoint", args.health_endpoint.as_deref()),
        ("welcome", args.welcome.as_deref().and_then(Path::to_str)),
        ("log.file", args.log_file.as_deref().and_then(Path::to_str)),
    ];
    for (path, text) in texts {
        text.into_iter().for_each(|text| flags.set(path, [text]));
    }
    Ok(flags)
}

fn listen(args: &RunArgs) -> Result<Vec<String>, CommandError> {
    let port = args.port.map_or_else(default_port, |port| port.to_string());
    let Some(interface) = &args.interface else {
        return Ok(vec![format!("[::]:{port}")]);
    };
    let unknown = |source| CommandError::Interface {
        interface: interface.clone(),
        source,
    };
    let addresses = format!("{}:{port}", bracketed(interface))
        .to_socket_addrs()
        .map_err(unknown)?;
    Ok(addresses.map(|address| address.to_string()).collect())
}

/// `::1` → `[::1]`.
fn bracketed(interface: &str) -> String {
    if interface.contains(':') && !interface.starts_with('[') {
        format!("[{interface}]")
    } else {
        interface.to_owned()
    }
}

/// `-a` and `-P`; a dot in both is no passwords at all, and never in one alone.
fn set_auth(args: &RunArgs, flags: &mut Flags) -> Result<(), CommandError> {
    let open_actions = args
        .authenticate
        .as_deref()
        .is_some_and(|actions| actions.trim() == ".");
    let open_passwords = args.passwords.as_deref() == Some(Path::new("."));
    if open_actions != open_passwords {
        return Err(CommandError::OpenTakesBoth);
    }
    if open_actions {
        flags.set("auth.protect", [""; 0]);
        return Ok(());
    }
    if let Some(actions) = &args.authenticate {
        flags.set(
            "auth.protect",
            actions.split(',').map(|action| action.trim().to_ascii_lowercase()),
        );
    }
    if let Some(file) = &args.passwords {
        flags.set("auth.passwords", [file.to_string_lossy()]);
    }
    Ok(())
}

/// `~/packages`, which no shell expands in a compose file.
fn expand_user(path: &Path) -> String {
    let expanded = path
        .strip_prefix("~")
        .ok()
        .zip(std::env::home_dir())
        .map(|(rest, home)| home.join(rest));
    expanded.as_deref().unwrap_or(path).to_string_lossy().into_owned()
}

/// What the user should know about options that mean something else here, or nothing.
fn notes(args: &RunArgs) -> Result<Vec<String>, CommandError> {
    if let Some(prefix) = args
        .server_base_url
        .as_deref()
        .filter(|url| !url.trim_matches('/').is_empty())
    {
        return Err(CommandError::Prefix(prefix.to_owned()));
    }
    let mut notes = ignored(&args.ignored)?;
    if args.fallback_url.is_none() && !args.disable_fallback {
        notes.push(
            "projects that are not here are answered with 404: no public index is built in; name one with \
             --fallback-url URL, or say --disable-fallback"
                .to_owned(),
        );
    }
    if let Some(file) = &args.log_file {
        notes.push(format!(
            "--log-file: log lines go to {} in place of stderr, not to both",
            file.display()
        ));
    }
    Ok(notes)
}

fn ignored(args: &IgnoredArgs) -> Result<Vec<String>, CommandError> {
    let given = toml::Table::try_from(args)?;
    Ok(given
        .keys()
        .map(|option| format!("--{option} means nothing here and has no effect"))
        .collect())
}
