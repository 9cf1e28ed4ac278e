//! Which of the machine's addresses are announced. Called by `announce.rs` and `holder.rs`.

use std::net::IpAddr;

use if_addrs::Interface;
use mdns_sd::{IfKind, IfPredicate};

/// Name prefixes of the bridges and virtual cables that container engines, virtual machines and Kubernetes make:
/// nobody behind them looks for this server, and their addresses mean nothing on the LAN.
const CONTAINER_PREFIXES: [&str; 13] = [
    "docker", "veth", "cni", "podman", "virbr", "vnet", "lxc", "lxdbr", "incusbr", "ve-", "vb-", "flannel", "cali",
];

/// The addresses that are announced.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    /// Names of interfaces; empty: all but loopback and container bridges.
    pub(super) interfaces: Vec<String>,
    /// The addresses listened on; `0.0.0.0` is every IPv4 address, `[::]` every address.
    pub(super) listen: Vec<IpAddr>,
}

impl Scope {
    /// The interfaces that the responder leaves alone, those that come later too.
    pub(super) fn excluded(&self) -> IfKind {
        let scope = self.clone();
        IfKind::Predicate(IfPredicate::new(move |interface| !scope.holds(interface)))
    }

    /// The chosen interfaces that the machine does not have now.
    pub(super) fn absent(&self) -> Vec<&str> {
        let present = if_addrs::get_if_addrs().unwrap_or_default();
        let absent = |name: &&str| present.iter().all(|interface| interface.name != **name);
        self.interfaces.iter().map(String::as_str).filter(absent).collect()
    }

    fn holds(&self, interface: &Interface) -> bool {
        self.is_chosen(interface) && self.listens_on(interface.ip())
    }

    /// Whether a client reaches this server at an address of the machine.
    pub(super) fn listens_on(&self, address: IpAddr) -> bool {
        self.listen.iter().any(|on| answers(*on, address))
    }

    fn is_chosen(&self, interface: &Interface) -> bool {
        if self.interfaces.is_empty() {
            !interface.is_loopback() && !is_container(&interface.name)
        } else {
            self.interfaces.contains(&interface.name)
        }
    }
}

fn is_container(name: &str) -> bool {
    CONTAINER_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || is_docker_network(name)
}

/// `br-` and the start of the network's id; `br-lan` is a LAN's own bridge.
fn is_docker_network(name: &str) -> bool {
    let id = name.strip_prefix("br-").unwrap_or_default();
    id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether a socket that listens on `on` is reached at `address`.
fn answers(on: IpAddr, address: IpAddr) -> bool {
    match on {
        IpAddr::V4(v4) if v4.is_unspecified() => address.is_ipv4(),
        IpAddr::V6(v6) if v6.is_unspecified() => true,
        _ => on == address,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use if_addrs::{IfAddr, IfOperStatus, Ifv4Addr};

    /// An interface in a /24 network.
    pub(in crate::mdns) fn interface(name: &str, ip: [u8; 4]) -> Interface {
        Interface {
            name: name.to_owned(),
            addr: IfAddr::V4(Ifv4Addr {
                ip: ip.into(),
                netmask: [255, 255, 255, 0].into(),
                prefixlen: 24,
                broadcast: None,
            }),
            index: Some(2),
            oper_status: IfOperStatus::Up,
            is_p2p: false,
        }
    }

    fn scope(interfaces: &[&str], listen: &[&str]) -> Scope {
        Scope {
            interfaces: interfaces.iter().map(|&name| name.to_owned()).collect(),
            listen: listen.iter().map(|ip| ip.parse().unwrap()).collect(),
        }
    }

    #[test]
    fn announces_the_lan_and_neither_loopback_nor_container_bridges() {
        let all = scope(&[], &["::"]);
        for name in ["eth0", "wlan0", "enp3s0", "br0", "end0", "br-lan", "br-0a1b2c3d4e5g"] {
            assert!(all.holds(&interface(name, [192, 168, 1, 5])), "{name}");
        }
        for name in [
            "docker0",
            "br-1f2e3d4c5b6a",
            "veth12ab",
            "cni0",
            "podman0",
            "virbr0",
            "lxcbr0",
            "incusbr0",
            "ve-web",
            "vb-web",
        ] {
            assert!(!all.holds(&interface(name, [172, 17, 0, 1])), "{name}");
        }
        assert!(!all.holds(&interface("lo", [127, 0, 0, 1])));
    }

    #[test]
    fn announces_what_was_asked_for_and_nothing_else() {
        let chosen = scope(&["docker0", "lo"], &["0.0.0.0"]);
        assert!(chosen.holds(&interface("docker0", [172, 17, 0, 1])));
        assert!(chosen.holds(&interface("lo", [127, 0, 0, 1])));
        assert!(!chosen.holds(&interface("eth0", [192, 168, 1, 5])));
    }

    #[test]
    fn announces_only_addresses_that_are_listened_on() {
        let one = scope(&[], &["192.168.1.5"]);
        assert!(one.holds(&interface("eth0", [192, 168, 1, 5])));
        assert!(!one.holds(&interface("eth1", [10, 0, 0, 5])));
    }
}
