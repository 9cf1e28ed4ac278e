//! A LAN of network namespaces: a bridge as the switch, a veth pair as each cable.

use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A switch and its hosts; all of it is gone when dropped.
pub(crate) struct Lan {
    id: String,
    namespaces: Mutex<Vec<String>>,
    cables: AtomicUsize,
}

/// A machine of its own on the LAN, as far as the network is concerned.
#[derive(Clone)]
pub(crate) struct Host {
    namespace: String,
}

impl Lan {
    /// None, with a message, where the tests may not make network namespaces.
    pub(crate) fn new() -> Option<Self> {
        static LANS: AtomicUsize = AtomicUsize::new(0);
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: only root can make network namespaces");
            return None;
        }
        let number = LANS.fetch_add(1, Ordering::Relaxed);
        let lan = Self {
            id: format!("mpy{}-{number}", std::process::id()),
            namespaces: Mutex::default(),
            cables: AtomicUsize::default(),
        };
        let switch = lan.namespace("switch");
        ip(&[
            "-n",
            &switch,
            "link",
            "add",
            "name",
            "br0",
            "type",
            "bridge",
            "mcast_snooping",
            "0",
        ]);
        ip(&["-n", &switch, "link", "set", "br0", "up"]);
        Some(lan)
    }

    /// A host without a cable; `route` sends multicast out of the interface that gets it.
    pub(crate) fn host(&self, name: &str) -> Host {
        let host = Host {
            namespace: self.namespace(name),
        };
        // An address that is still being probed for duplicates cannot be used for a second or two.
        host.run("sh", &["-c", "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad"]);
        host
    }

    /// A host with one interface, `eth0`, with these addresses.
    pub(crate) fn host_at(&self, name: &str, addresses: &[&str]) -> Host {
        let host = self.host(name);
        self.plug(&host, "eth0", addresses);
        host.ip(&["route", "add", "224.0.0.0/4", "dev", "eth0"]);
        host
    }

    /// Lays a cable from the switch to a new interface of `host`.
    pub(crate) fn plug(&self, host: &Host, interface: &str, addresses: &[&str]) {
        let switch = format!("{}-switch", self.id);
        let port = format!("port{}", self.cables.fetch_add(1, Ordering::Relaxed));
        let peer = ["peer", "name", interface, "netns", &host.namespace];
        ip(&[
            &["-n", &switch, "link", "add", "name", &port, "type", "veth"],
            &peer[..],
        ]
        .concat());
        ip(&["-n", &switch, "link", "set", &port, "master", "br0", "up"]);
        host.address(interface, addresses);
    }

    fn namespace(&self, name: &str) -> String {
        let namespace = format!("{}-{name}", self.id);
        ip(&["netns", "add", &namespace]);
        self.namespaces.lock().unwrap().push(namespace.clone());
        ip(&["-n", &namespace, "link", "set", "lo", "up"]);
        namespace
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        for namespace in self.namespaces.lock().unwrap().iter() {
            ip(&["netns", "del", namespace]);
        }
    }
}

impl Host {
    /// `program`, to be started on this host with nothing of this process's environment.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LANG", "C.UTF-8");
        command.args(["netns", "exec", &self.namespace, program]);
        command
    }

    /// Runs `program` to its end, which must be a good one, and gives its stdout.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.command(program).args(arguments).output().unwrap();
        stdout(&format!("{program} {arguments:?}"), &output)
    }

    /// `ip` on this host.
    pub(crate) fn ip(&self, arguments: &[&str]) {
        ip(&[&["-n", &self.namespace], arguments].concat());
    }

    /// A bridge as container engines make it.
    pub(crate) fn add_bridge(&self, name: &str, address: &str) {
        self.ip(&["link", "add", "name", name, "type", "bridge", "mcast_snooping", "0"]);
        self.address(name, &[address]);
    }

    fn address(&self, interface: &str, addresses: &[&str]) {
        for address in addresses {
            self.ip(&["address", "add", address, "dev", interface]);
        }
        self.ip(&["link", "set", interface, "up"]);
    }
}

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output();
    let output = output.expect("the tests of mDNS need `ip`: apt-get install iproute2");
    stdout(&format!("ip {arguments:?}"), &output);
}

fn stdout(what: &str, output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{what}: {}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}
