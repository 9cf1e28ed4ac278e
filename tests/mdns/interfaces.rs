//! Which interfaces of a host are announced on.

use crate::LISTEN;
use crate::lan::Lan;
use crate::peers::{Listener, Server, discovered};

#[test]
fn container_bridges_and_loopback_stay_silent() {
    let Some(lan) = Lan::new() else { return };
    let host = lan.host_at("server", &["10.77.0.1/24"]);
    host.add_bridge("docker0", "172.17.0.1/16");
    let on_bridge = Listener::sniff(&host, "172.17.0.1");
    let _server = Server::announced(&host, LISTEN);
    let json = discovered(&lan.host_at("client", &["10.77.0.9/24"]), &["--json", "micropypi"]);
    assert!(!json.contains("172.17.0.1") && !json.contains("127.0.0.1"), "{json}");
    on_bridge.assert_none(|line| line.contains("172.17.0.1"));
}

#[test]
fn only_the_chosen_interfaces_are_announced_on() {
    let Some(lan) = Lan::new() else { return };
    let host = lan.host_at("server", &["10.77.0.1/24"]);
    lan.plug(&host, "wlan0", &["10.77.0.2/24"]);
    let configuration = format!("{LISTEN}\n[mdns]\nname = \"lab\"\ninterfaces = [\"wlan0\"]");
    let _server = Server::announced(&host, &configuration);
    let table = discovered(&lan.host_at("client", &["10.77.0.9/24"]), &["lab"]);
    assert!(table.contains("http://10.77.0.2:8089"), "{table}");
}

#[test]
fn a_server_that_listens_on_loopback_alone_is_not_announced() {
    let Some(lan) = Lan::new() else { return };
    let host = lan.host_at("server", &["10.77.0.1/24"]);
    let heard = Listener::sniff(&host, "10.77.0.1");
    let _local = Server::start(&host, "listen = [\"127.0.0.1:8090\"]\n[mdns]\nname = \"hidden\"");
    let _other = Server::announced(&host, LISTEN);
    heard.assert_none(|line| line.contains("hidden"));
}
