//! The names of servers on one LAN: the second of a name takes another, and nobody is taken for a second.

use crate::LISTEN;
use crate::lan::{Host, Lan};
use crate::peers::{Avahi, Listener, Server, discover, discovered, eventually, found, is_goodbye};

#[test]
fn the_second_of_a_name_is_another_server() {
    let Some(lan) = Lan::new() else { return };
    let client = lan.host_at("client", &["10.77.0.9/24"]);
    let first = Server::announced(&lan.host_at("first", &["10.77.0.1/24"]), LISTEN);
    let goodbyes = Listener::sniff(&client, "10.77.0.9");
    let second = Server::announced(&lan.host_at("second", &["10.77.0.2/24"]), LISTEN);
    second.logged("another host of this network is micropypi.local: this server is micropypi-2.local");
    goodbyes.assert_none(is_goodbye);

    let avahi = Avahi::start(&client, "client");
    let names =
        || [avahi.resolve("micropypi.local"), avahi.resolve("micropypi-2.local")].map(Option::unwrap_or_default);
    assert_eq!(names(), ["10.77.0.1", "10.77.0.2"]);
    let index = avahi.browse("_pypi._tcp");
    assert!(
        index.contains(";micropypi;_pypi._tcp;local;micropypi.local;10.77.0.1;8089;"),
        "{index}"
    );
    assert!(
        index.contains(";micropypi-2;_pypi._tcp;local;micropypi-2.local;10.77.0.2;8089;"),
        "{index}"
    );

    let undecided = discover(&client, &["--env"]);
    assert!(!undecided.status.success() && undecided.stdout.is_empty());
    let choice = String::from_utf8(undecided.stderr).unwrap();
    assert!(
        choice.contains("micropypi ") && choice.contains("micropypi-2 "),
        "{choice}"
    );
    assert!(discovered(&client, &["--env", "micropypi-2"]).contains("http://10.77.0.2:8089/simple/"));

    first.terminate();
    eventually("only the second is left", || {
        (!avahi.browse("_pypi._tcp").contains("10.77.0.1")).then_some(())
    });
    assert_eq!(avahi.resolve("micropypi-2.local").as_deref(), Some("10.77.0.2"));
}

/// The server of this name is found, and at this URL.
fn assert_named(client: &Host, name: &str, url: &str) {
    let mip = discovered(client, &["--mip", name]);
    assert!(mip.contains(&format!("index=\"{url}\"")), "{name}: {mip}");
}

#[test]
fn so_is_the_second_on_one_host() {
    let Some(lan) = Lan::new() else { return };
    let client = lan.host_at("client", &["10.77.0.9/24"]);
    let host = lan.host_at("server", &["10.77.0.1/24"]);
    let first = Server::announced(&host, LISTEN);
    let heard = Listener::sniff(&client, "10.77.0.9");
    let second = Server::announced(&host, "listen = [\"[::]:8090\"]");
    second.logged("another server of this machine is micropypi.local: this server is micropypi-2.local");
    assert_named(&client, "micropypi", "http://10.77.0.1:8089");
    assert_named(&client, "micropypi-2", "http://10.77.0.1:8090");
    heard.assert_none(is_goodbye);
    assert!(!first.log().contains("micropypi-2"), "{}", first.log());
}

#[test]
fn so_is_one_at_the_same_port_of_another_address() {
    let Some(lan) = Lan::new() else { return };
    let client = lan.host_at("client", &["10.77.0.9/24"]);
    let host = lan.host_at("server", &["10.77.0.1/24", "10.77.0.2/24"]);
    let first = Server::announced(&host, "listen = [\"10.77.0.1:8089\"]");
    let second = Server::announced(&host, "listen = [\"10.77.0.2:8089\"]");
    second.logged("another server of this machine is micropypi.local: this server is micropypi-2.local");
    assert_named(&client, "micropypi", "http://10.77.0.1:8089");
    assert_named(&client, "micropypi-2", "http://10.77.0.2:8089");
    assert!(!first.log().contains("micropypi-2"), "{}", first.log());
}

#[test]
fn two_that_start_at_once_agree_on_two_names() {
    let Some(lan) = Lan::new() else { return };
    let hosts = [lan.host_at("a", &["10.77.0.1/24"]), lan.host_at("b", &["10.77.0.2/24"])];
    let servers = hosts.each_ref().map(|host| Server::start(host, LISTEN));
    for server in &servers {
        server.logged("announced by mDNS");
    }
    let client = lan.host_at("client", &["10.77.0.9/24"]);
    // In its first second a server may repeat nothing, so that the first look can miss an address.
    let url = |name: &str| {
        eventually(name, || {
            let lines = found(&client, &["--mip", name]);
            let url = lines.split('"').nth(3)?;
            url.starts_with("http://10.77.0.").then(|| url.to_owned())
        })
    };
    let mut urls = ["micropypi", "micropypi-2"].map(url);
    urls.sort_unstable();
    assert_eq!(urls, ["http://10.77.0.1:8089", "http://10.77.0.2:8089"]);
}

#[test]
fn a_server_with_two_cables_to_one_lan_keeps_its_name() {
    let Some(lan) = Lan::new() else { return };
    let host = lan.host_at("server", &["10.77.0.1/24"]);
    lan.plug(&host, "wlan0", &["10.77.0.2/24"]);
    let _server = Server::announced(&host, LISTEN);
    let table = discovered(&lan.host_at("client", &["10.77.0.9/24"]), &[]);
    assert_eq!(table.lines().count(), 2, "{table}");
    assert!(table.contains("micropypi "), "{table}");
}

#[test]
fn it_lives_beside_avahi_on_one_host() {
    let Some(lan) = Lan::new() else { return };
    let host = lan.host_at("server", &["10.77.0.1/24"]);
    let beside = Avahi::start(&host, "pi");
    let server = Server::announced(&host, LISTEN);
    let client = lan.host_at("client", &["10.77.0.9/24"]);
    let avahi = Avahi::start(&client, "client");
    assert_eq!(avahi.resolve("pi.local").as_deref(), Some("10.77.0.1"));
    assert_eq!(avahi.resolve("micropypi.local").as_deref(), Some("10.77.0.1"));
    assert!(beside.browse("_pypi._tcp").contains(";micropypi.local;10.77.0.1;8089;"));
    assert!(discovered(&client, &["micropypi"]).contains("http://10.77.0.1:8089"));
    assert!(discovered(&host, &["micropypi"]).contains("http://10.77.0.1:8089"));
    server.terminate();
    eventually("avahi forgets micropypi", || {
        avahi.browse("_pypi._tcp").is_empty().then_some(())
    });
    assert_eq!(avahi.resolve("pi.local").as_deref(), Some("10.77.0.1"));
}
