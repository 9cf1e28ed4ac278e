//! What is announced, as avahi and python-zeroconf hear it: when a server starts, is reloaded, changes its address, ends.

use std::fs;

use crate::lan::Lan;
use crate::peers::{Avahi, Listener, Server, discover, discovered, eventually, found, is_goodbye};
use crate::{INDEX, LISTEN};

#[test]
fn avahi_resolves_the_host_and_lists_both_services() {
    let Some(lan) = Lan::new() else { return };
    let server = Server::announced(&lan.host_at("server", &["10.77.0.1/24"]), LISTEN);
    let avahi = Avahi::start(&lan.host_at("client", &["10.77.0.2/24"]), "client");
    assert_eq!(avahi.resolve("micropypi.local").as_deref(), Some("10.77.0.1"));
    // Asked by IPv4, avahi tells any address of the host that it knows, now and then the link-local one of IPv6.
    let index = eventually("avahi tells the address of IPv4", || {
        let by_ipv4 = ";IPv4;micropypi;_pypi._tcp;local;micropypi.local;10.77.0.1;8089;";
        Some(avahi.browse("_pypi._tcp")).filter(|index| index.contains(by_ipv4))
    });
    for part in [
        "\"path=/simple/\"",
        "\"txtvers=1\"",
        "\"protocols=pip,upip,mip\"",
        "\"upload=password\"",
        concat!("\"version=", env!("CARGO_PKG_VERSION"), "\""),
    ] {
        assert!(index.contains(part), "{part} is not in {index}");
    }
    let page = avahi.browse("_http._tcp");
    assert!(page.contains(";micropypi.local;10.77.0.1;8089;\"path=/\""), "{page}");
    server.terminate();
    eventually("avahi forgets", || avahi.browse("_pypi._tcp").is_empty().then_some(()));
}

#[test]
fn python_zeroconf_sees_it_come_and_go_with_both_kinds_of_address() {
    let Some(lan) = Lan::new() else { return };
    let browser = Listener::browse(
        &lan.host_at("client", &["10.77.0.2/24", "fd77::2/64"]),
        &[INDEX, "_http._tcp.local."],
    );
    let server = Server::start(&lan.host_at("server", &["10.77.0.1/24", "fd77::1/64"]), LISTEN);
    for name in ["micropypi._http._tcp.local.", "micropypi._pypi._tcp.local."] {
        let seen = browser.event(name, |event| {
            event["name"] == name && event["addresses"].to_string().contains("fd77::1")
        });
        assert_eq!(seen["host"], "micropypi.local.");
        assert_eq!(seen["port"], 8089);
        assert!(seen["addresses"].to_string().contains("10.77.0.1"), "{seen}");
    }
    server.terminate();
    for name in ["micropypi._http._tcp.local.", "micropypi._pypi._tcp.local."] {
        browser.event("goodbye", |event| event["event"] == "gone" && event["name"] == name);
    }
}

#[test]
fn with_tls_the_announcement_says_https() {
    let Some(lan) = Lan::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| folder.path().join(name));
    let pair = rcgen::generate_simple_self_signed(["micropypi.local".to_owned()]).unwrap();
    fs::write(&certificate, pair.cert.pem()).unwrap();
    fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
    let configuration =
        format!("{LISTEN}\n[tls]\ncertificate = {certificate:?}\nkey = {key:?}\nlisten = [\"[::]:8443\"]");
    let _server = Server::announced(&lan.host_at("server", &["10.77.0.1/24"]), &configuration);
    let client = lan.host_at("client", &["10.77.0.2/24"]);
    let avahi = Avahi::start(&client, "client");
    let page = avahi.browse("_https._tcp");
    assert!(page.contains(";micropypi.local;10.77.0.1;8443;"), "{page}");
    assert_eq!(avahi.browse("_http._tcp"), "");
    let pip = discovered(&client, &["--pip", "micropypi"]);
    assert!(
        pip.contains("extra-index-url = https://micropypi.local:8443/simple/"),
        "{pip}"
    );
    assert!(!pip.contains("trusted-host ="), "{pip}");
}

#[test]
fn a_reload_that_opens_the_uploads_is_announced() {
    let Some(lan) = Lan::new() else { return };
    let client = lan.host_at("client", &["10.77.0.2/24"]);
    let server = Server::announced(&lan.host_at("server", &["10.77.0.1/24"]), LISTEN);
    let need_password = || {
        let json = discovered(&client, &["--json", "micropypi"]);
        serde_json::from_str::<serde_json::Value>(&json).unwrap()[0]["uploads_need_password"].clone()
    };
    assert_eq!(need_password(), true);
    server.reconfigure("[auth]\nprotect = []");
    eventually("everybody may upload", || (need_password() == false).then_some(()));
}

#[test]
fn a_link_that_comes_back_and_an_address_that_changes_are_announced() {
    let Some(lan) = Lan::new() else { return };
    let host = lan.host_at("server", &["10.77.0.1/24"]);
    let client = lan.host_at("client", &["10.77.0.9/24"]);
    let server = Server::announced(&host, &format!("{LISTEN}\n[log]\nlevel = \"debug\""));
    let heard = Listener::sniff(&client, "10.77.0.9");
    let announced_from = |address: &str| {
        let source = format!(" {address}");
        heard.line(address, |line| {
            line.starts_with("micropypi.local. A ") && line.ends_with(&source)
        });
    };

    host.ip(&["link", "set", "eth0", "down"]);
    server.logged("an address is gone address=10.77.0.1");
    heard.forget();
    host.ip(&["link", "set", "eth0", "up"]);
    announced_from("10.77.0.1");

    heard.forget();
    host.ip(&["address", "add", "10.77.0.7/24", "dev", "eth0"]);
    host.ip(&["address", "del", "10.77.0.1/24", "dev", "eth0"]);
    host.ip(&["address", "replace", "10.77.0.7/24", "dev", "eth0"]);
    announced_from("10.77.0.7");
    let table = eventually("the new address", || {
        let table = found(&client, &["micropypi"]);
        (!table.contains("10.77.0.1:")).then_some(table)
    });
    assert!(table.contains("http://10.77.0.7:8089"), "{table}");

    heard.forget();
    lan.plug(&host, "wlan0", &["10.77.0.5/24"]);
    announced_from("10.77.0.5");
}

#[test]
fn a_killed_server_is_forgotten_when_its_records_expire() {
    let Some(lan) = Lan::new() else { return };
    let client = lan.host_at("client", &["10.77.0.9/24"]);
    let heard = Listener::sniff(&client, "10.77.0.9");
    let server = Server::announced(&lan.host_at("server", &["10.77.0.1/24"]), LISTEN);
    heard.line("the host's record lives for two minutes", |line| {
        line.starts_with("micropypi.local. A 120 flush")
    });
    heard.line("so does its service's", |line| {
        line.starts_with("micropypi._pypi._tcp.local. SRV 120 flush")
    });
    assert!(discovered(&client, &["micropypi"]).contains("10.77.0.1"));
    server.kill();
    assert_eq!(discover(&client, &[]).status.code(), Some(1));
    heard.assert_none(is_goodbye);
}
