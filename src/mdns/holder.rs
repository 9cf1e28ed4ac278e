//! Whose a name is. Called by `announce.rs` after a conflict, which need not be one: an mDNS reflector brings this
//! machine's own records back by another interface, and avahi on this machine may have the same host name.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use if_addrs::Interface;
use mdns_sd::{HostnameResolutionEvent, ResolvedService, ScopedIp, ServiceDaemon, ServiceEvent};

use super::INDEX_TYPE;
use super::service::Service;

/// How long answers are waited for. It is asked at once, after one second, and after three: a host repeats no answer within
/// a second, and a busy one takes its time.
const PATIENCE: Duration = Duration::from_secs(4);

/// Who answers to a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Holder {
    Nobody,
    /// All that answers has addresses of this machine, and speaks of no other server there.
    ThisMachine,
    /// Another host, or another server of this machine, was heard on the interfaces of these names.
    Another {
        what: &'static str,
        heard_on: BTreeSet<String>,
    },
}

impl Holder {
    /// Asks the LAN for the addresses of `label.local`, and for the ports and addresses of the index of this name.
    pub(super) fn of(label: &str, service: &Service) -> Result<Self, mdns_sd::Error> {
        let deadline = Instant::now() + PATIENCE;
        let asker = ServiceDaemon::new()?;
        let scope = service.scope();
        asker.disable_interface(scope.excluded())?;
        let indexes = asker.browse(INDEX_TYPE)?;
        let events = asker.resolve_hostname(&format!("{label}.local."), None)?;
        let mut heard = Heard::default();
        while let Ok(event) = events.recv_deadline(deadline) {
            if let HostnameResolutionEvent::AddressesFound(_, addresses) = event {
                for address in &addresses {
                    heard.note(address);
                }
            }
        }
        let name = format!("{label}.{INDEX_TYPE}");
        let is_ours = |index: &ResolvedService| {
            let mut addresses = index.addresses.iter().map(ScopedIp::to_ip_addr);
            index.port == service.port && addresses.all(|address| scope.listens_on(address))
        };
        heard.other_server = indexes.try_iter().any(
            |event| matches!(event, ServiceEvent::ServiceResolved(index) if index.fullname == name && !is_ours(&index)),
        );
        // It fails if the thread has ended already, which is what is wanted.
        asker.shutdown().ok();
        Ok(heard.judge(&if_addrs::get_if_addrs().unwrap_or_default()))
    }
}

/// What was answered with.
#[derive(Default)]
struct Heard {
    /// The addresses, and the interfaces that each was heard on.
    addresses: BTreeMap<IpAddr, BTreeSet<String>>,
    /// Whether an index is where this server is not.
    other_server: bool,
}

impl Heard {
    fn note(&mut self, address: &ScopedIp) {
        let interfaces = match address {
            ScopedIp::V4(v4) => v4.interface_ids(),
            ScopedIp::V6(v6) => std::slice::from_ref(v6.scope_id()),
            _ => &[],
        };
        let names = interfaces.iter().map(|interface| interface.name.clone());
        self.addresses.entry(address.to_ip_addr()).or_default().extend(names);
    }

    fn judge(self, own: &[Interface]) -> Holder {
        if self.addresses.is_empty() {
            return Holder::Nobody;
        }
        let is_own = |ip: &IpAddr| own.iter().any(|interface| interface.ip() == *ip);
        let (own, others): (BTreeMap<_, _>, _) = self.addresses.into_iter().partition(|(ip, _)| is_own(ip));
        let another = |what, heard: BTreeMap<_, BTreeSet<_>>| Holder::Another {
            what,
            heard_on: heard.into_values().flatten().collect(),
        };
        match others.is_empty() {
            false => another("host of this network", others),
            true if self.other_server => another("server of this machine", own),
            true => Holder::ThisMachine,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mdns::interfaces::tests::interface;
    use mdns_sd::{InterfaceId, ScopedIpV4};

    fn heard(answers: &[([u8; 4], &str)], other_server: bool) -> Holder {
        let mut heard = Heard {
            other_server,
            ..Heard::default()
        };
        for (ip, name) in answers {
            let interface = InterfaceId {
                name: (*name).to_owned(),
                index: 2,
            };
            heard.note(&ScopedIp::V4(ScopedIpV4::new((*ip).into(), interface)));
        }
        heard.judge(&[interface("eth0", [10, 77, 0, 1]), interface("eth1", [10, 78, 0, 1])])
    }

    fn another(what: &'static str, heard_on: &[&str]) -> Holder {
        Holder::Another {
            what,
            heard_on: heard_on.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    #[test]
    fn a_name_is_another_hosts_where_one_address_is() {
        assert_eq!(heard(&[], false), Holder::Nobody);
        let reflected = ([10, 78, 0, 1], "eth0");
        let own = [reflected, ([10, 77, 0, 1], "eth0")];
        assert_eq!(heard(&own, false), Holder::ThisMachine);
        let with_another = [reflected, ([10, 77, 0, 2], "eth1")];
        for other_server in [false, true] {
            let holder = another("host of this network", &["eth1"]);
            assert_eq!(heard(&with_another, other_server), holder);
        }
    }

    #[test]
    fn a_name_is_another_servers_where_this_machine_has_one() {
        let own = [([10, 77, 0, 1], "eth0"), ([10, 78, 0, 1], "eth1")];
        let holder = another("server of this machine", &["eth0", "eth1"]);
        assert_eq!(heard(&own, true), holder);
    }
}
