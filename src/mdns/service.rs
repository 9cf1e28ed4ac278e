//! What a server says of itself: its name and its records. Called by `serve/` and `announce.rs`.

use std::net::IpAddr;

use mdns_sd::ServiceInfo;

use super::INDEX_TYPE;
use super::interfaces::Scope;

/// The longest name of a server: a label of a host name has 63 bytes, and a conflict may add `-99`.
pub const NAME_MAX: usize = 60;

/// What is announced.
#[derive(Debug, Clone)]
pub struct Service {
    /// The host name without `.local`, and the name of the service instances: a label in lower case, for mdns-sd announces
    /// others once instead of twice. The configuration sees to that.
    pub name: String,
    /// The TCP port of the base URL.
    pub port: u16,
    /// Whether that port speaks HTTPS.
    pub tls: bool,
    /// What changes while it serves; [`super::Announcer`] keeps it true.
    pub state: State,
    /// The addresses listened on; only these are announced. `0.0.0.0` is every IPv4 address, `[::]` every address.
    pub listen: Vec<IpAddr>,
    /// Names of the interfaces to announce on; empty: all but loopback and container bridges.
    pub interfaces: Vec<String>,
}

/// How a name begins on the LAN (RFC 6762, section 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    /// By asking whether another host has it.
    Probing,
    /// At once: it is ours already.
    Announcing,
}

/// What changes of a service while it serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// Projects in the index.
    pub projects: usize,
    /// Whether an upload needs a password.
    pub uploads_need_password: bool,
}

impl Service {
    /// Whether anybody else could reach the server: not if it listens on loopback alone, unless that was asked for.
    pub fn reaches_the_lan(&self) -> bool {
        !self.interfaces.is_empty() || self.listen.iter().any(|ip| !ip.is_loopback())
    }

    pub(super) fn records(&self, label: &str, state: State, begin: Begin) -> Result<[ServiceInfo; 2], mdns_sd::Error> {
        let page = [("txtvers", "1".to_owned()), ("path", "/".to_owned())];
        Ok([
            self.record(self.page_type(), label, &page, begin)?,
            self.record(INDEX_TYPE, label, &self.index_txt(state), begin)?,
        ])
    }

    fn record(
        &self,
        service_type: &str,
        label: &str,
        txt: &[(&str, String)],
        begin: Begin,
    ) -> Result<ServiceInfo, mdns_sd::Error> {
        let host = format!("{label}.local.");
        let mut info = ServiceInfo::new(service_type, label, &host, "", self.port, txt)?.enable_addr_auto();
        info.set_requires_probe(begin == Begin::Probing);
        Ok(info)
    }

    fn index_txt(&self, state: State) -> [(&'static str, String); 7] {
        let upload = if state.uploads_need_password {
            "password"
        } else {
            "open"
        };
        [
            ("txtvers", "1".to_owned()),
            ("path", "/simple/".to_owned()),
            ("scheme", self.scheme().to_owned()),
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("protocols", "pip,upip,mip".to_owned()),
            ("upload", upload.to_owned()),
            ("projects", state.projects.to_string()),
        ]
    }

    pub(super) fn page_type(&self) -> &'static str {
        if self.tls {
            "_https._tcp.local."
        } else {
            "_http._tcp.local."
        }
    }

    pub(super) fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }

    pub(super) fn scope(&self) -> Scope {
        Scope {
            interfaces: self.interfaces.clone(),
            listen: self.listen.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_alone_does_not_reach_the_lan() {
        let mut service = Service {
            name: "micropypi".to_owned(),
            port: 8089,
            tls: false,
            state: State {
                projects: 0,
                uploads_need_password: true,
            },
            listen: vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()],
            interfaces: Vec::new(),
        };
        assert!(!service.reaches_the_lan());
        service.listen.push("::".parse().unwrap());
        assert!(service.reaches_the_lan());
    }
}
