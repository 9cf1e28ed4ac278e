//! Packages by other makers, as the registry has them.

use crate::clients::{installed, pip_installed};
use crate::shelf::Board;

fn paths(dist: &str) -> Vec<String> {
    Board::of(&installed("packages").join(dist))
        .tree()
        .into_keys()
        .collect()
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
    ] {
        let [sdist, wheel] = [sdist, wheel].map(|file| installed("packages").join(file));
        let home = tempfile::tempdir().unwrap();
        let host = pip_installed(&wheel, home.path());
        let (sdist, wheel) = (Board::of(&sdist), Board::of(&wheel));
        assert_eq!(wheel.tree(), host, "{:?}", wheel.view.notes);
        assert_eq!(sdist.tree(), host, "{:?}", sdist.view.notes);
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

#[test]
fn setuptools_sdists_without_a_wheel_give_their_packages() {
    let mdns = paths("micropython_mdns-1.8.0.tar.gz");
    assert_eq!(mdns.len(), 12, "{mdns:?}");
    assert!(mdns.iter().all(|path| path.starts_with("mdns_client/")));
    assert!(
        paths("micropython-esp32-ulp-1.2.0.tar.gz")
            .iter()
            .all(|path| path.starts_with("esp32_ulp/"))
    );
}
