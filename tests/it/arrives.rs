//! What arrives on a board, by mip and by upip on a heap of 40 KiB, is file by file what pip installs: of projects that
//! the real backends built, and of packages by other makers.

use std::fs;
use std::path::{Path, PathBuf};

use crate::clients::{Client, Tree, built_files, mip_files, package, pip_files, real_packages, twine, upip_files};
use crate::harness::Server;

/// Fails the test unless both installers of boards put these files there.
fn assert_arrives(server: &Server, project: &str, host: &Tree) {
    assert!(!host.is_empty(), "{project}");
    let index = server.url();
    assert_eq!(
        &mip_files(&format!("'{project}', index='{index}'")),
        host,
        "{project} by mip"
    );
    assert_eq!(&upip_files("40k", server, project), host, "{project} by upip");
}

/// Each requires the next.
const BACKENDS: [(&str, &str); 5] = [
    ("flit_core.buildapi", "flit_core"),
    ("hatchling.build", "hatchling"),
    ("poetry.core.masonry.api", "poetry-core"),
    ("pdm.backend", "pdm-backend"),
    ("setuptools.build_meta", "setuptools"),
];

/// The project that a backend builds.
fn project(position: usize) -> String {
    format!("by-{}", BACKENDS[position].1.replace('_', "-"))
}

/// Writes the source of a project: a package with a module, data and tests.
fn write_source(folder: &Path, position: usize) {
    let ((backend, requires), name) = (BACKENDS[position], project(position));
    let dependencies = if position + 1 < BACKENDS.len() {
        format!("'{} >=1, <2', 'nowhere; python_version < \"3\"'", project(position + 1))
    } else {
        String::new()
    };
    let pyproject = format!(
        "[build-system]\nrequires = ['{requires}']\nbuild-backend = '{backend}'\n[project]\nname = '{name}'\nversion = '1.0'\n\
         description = 'small'\ndependencies = [{dependencies}]\n"
    );
    let module = name.replace('-', "_");
    for (path, text) in [
        ("pyproject.toml", &*pyproject),
        ("README.md", "# read me\n"),
        ("tests/test_it.py", "assert True\n"),
        (&format!("{module}/__init__.py"), "ON = 1\n"),
        (&format!("{module}/deep/led.py"), &"# a long comment\n".repeat(1_000)),
    ] {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// The sdist and the wheel of a project, as its backend makes them.
fn build(position: usize, out: &Path) {
    let source = tempfile::tempdir().unwrap();
    write_source(source.path(), position);
    let build = Client::new("build/bin/python").args(["-m", "build", "--no-isolation", "--outdir"]);
    build.args([out, source.path()]).run().succeeded();
}

/// The files of a folder with this ending.
fn ending(folder: &Path, end: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.to_str().unwrap().ends_with(end)).collect()
}

#[test]
fn what_any_backend_built_arrives_with_what_it_requires() {
    let out = tempfile::tempdir().unwrap();
    for position in 0..BACKENDS.len() {
        build(position, out.path());
    }
    let (wheels, sdists) = (Server::start(), Server::start());
    for (server, end) in [(&wheels, ".whl"), (&sdists, ".tar.gz")] {
        let files = ending(out.path(), end);
        assert_eq!(files.len(), BACKENDS.len());
        twine("twine/bin/twine", server).args(files).run().succeeded();
    }
    let host = pip_files(&wheels, &project(0));
    assert_eq!(host.len(), 2 * BACKENDS.len(), "{:?}", host.keys());
    assert_arrives(&wheels, &project(0), &host);
    assert_arrives(&sdists, &project(0), &host);
}

#[test]
fn real_packages_with_a_wheel_arrive() {
    let wheels = [
        "microdot-2.7.0-py3-none-any.whl",
        "picozero-0.6.1-py3-none-any.whl",
        "micropython_servo-1.0.1-py3-none-any.whl",
        "micropython_max7219-0.2.0-py3-none-any.whl",
        "micropython_ahtx0-0.1.2-py3-none-any.whl",
        "micropython_dfplayer-1.0.5-py3-none-any.whl",
    ];
    let server = real_packages(&wheels).start();
    for project in [
        "microdot",
        "picozero",
        "micropython-servo",
        "micropython-max7219",
        "micropython-ahtx0",
        "micropython-dfplayer",
    ] {
        assert_arrives(&server, project, &pip_files(&server, project));
    }
}

#[test]
fn real_packages_without_a_wheel_arrive() {
    let (mdns, am2320) = ("micropython_mdns-1.8.0.tar.gz", "micropython-am2320-1.0.0.tar.gz");
    let server = real_packages(&[mdns, am2320]).start();
    assert_arrives(&server, "micropython-mdns", &built_files(&package(mdns)));
    assert_arrives(&server, "micropython-am2320", &built_files(&package(am2320)));
}
