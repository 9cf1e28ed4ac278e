//! The configuration: one TOML file, the environment, the flags, the defaults. No runtime state.
//! Read by the commands and `serve/` only; everybody else takes plain arguments, [`Watch`], [`Latest`], [`Upip`] and
//! [`Level`] among them.
//!
//! The types are here; `load.rs` lays the four sources over each other with the help of `flags.rs` (settings as text),
//! `environment.rs` (the variables) and `gather.rs` (settings with their places). `fields.rs` holds the door of each kind
//! of value, `check.rs` compares settings with each other, `diagnose.rs` points at what is wrong, `schema.rs` knows which
//! settings there are, and `places.rs` where things are under systemd.

mod check;
mod diagnose;
mod environment;
mod fields;
mod flags;
mod gather;
mod load;
mod places;
mod schema;
mod syntax;

use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub use diagnose::Report;
pub use flags::Flags;
pub use load::{ConfigError, Loaded, Source, load, load_pypiserver};
pub(crate) use places::passwords_beside;

/// Everything that can be set, complete with defaults. `packaging/config.toml` documents each field.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Addresses to listen on. `[::]:PORT` takes IPv4 too. Ignored when systemd passes sockets.
    pub listen: Vec<SocketAddr>,
    /// The URL that clients reach this server by, where it cannot be told from the request (behind a proxy). No trailing slash.
    #[serde(deserialize_with = "fields::http_url")]
    pub base_url: Option<String>,
    /// Networks whose `X-Forwarded-*` headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// An HTML file served at `/` in place of the built-in page, with pypiserver's placeholders.
    #[serde(deserialize_with = "fields::optional_path")]
    pub welcome: Option<PathBuf>,
    /// An additional path that answers health checks, beside `/health`.
    #[serde(deserialize_with = "fields::url_path")]
    pub health_endpoint: Option<String>,
    /// `[store]`: where the packages are.
    pub store: StoreConfig,
    /// `[auth]`: who may do what.
    pub auth: AuthConfig,
    /// `[index]`: what the index shows.
    pub index: IndexConfig,
    /// `[limits]`: what is refused.
    pub limits: LimitsConfig,
    /// `[boards]`: what a board gets.
    pub boards: BoardsConfig,
    /// `[mdns]`: how the LAN finds the server.
    pub mdns: MdnsConfig,
    /// `[tls]`: HTTPS; off when absent.
    pub tls: Option<TlsConfig>,
    /// `[log]`: what is written to the journal or stderr.
    pub log: LogConfig,
}

/// `[store]`: where the packages are.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// The package directories. The first takes the uploads; a file in an earlier one hides its namesake in a later one.
    #[serde(deserialize_with = "fields::paths")]
    pub packages: Vec<PathBuf>,
    /// Derived data: digests, metadata, board files. May be deleted at any time.
    #[serde(deserialize_with = "fields::path")]
    pub cache: PathBuf,
    /// Whether an upload may replace a file that has other content.
    pub overwrite: bool,
    /// How changes made by hand are noticed.
    pub watch: Watch,
}

/// How changes made by hand in the package directories are noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Watch {
    /// inotify, or a poll where the file system is one on which inotify is silent (NFS, SMB, FUSE, 9p).
    Auto,
    /// inotify alone.
    Inotify,
    /// A walk every second.
    Poll,
    /// Only uploads and SIGHUP.
    Off,
}

/// `[auth]`: who may do what.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// The htpasswd file; unset, `htpasswd` beside the configuration file, if it is there. Without one, what is protected
    /// is refused to everybody.
    #[serde(deserialize_with = "fields::optional_path")]
    pub passwords: Option<PathBuf>,
    /// What asks for a password.
    pub protect: Vec<Protect>,
}

/// A right that can ask for a password, by pypiserver's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protect {
    /// The index pages.
    List,
    /// The files.
    Download,
    /// Uploads and removals.
    Update,
}

/// `[index]`: what the index shows.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct IndexConfig {
    /// Which release a client gets that names none.
    pub latest: Latest,
    /// Where a project that is not here is looked for: `{fallback_url}/{project}/` by redirect. None: 404.
    #[serde(deserialize_with = "fields::http_url")]
    pub fallback_url: Option<String>,
    /// `max-age` of files, in seconds. None: clients revalidate each time.
    pub cache_control: Option<u32>,
}

/// Which release a client gets that names none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Latest {
    /// The highest version, pre-releases too.
    Newest,
    /// The highest version that is neither a pre-release nor a development release, if there is one.
    Stable,
}

/// `[limits]`: what is refused.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Largest file of an upload, in bytes. A size may also be text: `"4 GiB"`.
    #[serde(deserialize_with = "fields::byte_size")]
    pub upload_bytes: u64,
    /// Most form fields in one upload.
    #[serde(deserialize_with = "fields::positive")]
    pub form_fields: usize,
    /// Largest form field other than the file, in bytes.
    #[serde(deserialize_with = "fields::byte_size")]
    pub field_bytes: usize,
    /// Most members of an archive.
    #[serde(deserialize_with = "fields::positive")]
    pub archive_members: usize,
    /// Most bytes that an archive may unpack to.
    #[serde(deserialize_with = "fields::byte_size")]
    pub unpacked_bytes: u64,
    /// Most times that an archive may grow when unpacked (small archives are exempt).
    #[serde(deserialize_with = "fields::positive")]
    pub unpack_ratio: u32,
    /// Largest core metadata, in bytes.
    #[serde(deserialize_with = "fields::byte_size")]
    pub metadata_bytes: u64,
    /// Seconds a client may take to send the head of a request, and a connection may idle between two.
    #[serde(deserialize_with = "fields::seconds")]
    pub header_seconds: u64,
    /// Seconds that may pass between two pieces of a body before the connection is given up.
    #[serde(deserialize_with = "fields::seconds")]
    pub body_idle_seconds: u64,
    /// Open connections; further ones wait. One client may have a third.
    #[serde(deserialize_with = "fields::positive")]
    pub connections: usize,
}

/// `[boards]`: what a board gets.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct BoardsConfig {
    /// What upip downloads.
    pub upip: Upip,
    /// How many releases upip is told of, the newest with the one of `latest` among them; 0 is all.
    pub releases: usize,
    /// Glob patterns of members that boards get although they look like tests or documents.
    pub include: Vec<String>,
    /// Glob patterns of members that boards never get.
    pub exclude: Vec<String>,
    /// Path of mpy-cross; without it boards get sources.
    #[serde(deserialize_with = "fields::optional_path")]
    pub mpy_cross: Option<PathBuf>,
}

/// What upip downloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Upip {
    /// A tarball made for boards: 4 KiB window, plain ustar, what the package installs.
    Tarball,
    /// The sdist as it was uploaded.
    Original,
}

/// `[mdns]`: how the LAN finds the server.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct MdnsConfig {
    /// Whether the server is announced.
    pub enabled: bool,
    /// The host name without `.local`, and the name of the service instance.
    #[serde(deserialize_with = "fields::dns_label")]
    pub name: String,
    /// Interfaces to announce on; empty: all but loopback and container bridges.
    pub interfaces: Vec<String>,
}

/// `[tls]`: HTTPS.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// PEM file: the certificate, then the chain.
    #[serde(deserialize_with = "fields::path")]
    pub certificate: PathBuf,
    /// PEM file: the private key.
    #[serde(deserialize_with = "fields::path")]
    pub key: PathBuf,
    /// Addresses for HTTPS beside the plain ones of `listen`; empty: `listen` itself speaks HTTPS.
    pub listen: Vec<SocketAddr>,
}

/// `[log]`: what is written to the journal or stderr.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// The least important level that is written.
    pub level: Level,
    /// A file in place of stderr.
    #[serde(deserialize_with = "fields::optional_path")]
    pub file: Option<PathBuf>,
}

/// Level of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the words say it")]
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
}

/// The port that everything is about.
pub const DEFAULT_PORT: u16 = 8089;

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from((Ipv6Addr::UNSPECIFIED, DEFAULT_PORT))],
            base_url: None,
            trusted_proxies: Vec::new(),
            welcome: None,
            health_endpoint: None,
            store: StoreConfig::default(),
            auth: AuthConfig::default(),
            index: IndexConfig::default(),
            limits: LimitsConfig::default(),
            boards: BoardsConfig::default(),
            mdns: MdnsConfig::default(),
            tls: None,
            log: LogConfig::default(),
        }
    }
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            packages: vec![PathBuf::from("data/packages")],
            cache: PathBuf::from("data/cache"),
            overwrite: false,
            watch: Watch::Auto,
        }
    }
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            passwords: None,
            protect: vec![Protect::Update],
        }
    }
}

impl Default for IndexConfig {
    fn default() -> Self {
        Self {
            latest: Latest::Newest,
            fallback_url: None,
            cache_control: None,
        }
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            upload_bytes: 4 << 30,
            form_fields: 2_000,
            field_bytes: 4 << 20,
            archive_members: 50_000,
            unpacked_bytes: 16 << 30,
            unpack_ratio: 200,
            metadata_bytes: 4 << 20,
            header_seconds: 15,
            body_idle_seconds: 60,
            connections: 1_024,
        }
    }
}

impl Default for BoardsConfig {
    fn default() -> Self {
        Self {
            upip: Upip::Tarball,
            releases: 0,
            include: Vec::new(),
            exclude: Vec::new(),
            mpy_cross: None,
        }
    }
}

impl Default for MdnsConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            name: "micropypi".to_owned(),
            interfaces: Vec::new(),
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            level: Level::Info,
            file: None,
        }
    }
}
