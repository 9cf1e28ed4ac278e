//! What decides beside the packages themselves: `[boards]`, `[tool.micropypi]`, and what is told of it to the uploader and
//! on the project's page.

use std::fs;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::clients::{mip_install, tree, twine, upip_install};
use crate::dists::{Dist, metadata};
use crate::form::Form;
use crate::harness::{Server, Site, eventually};

/// The paths of mip's manifest.
fn paths(server: &Server, project: &str) -> Vec<String> {
    let json = server.get(&format!("/package/6/{project}/latest.json")).json();
    let hashes = json["hashes"].as_array().unwrap();
    hashes
        .iter()
        .map(|entry| entry[0].as_str().unwrap().to_owned())
        .collect()
}

/// What upip unpacks.
fn unpacked(server: &Server, project: &str) -> Vec<String> {
    let board = tempfile::tempdir().unwrap();
    upip_install("2M", &[&server.url()], board.path(), &[project]).succeeded();
    tree(board.path()).into_keys().collect()
}

const FILES: [(&str, &[u8]); 5] = [
    ("blinky/__init__.py", b"ON = 1\n"),
    ("blinky/big/photo.bin", b"photo"),
    ("blinky/led.py", b""),
    ("docs/index.md", b"docs"),
    ("examples/demo.py", b"import blinky\n"),
];

#[test]
fn the_configuration_includes_and_excludes() {
    for (include, exclude, expected) in [
        (
            "[]",
            "[]",
            &["blinky/__init__.py", "blinky/big/photo.bin", "blinky/led.py"][..],
        ),
        ("[]", r#"["blinky/big"]"#, &["blinky/__init__.py", "blinky/led.py"]),
        (
            r#"["examples/*.py"]"#,
            r#"["*.bin"]"#,
            &["blinky/__init__.py", "blinky/led.py", "examples/demo.py"],
        ),
    ] {
        let site = Site::holding(&[Dist::wheel_of("blinky", "1.0", "", &FILES)]);
        let site = site.set("boards.include", include).set("boards.exclude", exclude);
        let server = site.start();
        assert_eq!(paths(&server, "blinky"), expected, "{include} {exclude}");
        assert_eq!(unpacked(&server, "blinky"), expected, "{include} {exclude}");
    }
}

#[test]
fn what_only_type_checkers_read_stays_off_the_board() {
    let mut files = FILES.to_vec();
    files.extend([
        ("blinky/py.typed", b"".as_slice()),
        ("blinky/led.pyi", b"ON: int"),
        ("blinky-stubs/x.pyi", b""),
    ]);
    let server = Site::holding(&[Dist::wheel_of("blinky", "1.0", "", &files)]).start();
    let expected = ["blinky/__init__.py", "blinky/big/photo.bin", "blinky/led.py"];
    assert_eq!(paths(&server, "blinky"), expected);
    assert_eq!(unpacked(&server, "blinky"), expected);
}

/// As `python -m build` makes of phew 0.0.1, whose setup.py lists its package as a module.
#[test]
fn a_wheel_with_nothing_in_it_leaves_the_board_to_the_sdist() {
    let sdist = Dist::classic("blinky", "1.0", "pulse\n");
    let wheel = Dist::wheel_of("blinky", "1.0", "", &[]);
    let note = format!(
        "boards get what is in {}, as {} has nothing for them",
        sdist.filename, wheel.filename
    );
    for [first, second] in [[&sdist, &wheel], [&wheel, &sdist]] {
        let server = Server::start();
        for dist in [&Dist::wheel("pulse", "1.0"), first, second] {
            assert_eq!(Form::upload(dist).post(&server).status, 200);
        }
        assert_eq!(paths(&server, "blinky"), ["blinky.py"]);
        assert_eq!(unpacked(&server, "blinky"), ["blinky.py", "pulse/__init__.py"]);
        server.get("/project/blinky/").assert_says(200, &[&note]);
    }
}

#[test]
fn other_patterns_make_other_views_of_the_same_cache() {
    let site = Site::holding(&[Dist::wheel_of("blinky", "1.0", "", &FILES)]);
    assert_eq!(paths(&site.start(), "blinky").len(), 3);
    let site = site.set("boards.exclude", r#"["blinky/big"]"#);
    assert_eq!(paths(&site.start(), "blinky").len(), 2);
}

/// An sdist as flit makes it, with these lines in its `[tool.micropypi]`.
fn with_a_table(lines: &str) -> Dist {
    let pyproject = format!(
        "[build-system]\nrequires = ['flit_core']\nbuild-backend = 'flit_core.buildapi'\n[project]\nname = 'blinky'\nversion = '1.0'\n[tool.micropypi]\n{lines}"
    );
    let mut files = FILES.to_vec();
    files.push(("pyproject.toml", pyproject.as_bytes()));
    Dist::sdist_of("blinky", "1.0", &files)
}

#[test]
fn a_project_decides_for_itself() {
    let sdist = with_a_table("include = ['examples/demo.py']\nexclude = ['photo.bin']\n");
    let expected = ["blinky/__init__.py", "blinky/led.py", "examples/demo.py"];
    let server = Site::holding(std::slice::from_ref(&sdist)).start();
    assert_eq!(paths(&server, "blinky"), expected);
    assert_eq!(unpacked(&server, "blinky"), expected);
    // The wheel describes the release then, and the table of its sdist still holds.
    let excluded = Site::holding(&[sdist, Dist::wheel_of("blinky", "1.0", "", &FILES)]).start();
    assert_eq!(paths(&excluded, "blinky"), expected);
}

#[test]
fn a_mistake_in_a_projects_table_is_told_on_its_page() {
    let sdist = with_a_table("include = ['examples/*.py', 1]\nexclude = '*.bin'\nexcludes = ['*.py']\n");
    let wheel = Dist::wheel_of("blinky", "1.0", "", &FILES);
    for dists in [&[sdist.clone()][..], &[sdist, wheel]] {
        Site::holding(dists).start().get("/project/blinky/").assert_says(
            200,
            &[
                "include in [tool.micropypi] is no list of patterns",
                "exclude in [tool.micropypi] is no list of patterns",
                "excludes in [tool.micropypi] does not count: the keys are include and exclude",
            ],
        );
    }
}

/// An sdist with a link beside its one module.
fn with_a_link() -> Dist {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let metadata = metadata("blinky", "1.0", "");
    for (path, content) in [("PKG-INFO", metadata.as_bytes()), ("blinky/__init__.py", b"")] {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, format!("blinky-1.0/{path}"), content)
            .unwrap();
    }
    let mut link = tar::Header::new_ustar();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    tar.append_link(&mut link, "blinky-1.0/blinky/link.py", "__init__.py")
        .unwrap();
    let bytes = tar.into_inner().and_then(GzEncoder::finish).unwrap();
    Dist::new("blinky", "1.0", "blinky-1.0.tar.gz", bytes)
}

#[test]
fn the_uploader_reads_why_a_path_is_refused() {
    let long = format!("blinky/{}.py", "x".repeat(250));
    let wheel = |path: &str| Dist::wheel_of("blinky", "1.0", "", &[("blinky/__init__.py", b""), (path, b"")]);
    for (dist, words) in [
        (
            wheel(&long),
            [
                "it is 260 bytes long, and a board takes 98; leave it out by",
                "and upload the sdist first",
            ],
        ),
        (
            with_a_link(),
            [
                "blinky/link.py cannot be installed on a board: it is a link",
                "upload a pure wheel first, or make it a file",
            ],
        ),
        (wheel("../blinky.py"), ["../blinky.py", "leaves the archive"]),
        (wheel("/blinky.py"), ["/blinky.py", "leaves the archive"]),
    ] {
        let server = Server::start();
        let outcome = twine("twine/bin/twine", &server).dists(&[&dist]).run();
        outcome.failed_saying(&words);
        server.site.assert_holds(&[]);
    }
}

/// As `twine upload dist/*` sends the two: the wheel, of which pip made files, goes first.
#[test]
fn a_link_in_an_sdist_is_no_matter_where_a_wheel_is() {
    let dists = [with_a_link(), Dist::wheel("blinky", "1.0")];
    let server = Server::start();
    twine("twine/bin/twine", &server)
        .dists(&dists.each_ref())
        .run()
        .succeeded();
    assert_eq!(paths(&server, "blinky"), ["blinky/__init__.py"]);
    server.site.assert_holds(&dists);
}

#[test]
fn a_link_in_an_sdist_matters_where_boards_get_no_other_file() {
    let of_a_platform = "blinky-1.0-cp311-cp311-linux_x86_64.whl";
    let platform = Dist::new("blinky", "1.0", of_a_platform, Dist::wheel("blinky", "1.0").bytes);
    let yanked = Site::holding(&[Dist::wheel("blinky", "1.0")]);
    fs::write(yanked.packages().join("blinky-1.0-py3-none-any.whl.yanked"), "").unwrap();
    for site in [
        Site::holding(&[platform]),
        Site::holding(&[Dist::wheel("blinky", "2.0")]),
        yanked,
    ] {
        let answer = Form::upload(&with_a_link()).post(&site.start());
        answer.assert_says(400, &["it is a link", "upload a pure wheel first"]);
    }
}

#[test]
fn the_page_of_a_project_says_what_a_board_gets_and_why() {
    let long = format!("blinky/{}.py", "x".repeat(120));
    let mut files = FILES.to_vec();
    files.push((&long, b""));
    let requires = "Requires-Dist: nowhere>=2\nRequires-Dist: abacus\nRequires-Dist: tomli; python_version < '3.8'\n";
    // Put into the folder, so that nobody could refuse it.
    let blinky = Dist::wheel_of("blinky", "1.0", requires, &files);
    let server = Site::holding(&[blinky, Dist::wheel("abacus", "0.7")]).start();
    let page = server.get("/project/blinky/");
    page.assert_says(
        200,
        &[
            "<code>blinky/big/photo.bin</code>",
            "left out, as tests, documents or files of tools: docs, examples",
            "it is 130 bytes long, and a board takes 98",
            "it is for old versions of CPython only",
            "nowhere",
            "with <code>abacus 0.7</code>",
        ],
    );
    assert!(
        !page.text().contains("<code>examples/demo.py</code>"),
        "{}",
        page.text()
    );
    assert_eq!(paths(&server, "blinky").len(), 3);
}

#[test]
fn the_page_of_a_release_with_many_files_names_some_and_tells_where_the_others_are() {
    let paths: Vec<_> = (0..1_000).map(|number| format!("blinky/m{number:03}.py")).collect();
    let long: Vec<_> = (0..1_000).map(|number| format!("blinky/{number:0120}.py")).collect();
    let files: Vec<_> = paths
        .iter()
        .chain(&long)
        .map(|path| (path.as_str(), &b""[..]))
        .collect();
    let server = Site::holding(&[Dist::wheel_of("blinky", "1.0+dev1", "", &files)]).start();
    let page = server.get("/project/blinky/");
    let more = r#"<code>blinky/m199.py</code> and <a href="../../package/py/blinky/1.0+dev1.json">800 more</a>"#;
    page.assert_says(200, &["<code>blinky/m000.py</code>", more, "<li>… and 800 more</li>"]);
    assert!(!page.text().contains("blinky/m200.py"));
    let manifest = server.get("/package/py/blinky/1.0+dev1.json").json();
    assert_eq!(manifest["hashes"].as_array().unwrap().len(), 1_000);
}

#[test]
fn a_release_for_computers_alone_is_not_said_to_be_missing() {
    let native = Dist {
        filename: "native-1.0-cp311-cp311-linux_x86_64.whl".to_owned(),
        ..Dist::wheel("native", "1.0")
    };
    let server = Site::holding(&[native]).start();
    let reason = "holds nothing that a board could import; the project's page says why";
    for (asked, told) in [
        ("/package/6/native/latest.json", "native latest"),
        ("/package/6/native/1.0.json", "native 1.0"),
        ("/native/json", "the project native"),
    ] {
        server.get(asked).assert_says(404, &[told, reason]);
    }
    server
        .get("/package/6/native/2.0.json")
        .assert_says(404, &["native 2.0 is not here"]);
}

#[test]
fn a_release_with_nothing_for_a_board_says_so() {
    let empty = Dist::wheel_of("blinky", "1.0", "", &[("docs/index.md", b"docs")]);
    let server = Server::start();
    assert_eq!(Form::upload(&empty).post(&server).status, 200);
    for target in [
        "/package/6/blinky/latest.json",
        "/package/py/blinky/1.0.json",
        "/blinky/package.json",
        "/boards/blinky/1.0.tar.gz",
    ] {
        let reason = "holds nothing that a board could import; the project's page says why";
        server.get(target).assert_says(404, &["blinky 1.0", reason]);
    }
    let reason = "blinky holds nothing that a board could import; the project's page says why";
    let told = eventually("upip is told that it holds nothing", || {
        let answer = server.get("/blinky/json");
        (answer.status == 404).then_some(answer)
    });
    told.assert_says(404, &[reason]);
    let board = tempfile::tempdir().unwrap();
    mip_install(board.path(), &format!("'blinky', index='{}'", server.url())).says(&["Package not found"]);
    server
        .get("/project/blinky/")
        .assert_says(200, &["On a board: nothing", "left out", "docs"]);
}

/// An sdist of which nobody can tell what its backend would install.
fn undecidable(name: &str, version: &str) -> Dist {
    let pyproject = "[build-system]\nbuild-backend = 'maturin'\n";
    Dist::sdist_of(name, version, &[("pyproject.toml", pyproject.as_bytes())])
}

#[test]
fn a_release_with_nothing_for_a_board_hides_no_other() {
    let site = Site::holding(&[
        Dist::wheel("lat", "1.0"),
        undecidable("lat", "2.0"),
        undecidable("hid", "1.0"),
        Dist::wheel("micropython-hid", "1.0"),
        undecidable("alone", "1.0"),
    ]);
    let server = site.start();
    // At once, although nobody may have looked into the sdists yet.
    assert_eq!(paths(&server, "lat"), ["lat/__init__.py"]);
    assert_eq!(paths(&server, "hid"), ["micropython_hid/__init__.py"]);
    server
        .get("/package/6/lat/2.0.json")
        .assert_says(404, &["lat 2.0", "the project's page says why"]);
    eventually("upip is told to ask its next index", || {
        (server.get("/alone/json").status == 404).then_some(())
    });
    let json = eventually("upip is told of what there is", || {
        let json = server.get("/lat/json").json();
        (json["info"]["version"] == "1.0").then_some(json)
    });
    assert_eq!(json["releases"].as_object().unwrap().len(), 1, "{json}");
    assert_eq!(unpacked(&server, "hid"), ["micropython_hid/__init__.py"]);
    let index = server.get("/index.json").json();
    let listed = index["packages"].as_array().unwrap().iter();
    let listed: Vec<_> = listed
        .map(|package| (&package["name"], &package["versions"]["py"]))
        .collect();
    assert_eq!(
        serde_json::json!(listed),
        serde_json::json!([["lat", ["1.0"]], ["micropython-hid", ["1.0"]]])
    );
    // One that comes later changes that.
    assert_eq!(Form::upload(&Dist::wheel("lat", "2.0")).post(&server).status, 200);
    assert_eq!(server.get("/lat/json").json()["info"]["version"], "2.0");
}

#[test]
fn a_small_board_takes_a_project_of_three_hundred_releases() {
    let site = (0..300).fold(Site::new(), |site, minor| {
        site.package(&Dist::classic("blinky", &format!("1.{minor}"), ""))
    });
    let board = tempfile::tempdir().unwrap();
    let all = site.start();
    let outcome = upip_install("40k", &[&all.url()], board.path(), &["blinky"]);
    outcome.failed_saying(&["memory"]);
    all.stop();
    let server = site.set("boards.releases", "12").start();
    for (spec, works) in [("blinky", true), ("blinky==1.288", true), ("blinky==1.287", false)] {
        let board = tempfile::tempdir().unwrap();
        let outcome = upip_install("40k", &[&server.url()], board.path(), &[spec]);
        assert_eq!(outcome.success, works, "{spec}: {}", outcome.text);
        assert_eq!(tree(board.path()).contains_key("blinky.py"), works, "{spec}");
    }
    // mip is told of one release at a time, and gets any of them.
    let board = tempfile::tempdir().unwrap();
    let arguments = format!("'blinky', version='1.0', index='{}'", server.url());
    mip_install(board.path(), &arguments).succeeded();
    assert!(tree(board.path()).contains_key("blinky.py"));
}
