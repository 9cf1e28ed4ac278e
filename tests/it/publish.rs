//! What twine, uv, flit, poetry and hatch publish, and what they tell their users.

use std::fs;

use crate::clients::{Client, TWINES, package, twine, uv_publish};
use crate::dists::{Dist, metadata, tar_gz};
use crate::form::Form;
use crate::harness::{PASSWORD, Server, Site, USER};

/// Versions of the kind that test deployments make.
const VERSIONS: [&str; 2] = ["0.2.0rc99+dev42", "0.1.0rc1+dev1"];

#[test]
fn twine_uploads_sdists_and_wheels() {
    for program in TWINES {
        let server = Server::start();
        let dists = VERSIONS.map(|version| Dist::both("blinky-led", version)).concat();
        twine(program, &server)
            .dists(&dists.iter().collect::<Vec<_>>())
            .run()
            .succeeded();
        server.site.assert_holds(&dists);
    }
}

#[test]
fn twine_reads_its_pypirc() {
    let server = Server::start();
    let pypirc = format!(
        "[distutils]\nindex-servers = lan\n[lan]\nrepository = {}/legacy/\nusername = {USER}\npassword = {PASSWORD}\n",
        server.url()
    );
    let dist = Dist::sdist("blinky", "1.0");
    let outcome = Client::new("twine/bin/twine")
        .file(".pypirc", pypirc.as_bytes())
        .args(["upload", "--config-file", ".pypirc", "-r", "lan"])
        .dists(&[&dist])
        .run();
    outcome.succeeded();
    server.site.assert_holds(&[dist]);
}

#[test]
fn uv_publishes() {
    let server = Server::start();
    let dists = VERSIONS.map(|version| Dist::both("blinky-led", version)).concat();
    uv_publish(&server)
        .dists(&dists.iter().collect::<Vec<_>>())
        .run()
        .succeeded();
    server.site.assert_holds(&dists);
}

/// A project of one module for a build backend, as a directory for [`Client::within`].
fn project(backend: &str, requires: &str, name: &str, version: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let pyproject = format!(
        "[build-system]\nrequires = [{requires:?}]\nbuild-backend = {backend:?}\n\
         [project]\nname = {name:?}\nversion = {version:?}\ndescription = \"Blinks\"\n\
         authors = [{{ name = \"A\", email = \"a@example.org\" }}]\n"
    );
    fs::write(directory.path().join("pyproject.toml"), pyproject).unwrap();
    let module = format!("{}.py", name.replace('-', "_"));
    fs::write(directory.path().join(module), "\"\"\"Blinks.\"\"\"\n").unwrap();
    directory
}

#[test]
fn flit_publishes() {
    let server = Server::start();
    let project = project("flit_core.buildapi", "flit_core", "blinky-flit", VERSIONS[0]);
    let outcome = Client::new("flit/bin/flit")
        .within(project.path())
        .env("FLIT_INDEX_URL", &format!("{}/", server.url()))
        .env("FLIT_USERNAME", USER)
        .env("FLIT_PASSWORD", PASSWORD)
        .args(["publish", "--no-use-vcs"])
        .run();
    outcome.succeeded();
    assert_eq!(server.site.stored().len(), 2);
    assert_eq!(server.get("/simple/blinky-flit/").status, 200);
}

#[test]
fn poetry_publishes() {
    let server = Server::start();
    let project = project("poetry.core.masonry.api", "poetry-core", "blinky-poetry", VERSIONS[1]);
    let outcome = Client::new("poetry/bin/poetry")
        .within(project.path())
        .env("POETRY_REPOSITORIES_LAN_URL", &format!("{}/", server.url()))
        .env("POETRY_HTTP_BASIC_LAN_USERNAME", USER)
        .env("POETRY_HTTP_BASIC_LAN_PASSWORD", PASSWORD)
        // It takes none to publish, and making one is a third of the work.
        .env("POETRY_VIRTUALENVS_CREATE", "false")
        .args(["publish", "--build", "--no-interaction", "--repository", "lan"])
        .run();
    outcome.succeeded();
    assert_eq!(server.site.stored().len(), 2);
    assert_eq!(server.get("/simple/blinky-poetry/").status, 200);
}

#[test]
fn hatch_publishes() {
    let server = Server::start();
    let dists = Dist::both("blinky-led", VERSIONS[0]);
    let outcome = Client::new("hatch/bin/hatch")
        .args([
            "publish",
            "--no-prompt",
            "--repo",
            &format!("{}/", server.url()),
            "--user",
            USER,
            "--auth",
            PASSWORD,
        ])
        .dists(&dists.each_ref())
        .run();
    let outcome = outcome.succeeded();
    server.site.assert_holds(&dists);
    let named = outcome.text.lines().find_map(|line| line.strip_prefix(&server.url()));
    let page = server.get(named.expect("hatch names the release's page"));
    page.assert_says(200, &["<h1>blinky-led "]);
}

/// Sdists without metadata at their top, which twine 6 and newer refuse.
const CLASSIC: [&str; 4] = [
    "micropython-uasyncio-3.1.1.tar.gz",
    "micropython-uasyncio.core-2.3.tar.gz",
    "micropython-umqtt.simple-1.3.4.tar.gz",
    "micropython-esp32-ulp-1.2.0.tar.gz",
];

/// Files as their backends make them today.
const MODERN: [&str; 9] = [
    "micropython_mdns-1.8.0.tar.gz",
    "microdot-2.7.0.tar.gz",
    "microdot-2.7.0-py3-none-any.whl",
    "picozero-0.6.1.tar.gz",
    "picozero-0.6.1-py3-none-any.whl",
    "micropython-servo-1.0.1.tar.gz",
    "micropython_servo-1.0.1-py3-none-any.whl",
    "micropython-max7219-0.2.0.tar.gz",
    "micropython_max7219-0.2.0-py3-none-any.whl",
];

#[test]
fn real_micropython_packages_are_taken() {
    let server = Server::start();
    twine("twine5/bin/twine", &server)
        .args(CLASSIC.map(package))
        .run()
        .succeeded();
    twine("twine/bin/twine", &server)
        .args(MODERN.map(package))
        .run()
        .succeeded();
    let mut names = [CLASSIC.as_slice(), &MODERN].concat();
    names.sort_unstable();
    assert_eq!(server.site.stored(), names);
}

#[test]
fn the_same_bytes_again_are_accepted_and_nothing_is_done() {
    let server = Server::start();
    let dist = Dist::sdist("blinky", "1.0");
    for program in TWINES {
        twine(program, &server).dists(&[&dist]).run().succeeded();
    }
    uv_publish(&server).dists(&[&dist]).run().succeeded();
    let path = server.site.packages().join(&dist.filename);
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    assert_eq!(Form::upload(&dist).post(&server).status, 200);
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
    server.site.assert_holds(&[dist]);
}

#[test]
fn other_bytes_under_a_known_name_are_a_conflict() {
    let server = Server::start();
    let first = Dist::sdist("blinky", "1.0");
    let second = Dist::sdist_with("blinky", "1.0", "", "x = 2\n");
    assert_eq!(Form::upload(&first).post(&server).status, 200);
    Form::upload(&second)
        .post(&server)
        .assert_says(409, &["blinky-1.0.tar.gz", "already exist"]);
    for program in TWINES {
        twine(program, &server)
            .dists(&[&second])
            .run()
            .failed_saying(&["409", "blinky-1.0.tar.gz"]);
    }
    twine("twine5/bin/twine", &server)
        .args(["--skip-existing"])
        .dists(&[&second])
        .run()
        .succeeded()
        .says(&["Skipping"]);
    server.site.assert_holds(&[first]);
}

#[test]
fn uv_check_url_skips_what_is_there() {
    let server = Server::start();
    let [first, wheel] = Dist::both("blinky-led", "1.0");
    let check = format!("{}/simple/", server.url());
    let publish = |dists: &[&Dist]| uv_publish(&server).args(["--check-url", &check]).dists(dists).run();
    publish(&[&first]).succeeded();
    publish(&[&first, &wheel]).succeeded().says(&["already exists"]);
    server.site.assert_holds(&[first, wheel]);
    let other = Dist::sdist_with("blinky-led", "1.0", "", "x = 2\n");
    publish(&[&other]).failed_saying(&["blinky_led-1.0.tar.gz"]);
}

#[test]
fn the_user_reads_the_reason_in_twine() {
    let server = Server::start();
    let text = metadata("winky", "1.0", "");
    let bytes = tar_gz(&[
        ("blinky-1.0/PKG-INFO".to_owned(), text.as_bytes()),
        ("blinky-1.0/setup.py".to_owned(), b""),
    ]);
    let dist = Dist::new("winky", "1.0", "blinky-1.0.tar.gz", bytes);
    for program in TWINES {
        twine(program, &server)
            .dists(&[&dist])
            .run()
            .failed_saying(&["400", "winky", "blinky-1.0.tar.gz"]);
    }
    uv_publish(&server)
        .dists(&[&dist])
        .run()
        .failed_saying(&["400", "winky", "blinky-1.0.tar.gz"]);
}

#[test]
fn without_a_password_file_uploads_are_refused_with_the_remedy() {
    let server = Site::new().without("auth.passwords").without_file("htpasswd").start();
    let dist = Dist::sdist("blinky", "1.0");
    for program in TWINES {
        twine(program, &server)
            .dists(&[&dist])
            .run()
            .failed_saying(&["403", "micropypi passwd", "reload or restart"]);
    }
    server.await_log("micropypi passwd");
}
