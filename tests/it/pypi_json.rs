//! `/pypi/{project}/json` and `/pypi/{project}/{version}/json`: PyPI's shape for host tools.

use std::fs;

use crate::dists::Dist;
use crate::form::sha256;
use crate::harness::{Server, Site};

const LINES: &str = "Author: A. Maker\nLicense: MIT\nHome-page: http://example.org/\nRequires-Python: >=3.8\n\
Requires-Dist: abacus>=1.0\nClassifier: Topic :: Home Automation\nProject-URL: Source, http://example.org/src\n";

fn server() -> Server {
    let dists = [
        Dist::sdist_with("blinky-led", "1.0", LINES, ""),
        Dist::wheel_with("blinky-led", "1.0", LINES),
    ];
    let site = Site::holding(&dists);
    site.package(&Dist::sdist("blinky-led", "0.9")).start()
}

#[test]
fn a_project_has_info_urls_and_one_file_a_release() {
    let server = server();
    let json = server.get("/pypi/Blinky_LED/json").json();
    let info = &json["info"];
    for (field, expected) in [
        ("version", "1.0"),
        ("summary", "Blinks"),
        ("author", "A. Maker"),
        ("license", "MIT"),
        ("home_page", "http://example.org/"),
        ("requires_python", ">=3.8"),
        ("description", "A description.\n"),
    ] {
        assert_eq!(info[field], expected, "{field}");
    }
    assert_eq!(info["requires_dist"], serde_json::json!(["abacus>=1.0"]));
    assert_eq!(info["classifiers"], serde_json::json!(["Topic :: Home Automation"]));
    assert_eq!(info["project_urls"]["Source"], "http://example.org/src");
    let kinds: Vec<_> = json["urls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["packagetype"].as_str().unwrap())
        .collect();
    assert_eq!(kinds.len(), 2);
    assert!(kinds.contains(&"sdist") && kinds.contains(&"bdist_wheel"), "{kinds:?}");
    for file in json["urls"].as_array().unwrap() {
        let url = file["url"].as_str().unwrap();
        let bytes = server.get(url.strip_prefix(&server.url()).unwrap()).body;
        assert_eq!(
            (&file["digests"]["sha256"], &file["size"]),
            (&sha256(&bytes).into(), &bytes.len().into()),
            "{url}"
        );
    }
    let releases = json["releases"].as_object().unwrap();
    assert_eq!(releases.keys().collect::<Vec<_>>(), ["0.9", "1.0"]);
    assert!(
        releases.values().all(|files| files.as_array().unwrap().len() == 1),
        "upip stops on an assert otherwise"
    );
}

#[test]
fn a_yanked_release_is_marked_for_tools_that_look_for_updates() {
    let site = Site::holding(&[Dist::sdist("blinky", "1.0"), Dist::sdist("blinky", "2.0")]);
    fs::write(site.packages().join("blinky-2.0.tar.gz.yanked"), "loose screw").unwrap();
    let json = site.start().get("/pypi/blinky/json").json();
    assert_eq!(json["info"]["version"], "1.0");
    assert_eq!(json["releases"]["2.0"][0]["yanked"], true);
    assert_ne!(json["releases"]["1.0"][0]["yanked"], true);
}

#[test]
fn a_release_is_asked_for_by_any_spelling_of_its_version() {
    let server = server();
    for version in ["0.9", "0.9.0"] {
        let json = server.get(&format!("/pypi/blinky.led/{version}/json")).json();
        assert_eq!(json["info"]["version"], "0.9");
        assert_eq!(json["urls"].as_array().unwrap().len(), 1);
    }
    for target in [
        "/pypi/blinky-led/3.0/json",
        "/pypi/nothing/json",
        "/pypi/blinky-led/%20/json",
    ] {
        assert_eq!(server.get(target).status, 404, "{target}");
    }
}
