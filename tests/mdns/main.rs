//! mDNS between hosts: network namespaces on a bridge, asked by avahi, python-zeroconf, `micropypi discover` and
//! MicroPython. Needs root, iproute2, avahi-daemon, avahi-utils, dbus-daemon, and `tests/clients/install`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod boards;
mod conflicts;
mod lan;
mod peers;

use std::fs;

use lan::{Host, Lan};
use peers::{Avahi, Listener, MICROPYPI, Server, client, discover, discovered, eventually};

const LISTEN: &str = "listen = [\"[::]:8089\"]";
const INDEX: &str = "_pypi._tcp.local.";

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
fn discover_prints_what_each_client_needs() {
    let Some(lan) = Lan::new() else { return };
    let client = lan.host_at("client", &["10.77.0.2/24"]);
    let nobody = discover(&client, &[]);
    assert_eq!(nobody.status.code(), Some(1));
    let hint = String::from_utf8(nobody.stderr).unwrap();
    assert!(hint.contains("micropypi serve") && hint.contains("5353"), "{hint}");

    let _server = Server::announced(&lan.host_at("server", &["10.77.0.1/24", "fd77::1/64"]), LISTEN);
    let table = discovered(&client, &[]);
    let row: Vec<&str> = table.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(
        row,
        ["micropypi", "http://10.77.0.1:8089", env!("CARGO_PKG_VERSION"), "0"]
    );
    let json: serde_json::Value = serde_json::from_str(&discovered(&client, &["--json"])).unwrap();
    assert_eq!(json[0]["name"], "micropypi");
    assert_eq!(json[0]["url"], "http://10.77.0.1:8089");
    assert_eq!(json[0]["projects"], 0);
    for (flag, line) in [
        ("--pip", "trusted-host = 10.77.0.1:8089"),
        ("--uv", "url = \"http://10.77.0.1:8089/simple/\""),
        ("--pypirc", "repository = http://10.77.0.1:8089/"),
        ("--mip", "index=\"http://10.77.0.1:8089\""),
        ("--env", "export PIP_TRUSTED_HOST='10.77.0.1:8089'"),
    ] {
        let lines = discovered(&client, &[flag, "micropypi.local"]);
        assert!(lines.contains(line), "{flag}: {lines}");
    }
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
fn discover_says_when_another_program_has_the_port() {
    let Some(lan) = Lan::new() else { return };
    let client = lan.host_at("client", &["10.77.0.2/24"]);
    let hog = Listener::hog(&client);
    let output = discover(&client, &[]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("5353 (mDNS) cannot be shared"), "{said}");
    drop(hog);
}

#[test]
fn the_second_of_a_name_is_another_server() {
    let Some(lan) = Lan::new() else { return };
    let client = lan.host_at("client", &["10.77.0.9/24"]);
    let first = Server::announced(&lan.host_at("first", &["10.77.0.1/24"]), LISTEN);
    let goodbyes = Listener::sniff(&client, "10.77.0.9");
    let second = Server::announced(&lan.host_at("second", &["10.77.0.2/24"]), LISTEN);
    second.logged("another host of this network is micropypi.local: this server is micropypi-2.local");
    let withdrawn = |line: &String| line.contains(" 0 ");
    assert!(!goodbyes.lines().iter().any(withdrawn), "{:#?}", goodbyes.lines());

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
    let withdrawn = |line: &String| line.contains(" 0 ");
    assert!(!heard.lines().iter().any(withdrawn), "{:#?}", heard.lines());
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
            let lines = String::from_utf8(discover(&client, &["--mip", name]).stdout).unwrap();
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
fn pip_and_uv_install_by_the_shell_exports() {
    let Some(lan) = Lan::new() else { return };
    let server = Server::announced(&lan.host_at("server", &["10.77.0.1/24"]), LISTEN);
    let host = lan.host_at("client", &["10.77.0.2/24"]);
    server.publish("picozero-0.6.1-py3-none-any.whl");
    eventually("the server tells of its project", || {
        discovered(&host, &[]).contains(" 1\n").then_some(())
    });
    let folder = tempfile::tempdir().unwrap();
    for (name, installer) in [
        ("pip", format!("{} install --quiet --target", client("pip/bin/pip"))),
        ("uv", format!("{} pip install --quiet --target", client("uv/bin/uv"))),
    ] {
        let target = folder.path().join(name);
        let script = format!(
            "eval \"$({MICROPYPI} discover --env)\"; {installer} {} picozero",
            target.display()
        );
        let mut shell = host.command("sh");
        let settings = [
            ("PIP_CONFIG_FILE", "/dev/null"),
            ("PIP_RETRIES", "0"),
            ("UV_NO_CONFIG", "1"),
        ];
        let shell = shell.args(["-c", &script]).env("HOME", folder.path()).envs(settings);
        let output = shell.output().unwrap();
        assert!(target.join("picozero/__init__.py").exists(), "{name}: {output:?}");
    }
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
        let output = discover(&client, &["micropypi"]);
        let table = String::from_utf8(output.stdout).unwrap();
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
    assert!(
        !heard.lines().iter().any(|line| line.contains(" 0 ")),
        "{:#?}",
        heard.lines()
    );
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

#[test]
fn container_bridges_and_loopback_stay_silent() {
    let Some(lan) = Lan::new() else { return };
    let host = lan.host_at("server", &["10.77.0.1/24"]);
    host.add_bridge("docker0", "172.17.0.1/16");
    let on_bridge = Listener::sniff(&host, "172.17.0.1");
    let _server = Server::announced(&host, LISTEN);
    let json = discovered(&lan.host_at("client", &["10.77.0.9/24"]), &["--json", "micropypi"]);
    assert!(!json.contains("172.17.0.1") && !json.contains("127.0.0.1"), "{json}");
    let bridge_address = |line: &String| line.contains("172.17.0.1");
    assert!(
        !on_bridge.lines().iter().any(bridge_address),
        "{:#?}",
        on_bridge.lines()
    );
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
    let hidden = |line: &String| line.contains("hidden");
    assert!(!heard.lines().iter().any(hidden), "{:#?}", heard.lines());
}
