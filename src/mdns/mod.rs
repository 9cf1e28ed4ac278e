//! Multicast DNS (RFC 6762) and DNS-SD (RFC 6763): announce, withdraw, browse. Called by `serve/` and the command
//! `discover`; `http/` serves the module for boards, and `config/` knows how long a name may be.
//!
//! A server is one host name (`micropypi.local`) and two service instances of the same name: `_http._tcp` (`_https._tcp`
//! with TLS), so that any browser of services opens the page, and [`INDEX_TYPE`], whose TXT record says what is served.

mod announce;
mod browse;
mod configuration;
mod conflicts;
mod discover;
mod holder;
mod interfaces;
mod service;

pub use announce::Announcer;
pub use discover::{DEFAULT_TIMEOUT, Request, Shape, discover};
pub use service::{NAME_MAX, Service, State};

/// The service type of a package index, as one-shot queries ask for it.
pub const INDEX_TYPE: &str = "_pypi._tcp.local.";

/// The module for boards, served at `/micropypi.py`: it asks the LAN for a server and installs from it.
pub const BOARD_MODULE: &str = include_str!("micropypi.py");

/// The same as bytecode: what `mpy-cross -s micropypi.py micropypi.py` makes of it. A test holds the two together.
pub const BOARD_BYTECODE: &[u8] = include_bytes!("micropypi.mpy");

/// Why a server cannot be announced or looked for.
#[derive(Debug, thiserror::Error)]
pub enum MdnsError {
    /// Another program has the mDNS port for itself.
    #[error("UDP port 5353 (mDNS) cannot be shared with the program that has it")]
    Port(#[source] std::io::Error),
    /// The responder's thread could not be started, or has ended.
    #[error("the mDNS responder does not work")]
    Responder(#[from] mdns_sd::Error),
    /// The thread that follows the responder's events could not be started.
    #[error("no thread for mDNS")]
    Thread(#[source] std::io::Error),
    /// Nobody answered.
    #[error(
        "no package server answers on this network. Is one running here (`micropypi serve`), in the same subnet, \
         and does its firewall let UDP port 5353 in?"
    )]
    NoServer,
    /// Nobody of this name answered.
    #[error("no package server called `{name}` answers; {}", there_are(.others))]
    NoSuchServer {
        /// The name that was asked for.
        name: String,
        /// The names that answered, separated by commas.
        others: String,
    },
    /// There is a choice to make.
    #[error(
        "several package servers answer; choose one by adding its name, or, where two have the same, give one another \
         (mdns.name) or use a URL of these:\n\n{0}"
    )]
    SeveralServers(String),
}

fn there_are(others: &str) -> String {
    if others.is_empty() {
        "none does".to_owned()
    } else {
        format!("there are: {others}")
    }
}
