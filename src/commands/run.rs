//! `run`: pypiserver's own command line, so that its users change one word. Source: pypiserver 2.4.2, `config.py`.

use std::collections::BTreeSet;
use std::net::{Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::CommandError;
use crate::cli::{IgnoredArgs, RunArgs};
use crate::config::{self, Flags, Loaded};
use crate::serve::Place;

pub(super) fn run(args: &RunArgs) -> Result<(), CommandError> {
    let notes = notes(args)?;
    let loaded = load(args)?;
    let named = named(args)?;
    let greet = |_: &[Place]| {
        for address in &named - &present(&named) {
            tracing::debug!("{} is not an address of this machine, and is left out", address.ip());
        }
    };
    Ok(crate::serve::run(loaded, notes, greet)?)
}

/// The configuration that these arguments start a server with.
pub(super) fn load(args: &RunArgs) -> Result<Loaded, CommandError> {
    let flags = translate(args)?;
    Ok(config::load_pypiserver(
        flags,
        std::env::vars_os(),
        defaults()?,
        cache_directory,
    )?)
}

/// The port without `-p`: pypiserver's image reads it from the environment.
pub(super) fn default_port() -> Result<u16, CommandError> {
    Ok(super::pypiserver_port()?.unwrap_or(8080))
}

/// pypiserver's defaults, where they are not ours.
fn defaults() -> Result<Flags, CommandError> {
    let mut defaults = Flags::default();
    defaults.set("listen", [format!("[::]:{}", default_port()?)]);
    if let Some(home) = std::env::home_dir() {
        defaults.set("store.packages", [home.join("packages").to_string_lossy()]);
    }
    Ok(defaults)
}

/// Where derived data goes: pypiserver's users expect nothing new in the working directory, which may be served itself.
/// Each package directory has a cache of its own, `~/.cache/micropypi/srv-packages` for `/srv/packages`, for only one
/// server can use it at a time.
fn cache_directory(packages: &Path) -> Option<PathBuf> {
    let packages = std::path::absolute(packages).ok()?;
    let name = packages.to_string_lossy().trim_matches('/').replace('/', "-");
    Some(std::env::home_dir()?.join(".cache/micropypi").join(name))
}

/// What was given, as our settings.
fn translate(args: &RunArgs) -> Result<Flags, CommandError> {
    let mut flags = Flags::default();
    if args.port.is_some() || args.interface.is_some() {
        flags.set("listen", present(&named(args)?).iter().map(ToString::to_string));
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
    let fallback = fallback_url(args)?;
    let cache_control = args.cache_control.map(|age| age.to_string());
    let texts = [
        ("index.fallback_url", fallback),
        ("index.cache_control", cache_control.as_deref()),
        ("health_endpoint", args.health_endpoint.as_deref()),
        ("welcome", args.welcome.as_deref()),
        ("log.file", args.log_file.as_deref()),
        ("auth.passwords", args.passwords.as_deref().filter(|file| *file != ".")),
    ];
    for (path, text) in texts {
        if let Some(text) = text {
            flags.set(path, [text]);
        }
    }
    Ok(flags)
}

fn fallback_url(args: &RunArgs) -> Result<Option<&str>, CommandError> {
    let is_url = |url: &str| url.starts_with("http://") || url.starts_with("https://");
    match args.fallback_url.as_deref().filter(|_| !args.disable_fallback) {
        Some(other) if !is_url(other) => Err(CommandError::FallbackUrl(other.to_owned())),
        url => Ok(url),
    }
}

/// What `-i` and `-p` name.
fn named(args: &RunArgs) -> Result<BTreeSet<SocketAddr>, CommandError> {
    let port = args.port.map_or_else(default_port, Ok)?;
    match &args.interface {
        Some(interface) => resolve(interface, port),
        None => Ok(BTreeSet::from([SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))])),
    }
}

/// Those of the addresses that this machine has: a name may stand for others, too, as `::1 localhost` in /etc/hosts does
/// where IPv6 is off. Where it has none, as when one is written as an address, all: the start fails, and names it.
fn present(named: &BTreeSet<SocketAddr>) -> BTreeSet<SocketAddr> {
    let present: BTreeSet<_> = named.iter().copied().filter(|address| !is_absent(*address)).collect();
    if present.is_empty() { named.clone() } else { present }
}

/// The resolver may say one thing twice.
fn resolve(interface: &str, port: u16) -> Result<BTreeSet<SocketAddr>, CommandError> {
    let unknown = |source| CommandError::Interface {
        interface: interface.to_owned(),
        source,
    };
    let addresses = format!("{}:{port}", bracketed(interface)).to_socket_addrs();
    Ok(addresses.map_err(unknown)?.collect())
}

/// Asks with a UDP socket, whose ports are none of the server's.
fn is_absent(mut address: SocketAddr) -> bool {
    address.set_port(0);
    let refused = UdpSocket::bind(address).err();
    let reason = refused.as_ref().and_then(Errno::from_io_error);
    matches!(reason, Some(Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT))
}

/// `::1` → `[::1]`.
fn bracketed(interface: &str) -> String {
    if interface.contains(':') && !interface.starts_with('[') {
        format!("[{interface}]")
    } else {
        interface.to_owned()
    }
}

/// `-a` and `-P`; a dot in both is no passwords at all, and never in one alone. `-a none`, as `serve` says it, is such a dot.
fn set_auth(args: &RunArgs, flags: &mut Flags) -> Result<(), CommandError> {
    let open_actions = args
        .authenticate
        .as_deref()
        .is_some_and(|actions| matches!(actions.trim(), "." | "none"));
    let open_passwords = args.passwords.as_deref() == Some(".");
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
    Ok(())
}

/// `~/packages`, which no shell expands in a compose file.
fn expand_user(path: &str) -> String {
    match (path.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest).to_string_lossy().into_owned(),
        _ => path.to_owned(),
    }
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
    let mut notes = ignored(&args.ignored);
    if args.fallback_url.is_none() && !args.disable_fallback {
        notes.push(
            "projects that are not here are answered with 404: no public index is built in; name one with \
             --fallback-url URL, or say --disable-fallback"
                .to_owned(),
        );
    }
    if let Some(file) = &args.log_file {
        notes.push(format!(
            "--log-file: log lines go to {file} in place of stderr, not to both"
        ));
    }
    Ok(notes)
}

fn ignored(args: &IgnoredArgs) -> Vec<String> {
    let given = toml::Table::try_from(args).expect("the options are texts");
    given
        .keys()
        .map(|option| format!("--{option} means nothing here and has no effect"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use crate::config::{Config, ConfigError, Level, Protect};
    use clap::Parser;

    fn parse(line: &str) -> RunArgs {
        match Cli::try_parse_from(["micropypi", "run"].into_iter().chain(line.split_whitespace()))
            .unwrap()
            .command
        {
            Some(Command::Run(args)) => args,
            other => panic!("{other:?}"),
        }
    }

    fn config(line: &str) -> Config {
        loaded(&parse(line), &[]).unwrap().config
    }

    fn loaded(args: &RunArgs, env: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
        let env = env.iter().map(|(name, value)| (name.into(), value.into()));
        config::load_pypiserver(translate(args).unwrap(), env, defaults().unwrap(), cache_directory)
    }

    #[test]
    fn the_compose_file_works() {
        let args = "--passwords /data/auth/.htpasswd --authenticate update --disable-fallback -vvv";
        let config = config(args);
        assert_eq!(config.auth.passwords.unwrap().to_str(), Some("/data/auth/.htpasswd"));
        assert_eq!(config.auth.protect, [Protect::Update]);
        assert_eq!(config.index.fallback_url, None);
        assert_eq!(config.log.level, Level::Debug);
        assert!(config.store.packages[0].ends_with("packages"));
        assert!(notes(&parse(args)).unwrap().is_empty());
    }

    #[test]
    fn ports_and_interfaces_are_addresses() {
        let listen = |line| config(line).listen.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(listen(""), ["[::]:8080"]);
        assert_eq!(listen("-p 9000"), ["[::]:9000"]);
        assert_eq!(listen("-i 127.0.0.1"), ["127.0.0.1:8080"]);
        assert_eq!(listen("-H ::1 --port 1"), ["[::1]:1"]);
        assert_eq!(listen("--host [::1] -p1"), ["[::1]:1"]);
    }

    #[test]
    fn everything_else_is_carried_over() {
        let line = "-o --fallback-url http://a/simple/ --cache-control 60 --health-endpoint /up --welcome w.html \
                    --log-file l --auth Download,list /one /two";
        let config = config(line);
        assert!(config.store.overwrite);
        assert_eq!(config.index.fallback_url.as_deref(), Some("http://a/simple"));
        assert_eq!(config.index.cache_control, Some(60));
        assert_eq!(config.health_endpoint.as_deref(), Some("/up"));
        assert_eq!(config.auth.protect, [Protect::Download, Protect::List]);
        assert_eq!(config.store.packages.len(), 2);
        assert_eq!(
            (config.welcome.unwrap().to_str(), config.log.file.unwrap().to_str()),
            (Some("w.html"), Some("l"))
        );
    }

    #[test]
    fn the_last_of_repeated_options_counts() {
        let config = config("-p 1 -i ::1 -o -o -a list -p 2 --interface 127.0.0.1 -a update,download");
        assert_eq!(config.listen, ["127.0.0.1:2".parse().unwrap()]);
        assert_eq!(config.auth.protect, [Protect::Update, Protect::Download]);
        assert!(config.store.overwrite);
    }

    #[test]
    fn each_package_directory_has_its_cache() {
        let cache = |line, env: &[_]| loaded(&parse(line), env).unwrap().config.store.cache;
        let named = [("MICROPYPI_STORE_PACKAGES", "/srv/named,/srv/more")];
        for (line, env, expected) in [
            ("", &[][..], "packages"),
            ("", &named, "srv-named"),
            ("/srv/packages/ /srv/more", &named, "srv-packages"),
        ] {
            let cache = cache(line, env).into_os_string().into_string().unwrap();
            assert!(
                cache.contains("/.cache/micropypi/") && cache.ends_with(expected),
                "{cache}"
            );
        }
        let own = [("MICROPYPI_STORE_CACHE", "/var/cache/own")];
        assert_eq!(cache("/srv/packages", &own), Path::new("/var/cache/own"));
    }

    #[test]
    fn no_passwords_takes_both_dots() {
        assert!(config("-P . -a .").auth.protect.is_empty());
        assert!(config("-P . -a none").auth.protect.is_empty());
        let line = ["micropypi", "run", "-a", ""];
        let Some(Command::Run(empty)) = Cli::try_parse_from(line).unwrap().command else {
            panic!("run");
        };
        assert!(loaded(&empty, &[]).is_err());
        for half in [
            "-P .",
            "-a .",
            "-a none",
            "-P . -a update",
            "-P file -a .",
            "-P file -a none",
        ] {
            assert!(
                matches!(translate(&parse(half)), Err(CommandError::OpenTakesBoth)),
                "{half}"
            );
        }
    }

    #[test]
    fn what_means_nothing_here_is_said() {
        let notes = notes(&parse(
            "--hash-algo md5 --server gunicorn --log-frmt %(message)s --log-file l",
        ))
        .unwrap();
        let said = notes.join("\n");
        for option in [
            "--hash-algo",
            "--server",
            "--log-frmt",
            "no public index",
            "in place of stderr",
        ] {
            assert!(said.contains(option), "{option} is not in\n{said}");
        }
        assert!(super::notes(&parse("--server-base-url /")).is_ok());
        assert!(matches!(
            super::notes(&parse("--server-base-url /pypi")),
            Err(CommandError::Prefix(_))
        ));
    }
}
