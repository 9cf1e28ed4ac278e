//! Who announces a package index on this LAN. Called by `discover.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use if_addrs::{IfAddr, Interface};
use mdns_sd::{IfKind, Receiver, ResolvedService, ScopedIp, ServiceDaemon, ServiceEvent};
use serde::Serialize;

use super::announce::share_port;
use super::{INDEX_TYPE, MdnsError};

/// A server found on the LAN. All of it comes from the network; its door lets only plain names and numbers in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Server {
    /// The host name without `.local`: `micropypi`, or `micropypi-2` for the second of that name.
    pub(super) name: String,
    /// The base URL, without a trailing slash. By address rather than by `.local` name where there is one: pip, uv and
    /// mip resolve names through a C library that knows `.local` only if nss-mdns or systemd-resolved is set up.
    pub(super) url: String,
    /// Where the URL leads: the port's owner as pip's `trusted-host` takes it, `HOST:PORT`.
    pub(super) authority: String,
    /// `http` or `https`.
    pub(super) scheme: &'static str,
    /// The addresses that it answered with; those of IPv6 only where there is none of IPv4.
    pub(super) addresses: BTreeSet<IpAddr>,
    /// The server's version.
    pub(super) version: Option<String>,
    /// Projects in its index.
    pub(super) projects: Option<usize>,
    /// What it speaks: `pip`, `upip`, `mip`.
    pub(super) protocols: Vec<String>,
    /// Whether an upload needs a password; true unless it says otherwise.
    pub(super) uploads_need_password: bool,
}

impl Server {
    /// None for an announcement that is none of a package index, or whose host name is not plain letters, digits and
    /// hyphens, or might be an option: it ends up in shells and configuration files.
    fn parse(found: &ResolvedService, own: &[Interface]) -> Option<Self> {
        let name = found.host.trim_end_matches('.').strip_suffix(".local")?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if name.is_empty() || name.starts_with('-') || !name.bytes().all(plain) {
            return None;
        }
        let txt = |key| found.txt_properties.get_property_val_str(key);
        let scheme = if txt("scheme") == Some("https") {
            "https"
        } else {
            "http"
        };
        let addresses: BTreeSet<IpAddr> = found.addresses.iter().map(ScopedIp::to_ip_addr).collect();
        let host = best_host(scheme, name, &addresses, own);
        let authority = format!("{host}:{}", found.port);
        Some(Self {
            name: name.to_ascii_lowercase(),
            url: format!("{scheme}://{authority}"),
            authority,
            scheme,
            addresses,
            version: txt("version").map(printable),
            projects: txt("projects").and_then(|number| number.parse().ok()),
            protocols: txt("protocols").map(list).unwrap_or_default(),
            uploads_need_password: txt("upload") != Some("open"),
        })
    }
}

/// Asks the LAN and listens for `timeout`; with a `name`, until a server of this name has answered.
///
/// IPv4 and IPv6 are asked apart, each without the other's answers: a server repeats an answer once a second only, and a
/// querier that has heard it over IPv6 takes it as known and is not told the IPv4 address.
///
/// # Errors
/// [`MdnsError::Port`] if another program has UDP port 5353 for itself.
pub(super) fn browse(timeout: Duration, name: Option<&str>) -> Result<Vec<Server>, MdnsError> {
    share_port()?;
    let deadline = Instant::now() + timeout;
    let v4 = Querier::start(IfKind::IPv6)?;
    let v6 = Querier::start(IfKind::IPv4)?;
    let mut found = Found::default();
    while let Ok(event) = v4.events.recv_deadline(deadline) {
        found.follow(event);
        if name.is_some_and(|name| found.is_known(name)) {
            break;
        }
    }
    let mut of_v6 = Found::default();
    for event in v6.events.try_iter() {
        of_v6.follow(event);
    }
    Ok(found.or(of_v6))
}

/// The servers so far, by name and port.
#[derive(Default)]
struct Found(BTreeMap<(String, u16), Server>);

impl Found {
    fn follow(&mut self, event: ServiceEvent) {
        if let ServiceEvent::ServiceResolved(service) = event {
            let own = if_addrs::get_if_addrs().unwrap_or_default();
            if let Some(server) = Server::parse(&service, &own) {
                self.0.insert((server.name.clone(), service.port), server);
            }
        }
    }

    /// Whether there is nothing more to wait for: an answer may hold an IPv6 address first, or none.
    fn is_known(&self, name: &str) -> bool {
        let known = |server: &Server| server.name == name && server.addresses.iter().any(IpAddr::is_ipv4);
        self.0.values().any(known)
    }

    /// These servers, and the others that are not among them.
    fn or(self, mut others: Self) -> Vec<Server> {
        others.0.extend(self.0);
        others.0.into_values().collect()
    }
}

/// mdns-sd with one question; it ends when dropped.
struct Querier {
    daemon: ServiceDaemon,
    events: Receiver<ServiceEvent>,
}

impl Querier {
    fn start(without: IfKind) -> Result<Self, mdns_sd::Error> {
        let daemon = ServiceDaemon::new()?;
        daemon.disable_interface(without)?;
        // A new server's address may come with its page's announcement, and is not repeated with its index's.
        daemon.accept_unsolicited(true)?;
        let events = daemon.browse(INDEX_TYPE)?;
        Ok(Self { daemon, events })
    }
}

impl Drop for Querier {
    fn drop(&mut self) {
        // It fails if the thread has ended already, which is what is wanted.
        self.daemon.shutdown().ok();
    }
}

/// The host of the base URL. A certificate names a host, so HTTPS keeps the name; so does a server that has nothing but
/// a link-local IPv6 address, which no URL can hold.
fn best_host(scheme: &str, name: &str, addresses: &BTreeSet<IpAddr>, own: &[Interface]) -> String {
    let best = addresses.iter().filter_map(|ip| Some((rank(*ip, own)?, ip))).min();
    match best {
        Some((_, IpAddr::V4(v4))) if scheme == "http" => v4.to_string(),
        Some((_, IpAddr::V6(v6))) if scheme == "http" => format!("[{v6}]"),
        _ => format!("{name}.local"),
    }
}

/// The lower the better: IPv4 before IPv6, because boards have no other; a neighbour before what needs a router.
fn rank(ip: IpAddr, own: &[Interface]) -> Option<u8> {
    match ip {
        IpAddr::V4(v4) if own.iter().any(|interface| is_neighbour(v4, interface)) => Some(0),
        IpAddr::V4(v4) if !v4.is_link_local() => Some(1),
        IpAddr::V4(_) => Some(2),
        IpAddr::V6(v6) if !v6.is_unicast_link_local() => Some(3),
        IpAddr::V6(_) => None,
    }
}

fn is_neighbour(ip: Ipv4Addr, interface: &Interface) -> bool {
    match &interface.addr {
        IfAddr::V4(own) => (ip & own.netmask) == (own.ip & own.netmask),
        IfAddr::V6(_) => false,
    }
}

fn printable(text: &str) -> String {
    text.chars().filter(char::is_ascii_graphic).take(40).collect()
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(printable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mdns::interfaces::tests::interface;
    use mdns_sd::ServiceInfo;

    fn found(host: &str, addresses: &str, txt: &[(&str, &str)]) -> Option<Server> {
        let info = ServiceInfo::new(INDEX_TYPE, "micropypi", host, addresses, 8089, txt).unwrap();
        Server::parse(&info.as_resolved_service(), &[lan()])
    }

    fn lan() -> Interface {
        interface("eth0", [192, 168, 1, 9])
    }

    #[test]
    fn the_url_has_the_address_that_is_reached_most_simply() {
        let url = |addresses| found("pi.local.", addresses, &[]).unwrap().url;
        assert_eq!(
            url("10.8.0.1,192.168.1.5,fe80::1,2001:db8::1"),
            "http://192.168.1.5:8089"
        );
        assert_eq!(url("169.254.7.7,10.8.0.1"), "http://10.8.0.1:8089");
        assert_eq!(url("fe80::1,2001:db8::1"), "http://[2001:db8::1]:8089");
        assert_eq!(url("fe80::1"), "http://pi.local:8089");
    }

    #[test]
    fn https_keeps_the_name_that_its_certificate_holds() {
        let server = found("pi.local.", "192.168.1.5", &[("scheme", "https")]).unwrap();
        assert_eq!(server.url, "https://pi.local:8089");
    }

    #[test]
    fn what_the_network_says_cannot_reach_a_shell() {
        for host in ["$(reboot).local.", "a'b.local.", "a b.local.", ".local.", "-rf.local."] {
            assert_eq!(found(host, "192.168.1.5", &[]), None, "{host}");
        }
        let server = found(
            "pi.local.",
            "192.168.1.5",
            &[("version", "1\u{1b}[2J\n"), ("projects", "x")],
        )
        .unwrap();
        assert_eq!(server.version.as_deref(), Some("1[2J"));
        assert_eq!(server.projects, None);
    }
}
