//! `/simple/` and `/{project}/`: PEP 503, 592, 658, 691, 700 and 714 as bytes. Pip and uv read them in `pip_uv`.

use std::fs;

use crate::dists::{Dist, metadata};
use crate::form::{Form, sha256};
use crate::harness::{Server, Site, eventually};
use crate::raw::Request;

pub(crate) const JSON: &str = "application/vnd.pypi.simple.v1+json";

fn server_with(dists: &[Dist]) -> Server {
    Site::holding(dists).start()
}

fn json(server: &Server, target: &str) -> serde_json::Value {
    let answer = server.send(Request::get(target).header("Accept", JSON));
    assert_eq!(answer.header("content-type"), Some(JSON));
    answer.json()
}

#[test]
fn the_root_lists_projects_in_html_and_json() {
    let server = server_with(&[Dist::sdist("Blinky_LED", "1.0"), Dist::wheel("abacus", "2.0")]);
    let html = server.get("/simple/");
    assert_eq!(html.status, 200);
    assert!(html.header("content-type").unwrap().starts_with("text/html"));
    assert!(
        html.text().contains(r#"<a href="abacus/">abacus</a>"#),
        "{}",
        html.text()
    );
    let json = json(&server, "/simple/");
    assert_eq!(json["meta"]["api-version"], "1.1");
    let names: Vec<_> = json["projects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|project| project["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["abacus", "blinky-led"]);
}

#[test]
fn a_project_has_what_pip_needs() {
    let dist = Dist::wheel_with("blinky", "1.0", "Requires-Python: >=3.8, <4\n");
    let core = metadata("blinky", "1.0", "Requires-Python: >=3.8, <4\n");
    let site = Site::holding(std::slice::from_ref(&dist)).dated(&dist, 1_234_567_890_123_456);
    let server = site.start();
    let page = server.get("/simple/blinky/");
    let html = page.text();
    assert!(html.contains(&format!("#sha256={}", sha256(&dist.bytes))), "{html}");
    assert!(html.contains(r#"data-requires-python="&gt;=3.8, &lt;4""#), "{html}");
    let digest = sha256(core.as_bytes());
    assert!(
        html.contains(&format!(r#"data-core-metadata="sha256={digest}""#)),
        "{html}"
    );
    assert!(
        html.contains(&format!(r#"data-dist-info-metadata="sha256={digest}""#)),
        "{html}"
    );

    let json = json(&server, "/simple/blinky/");
    assert_eq!(
        (&json["meta"]["api-version"], &json["name"]),
        (&"1.1".into(), &"blinky".into())
    );
    assert_eq!(json["versions"], serde_json::json!(["1.0"]));
    let file = &json["files"][0];
    assert_eq!(file["filename"], dist.filename);
    assert_eq!(file["hashes"]["sha256"], sha256(&dist.bytes));
    assert_eq!(file["size"], dist.bytes.len());
    assert_eq!(file["requires-python"], ">=3.8, <4");
    assert_eq!(file["core-metadata"]["sha256"], digest);
    assert_eq!(file["yanked"], false);
    assert_eq!(file["upload-time"], "2009-02-13T23:31:30.123456Z");

    let sidecar = server.get(&format!("/packages/{}.metadata", dist.filename));
    assert_eq!((sidecar.status, sidecar.text()), (200, core.as_str()));
    let (target, tag) = (
        format!("/packages/{}.metadata", dist.filename),
        sidecar.header("etag").unwrap(),
    );
    let again = server.send(Request::get(&target).header("If-None-Match", tag));
    assert_eq!((again.status, again.header("etag")), (304, Some(tag)));
}

#[test]
fn the_json_names_every_release_once() {
    let dists = [Dist::both("blinky", "1.0"), Dist::both("blinky", "0.2.0rc99+dev42")].concat();
    let json = json(&server_with(&dists), "/simple/blinky/");
    // In no order (PEP 700).
    let versions = json["versions"].as_array().unwrap().iter();
    let mut versions: Vec<_> = versions.map(|version| version.as_str().unwrap()).collect();
    versions.sort_unstable();
    assert_eq!(versions, ["0.2.0rc99+dev42", "1.0"]);
    assert_eq!(json["files"].as_array().unwrap().len(), 4, "{json}");
}

#[test]
fn any_spelling_with_or_without_slash_or_simple() {
    let dist = Dist::sdist("blinky-led", "0.2.0rc99+dev42");
    let server = server_with(&[dist]);
    for name in ["blinky-led", "Blinky_LED", "blinky.led", "blinky--led"] {
        for target in [
            format!("/simple/{name}/"),
            format!("/simple/{name}"),
            format!("/{name}/"),
            format!("/{name}"),
        ] {
            let answer = server.get(&target);
            assert_eq!(answer.status, 200, "{target}");
            assert!(
                answer.text().contains("blinky_led-0.2.0rc99+dev42.tar.gz"),
                "{target}: {}",
                answer.text()
            );
        }
    }
    assert_eq!(server.get("/simple").status, 200);
}

#[test]
fn without_a_slash_the_links_are_absolute_for_clients_that_open_them_as_they_stand() {
    let server = Site::holding(&[Dist::sdist("blinky", "1.0")])
        .set("trusted_proxies", r#"["127.0.0.1/32"]"#)
        .start();
    let here = format!("{}/packages/blinky-1.0.tar.gz", server.url());
    for target in ["/simple/blinky", "/blinky"] {
        let html = server.get(target);
        assert!(
            html.text().contains(&format!(r#"href="{here}#sha256="#)),
            "{}",
            html.text()
        );
        assert_eq!(json(&server, target)["files"][0]["url"], here);
        let tag = html.header("etag").unwrap();
        assert_eq!(
            server.send(Request::get(target).header("If-None-Match", tag)).status,
            304
        );
        let forwarded = { Request::get(target) }
            .header("X-Forwarded-Host", "pkg.example:8443")
            .header("X-Forwarded-Proto", "https");
        let proxied = server.send(forwarded.header("X-Forwarded-Prefix", "/lan"));
        let there = r#"href="https://pkg.example:8443/lan/packages/blinky-1.0.tar.gz#sha256="#;
        assert!(proxied.text().contains(there), "{}", proxied.text());
    }
}

#[test]
fn a_missing_project_is_404_or_a_redirect_to_the_fallback() {
    let server = Server::start();
    for target in ["/simple/nothing/", "/nothing/", "/simple/-/", "/simple/%20/"] {
        assert_eq!(server.get(target).status, 404, "{target}");
    }
    let server = Site::new()
        .set("index.fallback_url", r#""http://127.0.0.1:9/simple""#)
        .start();
    for target in ["/simple/No.Thing/", "/no_thing/"] {
        let answer = server.get(target);
        assert!(matches!(answer.status, 302 | 303 | 307), "{target}: {}", answer.status);
        assert_eq!(answer.header("location"), Some("http://127.0.0.1:9/simple/no-thing/"));
    }
}

#[test]
fn negotiation_follows_pep_691() {
    let server = server_with(&[Dist::sdist("blinky", "1.0")]);
    let html = "application/vnd.pypi.simple.v1+html";
    for (accept, expected) in [
        (JSON, JSON),
        (html, html),
        ("application/vnd.pypi.simple.latest+json", JSON),
        ("text/html;q=0.1, application/vnd.pypi.simple.v1+json", JSON),
        (
            "application/vnd.pypi.simple.v1+json;q=0.1, application/vnd.pypi.simple.v1+html",
            html,
        ),
        ("*/*", "text/html"),
    ] {
        let answer = server.send(Request::get("/simple/blinky/").header("Accept", accept));
        assert!(
            answer.header("content-type").unwrap().starts_with(expected),
            "{accept}: {answer:?}"
        );
        let vary = answer.header("vary").unwrap().to_ascii_lowercase();
        let mut by: Vec<_> = vary.split(',').map(str::trim).collect();
        by.sort_unstable();
        assert_eq!(by, ["accept", "accept-encoding"], "{accept}");
    }
}

#[test]
fn pages_are_compressed_and_revalidated() {
    let dists: Vec<_> = (0..30)
        .map(|minor| Dist::sdist("blinky", &format!("1.{minor}")))
        .collect();
    let server = server_with(&dists);
    let plain = server.get("/simple/blinky/");
    let etag = plain.header("etag").unwrap().to_owned();
    let zipped = server.send(Request::get("/simple/blinky/").header("Accept-Encoding", "gzip"));
    assert_eq!(zipped.header("content-encoding"), Some("gzip"));
    let mut text = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(zipped.body.as_slice()), &mut text).unwrap();
    assert_eq!(text, plain.body);

    let again = server.send(Request::get("/simple/blinky/").header("If-None-Match", &etag));
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(Form::upload(&Dist::sdist("blinky", "2.0")).post(&server).status, 200);
    let changed = server.send(Request::get("/simple/blinky/").header("If-None-Match", &etag));
    assert_eq!(changed.status, 200);

    let head = server.send(Request::new("HEAD", "/simple/blinky/"));
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(
        head.header("content-length"),
        Some(changed.body.len().to_string().as_str())
    );
}

#[test]
fn a_sidecar_yanks() {
    let dist = Dist::sdist("blinky", "1.0");
    let server = server_with(std::slice::from_ref(&dist));
    fs::write(
        server.site.packages().join("blinky-1.0.tar.gz.yanked"),
        "eats \"flash\"\n",
    )
    .unwrap();
    let page = eventually("the page says yanked", || {
        Some(server.get("/simple/blinky/")).filter(|page| page.text().contains("data-yanked"))
    });
    assert!(
        page.text().contains(r#"data-yanked="eats &quot;flash&quot;""#),
        "{}",
        page.text()
    );
    assert_eq!(json(&server, "/simple/blinky/")["files"][0]["yanked"], "eats \"flash\"");
    fs::write(server.site.packages().join("blinky-1.0.tar.gz.yanked"), "").unwrap();
    eventually("the page gives no reason", || {
        Some(()).filter(|()| server.get("/simple/blinky/").text().contains("data-yanked=\"\""))
    });
    assert_eq!(json(&server, "/simple/blinky/")["files"][0]["yanked"], true);
    fs::remove_file(server.site.packages().join("blinky-1.0.tar.gz.yanked")).unwrap();
    eventually("the page says it no longer", || {
        Some(()).filter(|()| !server.get("/simple/blinky/").text().contains("data-yanked"))
    });
}

#[test]
fn no_project_takes_a_path_of_the_server() {
    let server = server_with(&[
        Dist::sdist("health", "1.0"),
        Dist::sdist("packages", "1.0"),
        Dist::sdist("simple", "1.0"),
    ]);
    for name in ["health", "packages", "simple"] {
        assert!(
            server
                .get(&format!("/simple/{name}/"))
                .text()
                .contains(&format!("{name}-1.0.tar.gz")),
            "{name}"
        );
    }
    assert_eq!(server.get("/health").status, 200);
}

#[test]
fn search_by_xml_rpc_is_refused_with_a_fault() {
    let server = Server::start();
    let call = b"<?xml version='1.0'?><methodCall><methodName>search</methodName></methodCall>".to_vec();
    server
        .send(Request::new("POST", "/RPC2").body("text/xml", call))
        .assert_says(200, &["<fault>", "search"]);
}
