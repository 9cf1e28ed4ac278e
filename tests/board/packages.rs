//! Packages by other makers, as the registry has them.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

use crate::clients::{Tree, installed, pip_installed};
use crate::shelf::Board;

fn paths(dist: &str) -> Vec<String> {
    Board::of(&installed("packages").join(dist))
        .tree()
        .into_keys()
        .collect()
}

/// What pip installs of a package.
fn on_host(dist: &Path) -> Tree {
    let home = tempfile::tempdir().unwrap();
    let host = pip_installed(dist, home.path());
    assert!(!host.is_empty(), "{}", dist.display());
    host
}

#[test]
fn an_sdist_gives_what_its_wheel_installs() {
    for (sdist, wheel) in [
        ("microdot-2.7.0.tar.gz", "microdot-2.7.0-py3-none-any.whl"),
        ("picozero-0.6.1.tar.gz", "picozero-0.6.1-py3-none-any.whl"),
        (
            "micropython-servo-1.0.1.tar.gz",
            "micropython_servo-1.0.1-py3-none-any.whl",
        ),
        (
            "micropython-max7219-0.2.0.tar.gz",
            "micropython_max7219-0.2.0-py3-none-any.whl",
        ),
        (
            "micropython-ahtx0-0.1.2.tar.gz",
            "micropython_ahtx0-0.1.2-py3-none-any.whl",
        ),
        (
            "micropython_dfplayer-1.0.5.tar.gz",
            "micropython_dfplayer-1.0.5-py3-none-any.whl",
        ),
    ] {
        let [sdist, wheel] = [sdist, wheel].map(|file| installed("packages").join(file));
        let host = on_host(&wheel);
        let (sdist, wheel) = (Board::of(&sdist), Board::of(&wheel));
        assert_eq!(wheel.tree(), host, "{:?}", wheel.view.notes);
        assert_eq!(sdist.tree(), host, "{:?}", sdist.view.notes);
    }
}

#[test]
fn an_sdist_without_a_wheel_gives_what_its_backend_builds() {
    for sdist in ["micropython_mdns-1.8.0.tar.gz", "micropython-am2320-1.0.0.tar.gz"] {
        let sdist = installed("packages").join(sdist);
        let board = Board::of(&sdist);
        assert_eq!(board.tree(), on_host(&sdist), "{:?}", board.view.notes);
    }
}

/// Every member of a classic sdist but its egg-info: what upip unpacks, since no backend can build it.
fn members(sdist: &Path) -> Tree {
    let mut tar = tar::Archive::new(GzDecoder::new(File::open(sdist).unwrap()));
    let mut members = Tree::new();
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().into_owned();
        let path = path.iter().skip(1).collect::<PathBuf>();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        members.insert(path.to_str().unwrap().to_owned(), content);
    }
    members.retain(|path, _| !path.contains(".egg-info/"));
    members
}

#[test]
fn a_classic_sdist_gives_all_that_upip_unpacks() {
    for (sdist, count) in [
        ("micropython-esp32-ulp-1.2.0.tar.gz", 11),
        ("micropython-modbus-2.3.7.tar.gz", 9),
    ] {
        let sdist = installed("packages").join(sdist);
        let board = Board::of(&sdist);
        assert_eq!(board.tree(), members(&sdist), "{:?}", board.view.notes);
        assert_eq!(board.tree().len(), count);
    }
}

#[test]
fn classic_sdists_give_what_upip_installed() {
    assert_eq!(paths("micropython-umqtt.simple-1.3.4.tar.gz"), ["umqtt/simple.py"]);
    assert_eq!(paths("micropython-uasyncio-3.1.1.tar.gz"), ["uasyncio/__init__.py"]);
    assert_eq!(paths("micropython-upip-1.2.6.tar.gz"), ["upip.py", "upip_utarfile.py"]);
    let uasyncio = Board::of(&installed("packages/micropython-uasyncio-3.1.1.tar.gz"));
    // As its author wrote it: what this server does not have is passed on by that name.
    assert_eq!(uasyncio.view.requires[0].name, "micropython-uasyncio.core");
}
