//! Behind a proxy: which URL boards and host tools are given.

use crate::dists::Dist;
use crate::harness::{Server, Site};
use crate::raw::Request;

fn url(server: &Server, headers: &[(&str, &str)]) -> String {
    let request = headers
        .iter()
        .fold(Request::get("/blinky/json"), |request, (name, value)| {
            request.header(name, value)
        });
    let answer = server.send(request);
    answer.json()["releases"]["1.0"][0]["url"].as_str().unwrap().to_owned()
}

fn site() -> Site {
    Site::new().package(&Dist::sdist("blinky", "1.0"))
}

const FORWARDED: [(&str, &str); 3] = [
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "pkg.example"),
    ("X-Forwarded-Prefix", "/pypi-lan"),
];

#[test]
fn a_trusted_proxy_is_believed() {
    let server = site().set("trusted_proxies", r#"["127.0.0.0/8"]"#).start();
    assert!(url(&server, &FORWARDED).starts_with("https://pkg.example:443/pypi-lan/"));
    let two_proxies = [
        ("X-Forwarded-Proto", "https, http"),
        ("X-Forwarded-Host", "outer.example:8443, inner"),
    ];
    assert!(url(&server, &two_proxies).starts_with("https://outer.example:8443/"));
    let crooked = [("X-Forwarded-Host", "a\"b"), ("X-Forwarded-Proto", "javascript")];
    let request = crooked
        .iter()
        .fold(Request::get("/blinky/json"), |request, (name, value)| {
            request.header(name, value)
        });
    assert!(!String::from_utf8_lossy(&server.send(request).body).contains("javascript"));
}

#[test]
fn the_log_names_the_client_behind_a_trusted_proxy() {
    let server = site().set("trusted_proxies", r#"["127.0.0.0/8"]"#).start();
    for target in ["/simple/blinky/", "/simple/Blinky/"] {
        server.send(Request::get(target).header("X-Forwarded-For", "192.0.2.7"));
        let about = format!("GET {target} 200 ");
        server.await_log(&about);
        let log = server.log();
        let line = log.lines().find(|line| line.contains(&about)).unwrap();
        assert!(line.ends_with(" peer=192.0.2.7"), "{line}");
    }
}

#[test]
fn nobody_else_is() {
    let server = site().set("trusted_proxies", r#"["192.0.2.0/24"]"#).start();
    assert!(url(&server, &FORWARDED).starts_with(&format!("{}/", server.url())));
    let server = site().start();
    assert!(url(&server, &FORWARDED).starts_with(&format!("{}/", server.url())));
}

/// What mip, whose `Host` lacks the port, is given.
fn mip_url(server: &Server, headers: &[(&str, &str)]) -> String {
    let request = Request::board("/blinky/package.json").header("Host", "127.0.0.1");
    let request = { headers.iter() }.fold(request, |request, (name, value)| request.header(name, value));
    server.send(request).json()["urls"][0][1].as_str().unwrap().to_owned()
}

#[test]
fn a_board_with_the_address_of_a_trusted_proxy_is_answered_as_a_board() {
    let server = site().set("trusted_proxies", r#"["127.0.0.0/8"]"#).start();
    assert!(mip_url(&server, &[]).starts_with(&format!("{}/file/", server.url())));
    for header in [("X-Forwarded-For", "192.0.2.7"), ("X-Forwarded-Proto", "http")] {
        assert!(
            mip_url(&server, &[header]).starts_with("http://127.0.0.1:80/file/"),
            "{header:?}"
        );
    }
}

#[test]
fn the_configured_base_url_wins() {
    let site = site()
        .set("trusted_proxies", r#"["127.0.0.0/8"]"#)
        .set("base_url", r#""http://pi.example:8080/pkg""#);
    let server = site.start();
    assert!(url(&server, &FORWARDED).starts_with("http://pi.example:8080/pkg/"));
    let json = server.get("/pypi/blinky/json").json();
    assert!(
        json["urls"][0]["url"]
            .as_str()
            .unwrap()
            .starts_with("http://pi.example:8080/pkg/"),
        "{json}"
    );
}

#[test]
fn a_target_with_a_host_goes_before_the_header() {
    let server = site().start();
    let url = |target: &str| {
        let answer = server.send(Request::get(target).header("Host", "x:1"));
        answer.json()["releases"]["1.0"][0]["url"].as_str().unwrap().to_owned()
    };
    for target in [
        "http://other.example:99/blinky/json",
        "http://other.example:99/Blinky/json",
    ] {
        assert!(url(target).starts_with("http://other.example:99/"), "{target}");
    }
}

#[test]
fn pages_hold_relative_links_so_that_any_prefix_works() {
    let server = site().start();
    for target in ["/simple/", "/simple/blinky/", "/blinky/", "/packages/"] {
        let page = server.get(target);
        assert!(
            !page.text().contains("href=\"http") && !page.text().contains("href=\"/"),
            "{target}: {}",
            page.text()
        );
    }
}
