//! The commands: what each word of the command line does, one file per word. Called by `main.rs`.

mod check_config;
mod discover;
mod generate;
mod healthcheck;
mod parse;
mod passwd;
mod run;
mod serve;
mod trial;

use std::ffi::OsString;
use std::io::{self, Write};
use std::num::NonZeroU16;
use std::path::PathBuf;

pub use parse::parse;
use rustix::process::geteuid;

use crate::auth::AuthError;
use crate::auth::passwd::PasswdError;
use crate::cli::{Cli, Command, ConfigArgs};
use crate::config::{self, Config, ConfigError, Flags, Loaded};
use crate::mdns::MdnsError;
use crate::serve::ServeError;
use crate::store::{CacheError, StoreError};
use crate::tls::TlsError;

/// The variable of pypiserver's image.
const PYPISERVER_PORT: &str = "PYPISERVER_PORT";

/// The exit status of sysexits.h that systemd calls CONFIG.
const EX_CONFIG: u8 = 78;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// There is no configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The server did not start, or failed.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// HTTPS would not work.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The password file cannot be used.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The packages directories cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The cache directory cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The password file was not changed.
    #[error(transparent)]
    Passwd(#[from] PasswdError),
    /// The quick trial has no right to make its files where it was started. Root would own what it made there.
    #[error(
        "the quick trial cannot {what} {path} as this user: start it in a folder of your own, or let the user {user} write \
         there",
        user = geteuid()
    )]
    NoTrialHere {
        /// What was tried.
        what: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The directory of the password file cannot be made.
    #[error("cannot make the directory {path}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Half of pypiserver's two options for no passwords.
    #[error("no passwords at all takes both options: -P . -a .")]
    OpenTakesBoth,
    /// pypiserver's prefix.
    #[error(
        "--server-base-url {0}: everything is served below `/` here; for a prefix, put a proxy before it that takes the \
         prefix off, and set MICROPYPI_BASE_URL to the URL that clients use"
    )]
    Prefix(String),
    /// pypiserver's `--fallback-url` is no URL.
    #[error(
        "--fallback-url {0:?} is not the URL of an index, such as http://HOST/simple/; --disable-fallback answers 404 for \
         projects that are not here"
    )]
    FallbackUrl(String),
    /// pypiserver's variable for the port.
    #[error(
        "{PYPISERVER_PORT} in the environment: {0:?} is not a port: a number from 1 to 65535, or nothing for the default"
    )]
    Port(OsString),
    /// pypiserver's `--interface` names no address.
    #[error("--interface {interface} is no address of this machine")]
    Interface {
        /// What was given.
        interface: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// No server was found on the LAN, or more than one.
    #[error(transparent)]
    Discover(#[from] MdnsError),
    /// The server is not well.
    #[error(transparent)]
    Unwell(#[from] healthcheck::Unwell),
    /// Standard output is closed or full.
    #[error("cannot write to standard output")]
    Output(#[from] io::Error),
}

impl CommandError {
    /// The exit status: 78, as sysexits.h has it for a configuration that is wrong, or 1. The service is started again after
    /// 1 only.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Config(error) if error.is_lasting() => EX_CONFIG,
            Self::OpenTakesBoth | Self::Prefix(_) | Self::FallbackUrl(_) | Self::Port(_) => EX_CONFIG,
            // Also where `--interface` has no address: a name may come with the network.
            _ => 1,
        }
    }
}

/// Does what the command line says.
///
/// # Errors
/// Those of the command; `main.rs` prints them.
pub fn dispatch(cli: Cli) -> Result<(), CommandError> {
    match cli.command {
        None => serve::run(&cli.serve),
        Some(Command::Serve(args)) => serve::run(&args),
        Some(Command::Run(args)) => run::run(&args),
        Some(Command::Passwd(args)) => passwd::run(&args),
        Some(Command::CheckConfig(args)) => check_config::run(&args),
        Some(Command::Healthcheck(args)) => healthcheck::run(&args),
        Some(Command::Discover(args)) => discover::run(args),
        Some(Command::Man) => print(&generate::man()?),
        Some(Command::Completions { shell }) => print(&generate::completions(shell)),
    }
}

/// The configuration as `serve` sees it with these flags, and a command without settings of its own with none.
fn load(args: &ConfigArgs, flags: Flags) -> Result<Loaded, CommandError> {
    let loaded = config::load(args.config.as_deref(), flags, std::env::vars_os())?;
    // pypiserver's image listens there without a command, and compose files map that port.
    match pypiserver_port()? {
        Some(port) => Ok(loaded.with_default("listen", &beside_our_own(port))?),
        None => Ok(loaded),
    }
}

/// The port that pypiserver's image is given; an empty variable is an unset one, as compose files leave them.
fn pypiserver_port() -> Result<Option<u16>, CommandError> {
    let given = std::env::var_os(PYPISERVER_PORT).filter(|port| !port.is_empty());
    let parse = |given: OsString| {
        let port = given.to_str().and_then(|text| text.parse().ok());
        port.map(NonZeroU16::get).ok_or(CommandError::Port(given))
    };
    given.map(parse).transpose()
}

/// The default's address and, unless it is the same, all interfaces at this port.
fn beside_our_own(port: u16) -> Vec<String> {
    let mut addresses: Vec<String> = Config::default().listen.iter().map(ToString::to_string).collect();
    addresses.push(format!("[::]:{port}"));
    addresses.dedup();
    addresses
}

/// Writes to standard output; a reader that has gone away (`| head`) is no error.
fn print(bytes: &[u8]) -> Result<(), CommandError> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
