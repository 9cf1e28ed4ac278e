//! The pages for a person: `/`, `/project/{project}/`, and the listings that they link to.

use std::fs;

use crate::dists::Dist;
use crate::harness::{Server, Site};
use crate::raw::Request;

const FOR_PERSONS: [&str; 3] = [
    r#"<meta name="viewport" content="width=device-width">"#,
    r#"<meta name="color-scheme" content="light dark">"#,
    // Without one a browser asks for /favicon.ico, and the log has a line of it.
    r#"<link rel="icon" href="data:,">"#,
];

/// Fails the test unless a person and a host tool are told this name of blinky-led.
fn assert_named(server: &Server, name: &str) {
    server.get("/").assert_says(200, &[&format!(">{name}</a>")]);
    let (title, heading) = (format!("<title>{name} 1.0</title>"), format!("<h1>{name} 1.0</h1>"));
    server.get("/project/blinky-led/").assert_says(200, &[&title, &heading]);
    assert_eq!(server.get("/pypi/blinky-led/json").json()["info"]["name"], name);
}

#[test]
fn a_project_is_called_as_its_metadata_says() {
    let wheel = Dist::wheel("Blinky-LED", "1.0");
    assert!(wheel.filename.starts_with("Blinky_LED-"));
    let site = Site::new().package(&wheel);
    let first = site.start();
    assert_named(&first, "Blinky-LED");
    first.stop();
    // By now the cache knows it.
    assert_named(&site.start(), "Blinky-LED");
}

#[test]
fn a_project_without_metadata_is_called_as_its_file_is() {
    let egg = Dist::new("blinky-led", "1.0", "Blinky_LED-1.0-py3.8.egg", b"egg".to_vec());
    assert_named(&Site::holding(&[egg]).start(), "Blinky_LED");
}

/// The release that installers take is the one that persons are shown.
#[test]
fn a_yanked_release_is_not_a_projects_newest() {
    let site = Site::holding(&["1.0", "2.0", "3.0b1"].map(|version| Dist::wheel("blinky-led", version)));
    let yank = |version: &str| {
        fs::write(
            site.packages()
                .join(format!("blinky_led-{version}-py3-none-any.whl.yanked")),
            "",
        )
    };
    let assert_newest = |rule: &str, version: &str| {
        let server = site.clone().set("index.latest", &format!("{rule:?}")).start();
        server.get("/").assert_says(200, &[&format!("<td>{version}</td>")]);
        let heading = format!("<h1>blinky-led {version}</h1>");
        server.get("/project/blinky-led/").assert_says(200, &[&heading]);
        let json = server.get("/pypi/blinky-led/json").json();
        assert_eq!(json["info"]["version"], version);
    };
    yank("3.0b1").unwrap();
    assert_newest("newest", "2.0");
    yank("2.0").unwrap();
    assert_newest("stable", "1.0");
    yank("1.0").unwrap();
    assert_newest("newest", "3.0b1");
}

#[test]
fn the_page_of_a_project_says_how_to_install_it_wherever_it_can_be() {
    let server = Site::holding(&[Dist::wheel("blinky-led", "1.0")]).start();
    let (url, address) = (server.url(), server.address);
    let pip = format!("<pre>pip install --index-url {url}/simple/ --trusted-host {address} blinky-led\n");
    let uv = format!("uv pip install --default-index {url}/simple/ blinky-led</pre>");
    let mip = format!("import mip\nmip.install(&quot;blinky-led&quot;, index=&quot;{url}&quot;)</pre>");
    let upip =
        format!("import upip\nupip.index_urls = [&quot;{url}&quot;]\nupip.install(&quot;blinky-led&quot;)</pre>");
    let mpremote = format!("over USB\nmpremote mip --index {url} install blinky-led</pre>");
    let (page, home) = (server.get("/project/blinky-led/"), server.get("/"));
    for lines in [pip, uv, mip, upip, mpremote] {
        page.assert_says(200, &[&lines]);
        home.assert_says(200, &[&lines.replace("blinky-led", "NAME")]);
    }
}

/// What the page says where a line as it stands would fail: pasted, it gives an error that tells nobody why.
#[test]
fn the_page_of_a_project_shows_a_board_no_line_that_would_fail() {
    let wheel = Dist::wheel("yanked", "1.0");
    let native = Dist {
        filename: "native-1.0-cp311-cp311-linux_x86_64.whl".to_owned(),
        ..Dist::wheel("native", "1.0")
    };
    let site = Site::holding(&[Dist::wheel("blinky-led", "1.0"), wheel.clone(), native]);
    fs::write(site.packages().join(format!("{}.yanked", wheel.filename)), "").unwrap();
    let server = site.start();
    let (board, told) = ("Install on a board", "Every release is yanked");
    for (project, is_for_boards, is_yanked) in [
        ("blinky-led", true, false),
        ("native", false, false),
        ("yanked", false, true),
    ] {
        let page = server.get(&format!("/project/{project}/"));
        let says = |words| page.text().contains(words);
        let shown = (page.status, says(board), says(told));
        assert_eq!(shown, (200, is_for_boards, is_yanked), "{project}");
    }
    // Yanked without a reason.
    server
        .get("/project/yanked/")
        .assert_says(200, &["<code>yanked==1.0</code>", " — yanked</li>"]);
}

/// As a developer uploads it to try it, beside what is in use.
#[test]
fn the_page_of_a_project_says_how_pip_takes_a_pre_release() {
    let dists = [
        ("blinky", "1.0"),
        ("blinky", "1.1rc1+dev42"),
        ("stable", "1.0"),
        ("early", "0.1rc1"),
    ];
    let server = Site::holding(&dists.map(|(name, version)| Dist::wheel(name, version))).start();
    let told = "pip and uv take 1.0, which is no pre-release; for 1.1rc1+dev42 write <code>blinky==1.1rc1+dev42</code>";
    server.get("/project/blinky/").assert_says(200, &[told]);
    for project in ["stable", "early"] {
        let page = server.get(&format!("/project/{project}/"));
        assert!(
            page.status == 200 && !page.text().contains("no pre-release"),
            "{project}"
        );
    }
}

#[test]
fn the_pages_tell_who_reads_with_a_password_how_to_give_it() {
    for right in ["list", "download"] {
        let site = Site::holding(&[Dist::wheel("blinky-led", "1.0")]);
        let server = site.set("auth.protect", &format!("[{right:?}]")).start();
        let in_url = format!("<code>http://USER:PASSWORD@{}/simple/</code>", server.address);
        let told = [in_url.as_str(), "Boards get nothing from this server"];
        for target in ["/", "/project/blinky-led/"] {
            let page = server.send(Request::get(target).by_user());
            page.assert_says(200, &told);
            assert!(!page.text().contains("import mip"), "{right}: {target}");
        }
    }
}

#[test]
fn the_pages_say_where_a_board_needs_another_address() {
    let server = Site::holding(&[Dist::wheel("blinky-led", "1.0")]).start();
    for (host, told) in [
        ("localhost:8089", Some("localhost")),
        ("127.0.0.1:8089", Some("127.0.0.1")),
        ("[2001:db8::1]:8089", Some("[2001:db8::1]")),
        ("192.0.2.1:8089", None),
        ("micropypi.local:8089", None),
    ] {
        for target in ["/", "/project/blinky-led/"] {
            let page = server.send(Request::get(target).header("Host", host));
            let text = page.text();
            let found = text.split("does not reach this server by <code>").nth(1);
            assert_eq!(found.and_then(|rest| rest.split('<').next()), told, "{host}: {target}");
        }
    }
}

#[test]
fn the_home_page_tells_twine_what_to_say_where_anybody_may_upload() {
    for (protect, line) in [(r#"["update"]"#, "dist/*"), ("[]", "-u anyone -p anything dist/*")] {
        let server = Site::new().set("auth.protect", protect).start();
        let line = format!("<pre>twine upload --repository-url {}/ {line}</pre>", server.url());
        server.get("/").assert_says(200, &[&line]);
    }
}

/// It would keep pip from looking at the certificate.
#[test]
fn the_pages_trust_no_host_over_https() {
    let site = Site::holding(&[Dist::wheel("blinky-led", "1.0")]);
    let server = site.set("base_url", r#""https://packages.example""#).start();
    let pip = "<pre>pip install --index-url https://packages.example:443/simple/ blinky-led\n";
    server.get("/project/blinky-led/").assert_says(200, &[pip]);
}

/// Every link of a page, as a browser follows it.
fn links(server: &Server, target: &str) -> Vec<String> {
    let page = server.get(target);
    assert_eq!(page.status, 200, "{target}");
    let text = page.text();
    let links = text
        .split("<a href=\"")
        .skip(1)
        .map(|rest| rest.split(['"', '#']).next().unwrap());
    let folder = target.rsplit_once('/').unwrap().0;
    let absolute = |link: &str| {
        let (mut folder, mut link) = (folder, link);
        while let Some(rest) = link.strip_prefix("../") {
            (folder, link) = (folder.rsplit_once('/').expect("a link within the server").0, rest);
        }
        format!("{folder}/{link}")
    };
    links.map(absolute).collect()
}

#[test]
fn the_page_of_a_project_is_found_without_its_slash_and_by_any_spelling() {
    let server = Site::holding(&[Dist::wheel("Blinky-LED", "1.0")]).start();
    let linked = links(&server, "/project/blinky-led/");
    assert_eq!(linked.len(), 4, "{linked:?}");
    for target in [
        "/project/blinky-led",
        "/project/Blinky_LED",
        "/project/Blinky.LED/",
        "/Blinky_LED/1.0/",
    ] {
        server.get(target).assert_says(200, &["<h1>Blinky-LED 1.0</h1>"]);
        assert_eq!(links(&server, target), linked, "{target}");
    }
    server
        .get("/blinky-led/1.1/")
        .assert_says(404, &["version 1.1 of blinky-led is not here"]);
    for link in linked {
        assert_eq!(server.get(&link).status, 200, "{link}");
    }
    server
        .get("/project/nothing")
        .assert_says(404, &["the project nothing is not here"]);
}

/// A browser, and pip with `--find-links`, take the slash at the end as seriously as the rest.
#[test]
fn the_links_of_every_listing_lead_on_with_and_without_its_slash() {
    let dist = Dist::wheel("blinky", "1.0");
    let site = Site::new();
    fs::create_dir(site.packages().join("attic")).unwrap();
    fs::write(site.packages().join("attic").join(&dist.filename), &dist.bytes).unwrap();
    let server = site.start();
    for (listing, link) in [
        ("/simple", "/simple/blinky/"),
        ("/packages", "/packages/attic/blinky-1.0-py3-none-any.whl"),
    ] {
        for target in [listing, &format!("{listing}/")] {
            assert_eq!(links(&server, target), [link], "{target}");
        }
        assert_eq!(server.get(link).status, 200, "{link}");
    }
}

/// `/project/json` is the page of another project.
#[test]
fn upip_finds_a_project_called_project_below_pypi() {
    let server = Site::holding(&[Dist::wheel("project", "1.0"), Dist::wheel("json", "1.0")]).start();
    server.get("/project/json").assert_says(200, &["<h1>json 1.0</h1>"]);
    assert_eq!(server.get("/pypi/project/json").json()["info"]["version"], "1.0");
}

#[test]
fn the_listings_fit_a_phone_and_a_dark_room_and_pips_pages_stay_small() {
    let server = Site::holding(&[Dist::wheel("blinky", "1.0")]).start();
    for target in ["/simple/", "/simple", "/packages/", "/packages"] {
        server.get(target).assert_says(200, &FOR_PERSONS);
    }
    let pips = server.get("/simple/blinky/");
    assert!(
        !FOR_PERSONS.iter().any(|line| pips.text().contains(line)),
        "{}",
        pips.text()
    );
}
