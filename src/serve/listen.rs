//! Listening sockets: systemd's, or our own. Called by `mod.rs`.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};

use super::ServeError;
use super::assemble::Assembly;
use crate::config::Config;
use crate::http::Listener;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// Where a socket listens. `Display` is the URL for a person to read.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// The address, with the port that was bound: the configuration may leave that to the system, by 0.
    pub address: SocketAddr,
    /// Whether it speaks HTTPS.
    pub tls: bool,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.address)
    }
}

/// A socket that listens.
pub(super) struct Bound {
    pub(super) place: Place,
    socket: TcpListener,
}

/// Takes the sockets that systemd passed, or binds the configured addresses. Of systemd's, those with a port of
/// `[tls] listen` speak HTTPS; all do when that is empty.
pub(super) fn bind(config: &Config, passed: Vec<TcpListener>) -> Result<Vec<Bound>, ServeError> {
    let separate = config.tls.as_ref().map_or(&[][..], |tls| &tls.listen);
    let all_tls = config.tls.is_some() && separate.is_empty();
    if !passed.is_empty() {
        let is_separate = |socket: &TcpListener| separate.iter().any(|address| has_port(socket, address.port()));
        let adopted = passed.into_iter().map(|socket| {
            let tls = all_tls || is_separate(&socket);
            adopt(socket, tls)
        });
        return adopted.collect();
    }
    let all = [&config.listen, separate].concat();
    let is_tls = |index| all_tls || index >= config.listen.len();
    let sockets = all.iter().enumerate();
    sockets
        .map(|(index, address)| adopt(open(*address, &all)?, is_tls(index)))
        .collect()
}

fn has_port(socket: &TcpListener, port: u16) -> bool {
    socket.local_addr().is_ok_and(|address| address.port() == port)
}

fn adopt(socket: TcpListener, tls: bool) -> Result<Bound, ServeError> {
    let address = socket.local_addr().map_err(ServeError::Runtime)?;
    let place = Place { address, tls };
    Ok(Bound { place, socket })
}

fn open(address: SocketAddr, all: &[SocketAddr]) -> Result<TcpListener, ServeError> {
    let ipv4_twin = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
    let is_any = address.ip() == Ipv6Addr::UNSPECIFIED;
    // Where `0.0.0.0` is listed as well, `[::]` leaves IPv4 to it.
    let only_v6 = is_any && all.contains(&ipv4_twin);
    let opened = listen(address, only_v6).or_else(|error| match Errno::from_io_error(&error) {
        // A kernel without IPv6.
        Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL) if is_any && !only_v6 => listen(ipv4_twin, false),
        _ => Err(error),
    });
    opened.map_err(|source| ServeError::Listen {
        address,
        hint: hint(&source),
        source,
    })
}

fn listen(address: SocketAddr, only_v6: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(only_v6)?;
    }
    // A restart must not wait for the old connections' TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; is another server running? Another port: --listen '[::]:8090', or -p 8090 after `micropypi run`"
        }
        io::ErrorKind::PermissionDenied => "; ports below 1024 need systemd's socket activation, or root",
        _ => "",
    }
}

/// The sockets, ready to accept.
pub(super) fn listeners(bound: Vec<Bound>, assembly: &Assembly) -> Vec<Listener> {
    let listener = |bound: Bound| Listener {
        socket: bound.socket,
        tls: assembly.tls.clone().filter(|_| bound.place.tls),
    };
    bound.into_iter().map(listener).collect()
}

/// The URLs for a person to read.
pub(super) fn describe(places: &[Place]) -> String {
    places.iter().map(Place::to_string).collect::<Vec<_>>().join(", ")
}
