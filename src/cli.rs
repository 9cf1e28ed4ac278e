//! The command line: clap types, and nothing else. Parsed by `commands/`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;
use serde::Serialize;

const EXAMPLES: &str = "\
Examples:
  micropypi                   quick trial: ./data/packages on port 8089
  micropypi serve --packages /srv/packages --passwords /srv/htpasswd
  micropypi passwd alice      set alice's password
  micropypi check-config      is the configuration right?
  micropypi run -p 8080 -P htpasswd ~/packages
                              pypiserver's own command line

Without a configuration file and a password file, the quick trial makes a user
and shows the password. Every setting can be given as a flag
(--set store.watch=poll), in the environment (MICROPYPI_STORE_WATCH=poll), or in
the file (watch = \"poll\" below [store]). A flag overrides the environment,
which overrides the file.";

const RUN_NOTES: &str = "\
The word `run` may be left out before options that pypiserver alone has.
Without --fallback-url a project that is not here is answered with 404: no public index is built in.
The MICROPYPI_* environment sets what pypiserver has no option for, such as MICROPYPI_STORE_CACHE.";

/// A package index for MicroPython on your LAN: twine in; pip, uv, upip and mip out.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES, args_conflicts_with_subcommands = true, max_term_width = 100)]
pub struct Cli {
    /// What to do; without one, `serve`.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The flags of `serve`.
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve packages (the default)
    #[command(after_help = EXAMPLES)]
    Serve(ServeArgs),
    /// Serve packages by pypiserver's own command line
    #[command(version, after_help = RUN_NOTES, infer_long_args = true, args_override_self = true)]
    Run(RunArgs),
    /// Set or delete a user's password in the password file
    Passwd(PasswdArgs),
    /// Say whether the configuration is right, and change nothing
    CheckConfig(CheckConfigArgs),
    /// Ask the server on this machine whether it is well; exit code 0 or 1
    Healthcheck(HealthcheckArgs),
    /// Find the servers of the LAN through mDNS
    Discover(DiscoverArgs),
    /// Print the man page
    #[command(hide = true)]
    Man,
    /// Print shell completions
    #[command(hide = true)]
    Completions {
        /// The shell to complete in
        shell: Shell,
    },
}

/// Which configuration file is read.
#[derive(Debug, Default, Args)]
pub struct ConfigArgs {
    /// The configuration file [default: $MICROPYPI_CONFIG, else /etc/micropypi/config.toml if it is there]
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Which file.
    #[command(flatten)]
    pub file: ConfigArgs,
    /// What goes before it.
    #[command(flatten)]
    pub settings: SettingArgs,
    /// Any other setting by its name in the file, such as store.watch=poll; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub set: Vec<(String, String)>,
}

/// The settings that are worth a flag of their own; each names its path in the file by `rename`.
#[derive(Debug, Args, Serialize)]
pub struct SettingArgs {
    /// Address to listen on; may be repeated [default: [::]:8089, which takes IPv4 too]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Vec<String>,
    /// The URL clients reach this server by, where a proxy hides it
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// Directory of packages; may be repeated, the first takes the uploads [default: data/packages]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    #[serde(rename = "store.packages")]
    packages: Vec<String>,
    /// Directory for derived data, which may be deleted at any time [default: data/cache]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    #[serde(rename = "store.cache")]
    cache: Option<String>,
    /// Let an upload replace a file that has other content [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    #[serde(rename = "store.overwrite")]
    overwrite: Option<String>,
    /// The password file, as `micropypi passwd` and apache's htpasswd write it [default: htpasswd beside the configuration
    /// file; in the quick trial, auth/.htpasswd beside the packages]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    #[serde(rename = "auth.passwords")]
    passwords: Option<String>,
    /// What asks for a password: list, download, update, or none [default: update]
    #[arg(long, value_name = "RIGHT", value_delimiter = ',')]
    #[serde(rename = "auth.protect")]
    protect: Vec<String>,
    /// The index that clients are redirected to for projects that are not here [default: none]
    #[arg(long, value_name = "URL")]
    #[serde(rename = "index.fallback_url")]
    fallback_url: Option<String>,
    /// Announce the server on the LAN [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    #[serde(rename = "mdns.enabled")]
    mdns: Option<String>,
    /// The name on the LAN, without .local [default: micropypi]
    #[arg(long, value_name = "NAME")]
    #[serde(rename = "mdns.name")]
    mdns_name: Option<String>,
    /// The least important level that is logged: error, warn, info, debug [default: info]
    #[arg(long, value_name = "LEVEL")]
    #[serde(rename = "log.level")]
    log_level: Option<String>,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or("write KEY=VALUE, such as store.watch=poll")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

/// `run`: what pypiserver 2.4 takes after the same word.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Directories of packages; the first takes the uploads [default: ~/packages]
    #[arg(value_name = "PACKAGE_DIRECTORY", value_hint = ValueHint::DirPath)]
    pub directories: Vec<String>,
    /// Listen on this port [default: $PYPISERVER_PORT, else 8080]
    #[arg(short, long, value_name = "PORT")]
    pub port: Option<u16>,
    /// Listen on this address or host name [default: all, IPv4 and IPv6]
    #[arg(
        short = 'i',
        short_alias = 'H',
        long,
        visible_alias = "host",
        value_name = "INTERFACE"
    )]
    pub interface: Option<String>,
    /// Actions that ask for a password, comma separated: update, download, list, or `.` for none [default: update]
    #[arg(short, long, value_name = "ACTIONS")]
    pub authenticate: Option<String>,
    /// The apache htpasswd file, or `.` together with `-a .` for no passwords at all
    #[arg(short = 'P', long, value_name = "PASSWORD_FILE", value_hint = ValueHint::FilePath)]
    pub passwords: Option<String>,
    /// Let uploads replace files
    #[arg(short, long)]
    pub overwrite: bool,
    /// Answer 404 for projects that are not here (the default)
    #[arg(long)]
    pub disable_fallback: bool,
    /// Redirect to this index for projects that are not here
    #[arg(long, value_name = "FALLBACK_URL")]
    pub fallback_url: Option<String>,
    /// An additional path that answers health checks
    #[arg(long, value_name = "PATH")]
    pub health_endpoint: Option<String>,
    /// An HTML file for the home page; {{URL}}, {{VERSION}}, {{NUMPKGS}}, {{PACKAGES}}, {{SIMPLE}} are replaced
    #[arg(long, value_name = "HTML_FILE", value_hint = ValueHint::FilePath)]
    pub welcome: Option<String>,
    /// Let clients keep files for AGE seconds
    #[arg(long, value_name = "AGE")]
    pub cache_control: Option<u32>,
    /// Log everything, when given twice (-vv); requests are logged without it
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,
    /// Log into this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub log_file: Option<String>,
    /// Serve under this path; only `/` can be had here
    #[arg(long, value_name = "PATH")]
    pub server_base_url: Option<String>,
    /// Options without a meaning here.
    #[command(flatten)]
    pub ignored: IgnoredArgs,
}

/// Options of pypiserver that are accepted and mean nothing here.
#[derive(Debug, Args, Serialize)]
#[command(next_help_heading = "Accepted, without effect")]
#[serde(rename_all = "kebab-case")]
pub struct IgnoredArgs {
    /// Links carry sha256
    #[arg(long, value_name = "ALGORITHM")]
    hash_algo: Option<String>,
    /// There is one server
    #[arg(long, value_name = "METHOD")]
    server: Option<String>,
    /// There is one backend
    #[arg(long, value_name = "BACKEND")]
    backend: Option<String>,
    /// Log lines go to stderr, or to the journal
    #[arg(long, value_name = "STREAM")]
    log_stream: Option<String>,
    /// Log lines have one format
    #[arg(long, value_name = "FORMAT", allow_hyphen_values = true)]
    log_frmt: Option<String>,
    /// Log lines have one format
    #[arg(long, value_name = "FORMAT", allow_hyphen_values = true)]
    log_req_frmt: Option<String>,
    /// Log lines have one format
    #[arg(long, value_name = "FORMAT", allow_hyphen_values = true)]
    log_res_frmt: Option<String>,
    /// Log lines have one format
    #[arg(long, value_name = "FORMAT", allow_hyphen_values = true)]
    log_err_frmt: Option<String>,
}

/// `passwd`.
#[derive(Debug, Args)]
#[command(
    after_help = "The password is asked for twice without echo, or read as one line from standard input:\n  \
    printf '%s\\n' \"$PASSWORD\" | micropypi passwd alice"
)]
pub struct PasswdArgs {
    /// The user
    pub user: String,
    /// The password file [default: the one that `micropypi` reads here with this configuration]
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Delete the user
    #[arg(short, long)]
    pub delete: bool,
    /// Which file tells where the passwords are.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// `check-config`.
#[derive(Debug, Args)]
pub struct CheckConfigArgs {
    /// Which file.
    #[command(flatten)]
    pub file: ConfigArgs,
    /// Print every setting as it takes effect; the packaged service has folders of its own where the file names none
    #[arg(long)]
    pub show: bool,
}

/// `healthcheck`.
#[derive(Debug, Args)]
pub struct HealthcheckArgs {
    /// Ask this server, such as http://127.0.0.1:8089, instead of the one that the configuration describes
    #[arg(long, value_name = "URL", conflicts_with = "config")]
    pub url: Option<String>,
    /// Which file tells the address.
    #[command(flatten)]
    pub file: ConfigArgs,
}

/// `discover`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  eval \"$(micropypi discover --env)\"; pip install foo")]
pub struct DiscoverArgs {
    /// The server of this name, where there are several
    pub name: Option<String>,
    /// How long to listen for answers [default: 1.8]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<Duration>,
    /// In which shape to print the answer; without one, a table.
    #[command(flatten)]
    pub shape: DiscoverShape,
}

/// The shapes of `discover`'s answer; at most one is chosen.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub struct DiscoverShape {
    /// Everything that was found, as JSON
    #[arg(long)]
    pub json: bool,
    /// The lines for pip.conf
    #[arg(long)]
    pub pip: bool,
    /// The lines for uv.toml
    #[arg(long)]
    pub uv: bool,
    /// The section for ~/.pypirc
    #[arg(long)]
    pub pypirc: bool,
    /// The index for mip and mpremote
    #[arg(long)]
    pub mip: bool,
    /// Shell exports for pip, uv and twine
    #[arg(long)]
    pub env: bool,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| "not a number")?;
    let time = Duration::try_from_secs_f64(number).map_err(|error| error.to_string())?;
    if time > Duration::from_hours(24) {
        return Err("more than a day".to_owned());
    }
    Ok(time)
}
