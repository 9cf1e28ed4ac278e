//! HTTP in, one use case, HTTP out: one file per protocol. Called by `serve/`.

mod board_module;
mod connections;
mod error;
mod file_body;
mod files;
mod form;
mod head_timer;
mod json;
mod linger;
mod mip;
mod negotiate;
mod ops;
mod origin;
mod pages;
mod plain;
mod range;
mod ready;
mod request_log;
mod respond;
mod right;
mod router;
mod service;
mod shares;
mod simple;
mod upip;
mod upload;
mod welcome;
mod wire;

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ipnet::IpNet;

pub use connections::{ConnectionLimits, Connections, Listener, serve_connections};
pub use origin::with_port;
pub use service::Service;
pub use welcome::Welcome;

use crate::auth::{Authenticator, UserName};
use crate::index::Index;

/// What all handlers share.
#[derive(Debug)]
pub struct App {
    /// The index.
    pub index: Arc<Index>,
    /// Who may do what.
    pub auth: Authenticator,
    /// How this site presents itself.
    pub site: Site,
    /// What a form may hold.
    pub form: FormLimits,
}

/// How this site presents itself.
#[derive(Debug, Clone, Default)]
pub struct Site {
    /// The URL that clients know this server by, [`with_port`], where the request does not tell it.
    pub base_url: Option<String>,
    /// Networks whose `X-Forwarded-*` headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Where pip is sent for projects that are not here. No trailing slash.
    pub fallback_url: Option<String>,
    /// The page at `/`, in place of the built-in one.
    pub welcome: Option<Welcome>,
    /// `max-age` of files, in seconds; None: to be revalidated each time.
    pub max_age: Option<u32>,
    /// A further path that answers health checks.
    pub health_endpoint: Option<String>,
}

impl Site {
    /// Whether an address is that of a proxy that is believed.
    fn is_proxy(&self, peer: IpAddr) -> bool {
        let mut proxies = self.trusted_proxies.iter();
        proxies.any(|network| network.contains(&peer.to_canonical()))
    }
}

/// What an upload form may hold.
#[derive(Debug, Clone, Copy)]
pub struct FormLimits {
    /// Bytes of the file.
    pub upload_bytes: u64,
    /// Number of fields.
    pub fields: usize,
    /// Bytes of a field other than the file.
    pub field_bytes: usize,
    /// How long a client may send nothing.
    pub idle: Duration,
}

impl FormLimits {
    /// Bytes of a form whose length is announced. What the fields beside the file add is small change: together, no more
    /// than one may have.
    fn form_bytes(&self) -> u64 {
        self.upload_bytes.saturating_add(self.field_bytes as u64)
    }
}

/// The two ends of a connection.
#[derive(Debug)]
struct Connection {
    /// A dual-stack socket shows IPv4 peers as `::ffff:a.b.c.d`; here they are plain.
    peer: IpAddr,
    /// `peer` for the log.
    peer_text: String,
    local: SocketAddr,
    tls: Tls,
}

/// Whether a connection is encrypted.
#[derive(Debug)]
enum Tls {
    /// No. Files go out without passing through this process.
    None(wire::Outgoing),
    Spoken,
    /// The port is for HTTPS, and the client speaks plain HTTP.
    Missing,
}

impl Connection {
    fn new(peer: IpAddr, local: SocketAddr, tls: Tls) -> Self {
        let peer = peer.to_canonical();
        Self {
            peer,
            peer_text: peer.to_string(),
            local,
            tls,
        }
    }

    fn outgoing(&self) -> Option<&wire::Outgoing> {
        match &self.tls {
            Tls::None(outgoing) => Some(outgoing),
            Tls::Spoken | Tls::Missing => None,
        }
    }

    fn misses_tls(&self) -> bool {
        matches!(self.tls, Tls::Missing)
    }
}

/// A request that is being answered: what it came by; who sent it, and what it is about, as soon as that is known.
#[derive(Debug)]
struct Exchange {
    connection: Arc<Connection>,
    /// The connection's peer; behind a proxy that is believed, whom the proxy was asked by.
    client: IpAddr,
    user: OnceLock<UserName>,
    subject: request_log::Subject,
}

impl Exchange {
    fn new(connection: Arc<Connection>, client: IpAddr) -> Self {
        Self {
            connection,
            client,
            user: OnceLock::new(),
            subject: request_log::Subject::default(),
        }
    }

    /// `client` for the log.
    fn client_text(&self) -> Cow<'_, str> {
        if self.client == self.connection.peer {
            Cow::Borrowed(&self.connection.peer_text)
        } else {
            Cow::Owned(self.client.to_string())
        }
    }
}
