//! Whose a host name is. Called by `announce.rs` after a conflict, which need not be one: an mDNS reflector brings this
//! machine's own records back by another interface, and avahi on this machine may have the same host name.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use if_addrs::Interface;
use mdns_sd::{HostnameResolutionEvent, ScopedIp, ServiceDaemon};

use super::interfaces::Scope;

/// How long answers are waited for. It is asked at once and after a second: a host repeats no answer within a second.
const PATIENCE: Duration = Duration::from_secs(2);

/// Who answers to a host name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Holder {
    Nobody,
    /// All that answers has addresses of this machine.
    ThisMachine,
    /// Another host was heard on the interfaces of these names.
    AnotherHost(BTreeSet<String>),
}

impl Holder {
    /// Asks the LAN for the addresses of `label.local`.
    pub(super) fn of(label: &str, scope: &Scope) -> Result<Self, mdns_sd::Error> {
        let deadline = Instant::now() + PATIENCE;
        let asker = ServiceDaemon::new()?;
        asker.disable_interface(scope.excluded())?;
        let events = asker.resolve_hostname(&format!("{label}.local."), None)?;
        let mut heard = Heard::default();
        while let Ok(event) = events.recv_deadline(deadline) {
            if let HostnameResolutionEvent::AddressesFound(_, addresses) = event {
                addresses.iter().for_each(|address| heard.note(address));
            }
        }
        // It fails if the thread has ended already, which is what is wanted.
        let _ = asker.shutdown();
        Ok(heard.judge(&if_addrs::get_if_addrs().unwrap_or_default()))
    }
}

/// The addresses that were answered with, and the interfaces that each was heard on.
#[derive(Default)]
struct Heard(BTreeMap<IpAddr, BTreeSet<String>>);

impl Heard {
    fn note(&mut self, address: &ScopedIp) {
        let interfaces = match address {
            ScopedIp::V4(v4) => v4.interface_ids(),
            ScopedIp::V6(v6) => std::slice::from_ref(v6.scope_id()),
            _ => &[],
        };
        let names = interfaces.iter().map(|interface| interface.name.clone());
        self.0.entry(address.to_ip_addr()).or_default().extend(names);
    }

    fn judge(self, own: &[Interface]) -> Holder {
        if self.0.is_empty() {
            return Holder::Nobody;
        }
        let is_own = |ip: &IpAddr| own.iter().any(|interface| interface.ip() == *ip);
        let mut others = self.0.into_iter().filter(|(ip, _)| !is_own(ip)).peekable();
        match others.peek() {
            Some(_) => Holder::AnotherHost(others.flat_map(|(_, interfaces)| interfaces).collect()),
            None => Holder::ThisMachine,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mdns::interfaces::tests::interface;
    use mdns_sd::{InterfaceId, ScopedIpV4};

    fn heard(answers: &[([u8; 4], &str)]) -> Holder {
        let mut heard = Heard::default();
        for (ip, name) in answers {
            let interface = InterfaceId {
                name: (*name).to_owned(),
                index: 2,
            };
            heard.note(&ScopedIp::V4(ScopedIpV4::new((*ip).into(), interface)));
        }
        heard.judge(&[interface("eth0", [10, 77, 0, 1]), interface("eth1", [10, 78, 0, 1])])
    }

    #[test]
    fn a_name_is_another_hosts_where_one_address_is() {
        assert_eq!(heard(&[]), Holder::Nobody);
        let reflected = ([10, 78, 0, 1], "eth0");
        assert_eq!(heard(&[reflected, ([10, 77, 0, 1], "eth0")]), Holder::ThisMachine);
        assert_eq!(
            heard(&[reflected, ([10, 77, 0, 2], "eth1")]),
            Holder::AnotherHost(BTreeSet::from(["eth1".to_owned()]))
        );
    }
}
