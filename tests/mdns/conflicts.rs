//! Conflicts on a second LAN: with another host, and those that are none, where the name of the server comes back to it by
//! a reflector, from another program of its host, or from itself.

use crate::lan::{Host, Lan};
use crate::peers::{Avahi, Listener, Server, eventually, found, is_goodbye};
use crate::{INDEX, LISTEN};

#[test]
fn behind_a_reflector_a_server_on_both_lans_keeps_its_name() {
    let (Some(lan), Some(other)) = (Lan::new(), Lan::new()) else {
        return;
    };
    let router = lan.host_at("router", &["10.77.0.254/24"]);
    other.plug(&router, "eth1", &["10.78.0.254/24"]);
    let _reflector = Avahi::reflector(&router);
    let host = lan.host_at("server", &["10.77.0.1/24"]);
    let server = Server::announced(&host, LISTEN);
    let client = other.host_at("client", &["10.78.0.9/24"]);
    eventually("the reflector works", || {
        (names(&client) == ["micropypi"]).then_some(())
    });

    other.plug(&host, "eth1", &["10.78.0.1/24"]);
    server.logged("the name stays");
    eventually("its address on the other LAN", || {
        found(&client, &[]).contains("http://10.78.0.1:8089").then_some(())
    });
    assert_eq!(names(&client), ["micropypi"]);
    assert!(!server.log().contains("micropypi-2"), "{}", server.log());
}

#[test]
fn a_second_link_beside_an_avahi_of_the_same_name_leaves_it() {
    let (Some(lan), Some(other)) = (Lan::new(), Lan::new()) else {
        return;
    };
    let host = lan.host_at("server", &["10.77.0.1/24"]);
    let _beside = Avahi::start(&host, "micropypi");
    let server = Server::announced(&host, LISTEN);
    let client = other.host_at("client", &["10.78.0.9/24"]);
    other.plug(&host, "eth1", &["10.78.0.1/24"]);
    eventually("its address on the second link", || {
        found(&client, &[])
            .contains("micropypi  http://10.78.0.1:8089")
            .then_some(())
    });
    assert!(!server.log().contains("micropypi-2"), "{}", server.log());
}

#[test]
fn a_second_link_after_a_change_of_the_records_leaves_the_first_lan_in_peace() {
    let (Some(lan), Some(other)) = (Lan::new(), Lan::new()) else {
        return;
    };
    let host = lan.host_at("server", &["10.77.0.1/24"]);
    let here = lan.host_at("client", &["10.77.0.9/24"]);
    let there = other.host_at("client", &["10.78.0.9/24"]);
    let server = Server::announced(&host, LISTEN);
    server.reconfigure("[auth]\nprotect = []");
    eventually("the change", || {
        found(&here, &["--json"])
            .contains("\"uploads_need_password\": false")
            .then_some(())
    });
    let heard = Listener::sniff(&here, "10.77.0.9");
    other.plug(&host, "eth1", &["10.78.0.1/24"]);
    eventually("its address on the second link", || {
        found(&there, &[])
            .contains("micropypi  http://10.78.0.1:8089")
            .then_some(())
    });
    heard.assert_none(|line| line.starts_with("micropypi-") || line.starts_with("micropypi ("));
    assert!(!server.log().contains("micropypi-2"), "{}", server.log());
}

#[test]
fn a_name_that_is_lost_on_one_lan_is_withdrawn_on_the_other_only() {
    let (Some(lan), Some(other)) = (Lan::new(), Lan::new()) else {
        return;
    };
    let host = lan.host_at("server", &["10.77.0.1/24"]);
    let server = Server::announced(&host, LISTEN);
    let _first = Server::announced(&other.host_at("first", &["10.78.0.2/24"]), LISTEN);
    let here = Listener::sniff(&lan.host_at("client", &["10.77.0.9/24"]), "10.77.0.9");
    let there = Listener::sniff(&other.host_at("client", &["10.78.0.9/24"]), "10.78.0.9");
    other.plug(&host, "eth1", &["10.78.0.1/24"]);
    server.logged("another host of this network is micropypi.local: this server is micropypi-2.local");
    let withdrawn = |line: &str| line.starts_with("micropypi._pypi._tcp.local. SRV 0 ");
    here.line("goodbye", withdrawn);
    there.line("the new name", |line| {
        line.starts_with("micropypi-2._pypi._tcp.local. SRV 120 ")
    });
    there.assert_none(withdrawn);
}

/// As a router's advertisement brings it (SLAAC). To several servers, since it did harm between two moments only.
#[test]
fn an_address_that_comes_while_the_name_is_announced_leaves_it() {
    let Some(lan) = Lan::new() else { return };
    let client = lan.host_at("client", &["10.77.0.9/24", "fd77::9/64"]);
    let heard = Listener::sniff(&client, "10.77.0.9");
    let browser = Listener::browse(&client, &[INDEX]);
    let _servers = [1, 2, 3, 4].map(|n| {
        let host = lan.host_at(&format!("server{n}"), &[&format!("10.77.0.{n}/24")]);
        let server = Server::start(&host, &format!("{LISTEN}\n[mdns]\nname = \"server{n}\""));
        server.logged("Serving ");
        host.ip(&["address", "add", &format!("fd77::{n}/64"), "dev", "eth0"]);
        server
    });
    for n in [1, 2, 3, 4] {
        browser.event("the address that came", |event| {
            event["name"] == format!("server{n}.{INDEX}")
                && event["addresses"].to_string().contains(&format!("fd77::{n}"))
        });
    }
    // A goodbye from a name that was never announced takes nothing away.
    heard.assert_none(|line| (line.contains("-2.") || line.contains(" (2).")) && !is_goodbye(line));
}

/// The names in the table of `discover`.
fn names(client: &Host) -> Vec<String> {
    let rows = found(client, &[]);
    let name = |row: &str| row.split(' ').next().map(str::to_owned);
    rows.lines().skip(1).filter_map(name).collect()
}
