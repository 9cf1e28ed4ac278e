//! Tarballs on a small board: MicroPython 1.25 with the real upip, a window of 4 KiB and a heap of 40 KiB.

use std::fs::{self, File};

use proptest::prelude::*;

use crate::clients::{Tree, installed, read, run};
use crate::shelf::Board;

/// What upip's own unpacking leaves on a board.
fn unpacked(board: &Board) -> Tree {
    let home = tempfile::tempdir().unwrap();
    let (tarball, lib) = (home.path().join("x.tar.gz"), home.path().join("lib"));
    board.tarball(File::create(&tarball).unwrap());
    fs::create_dir(&lib).unwrap();
    let script = format!(
        "import upip, uzlib, upip_utarfile\nupip.install_tar(upip_utarfile.TarFile(fileobj=uzlib.DecompIO(open({:?}, 'rb'), 16 + 12)), {:?})",
        tarball.to_str().unwrap(),
        format!("{}/", lib.to_str().unwrap()),
    );
    run(
        "micropython/bin/micropython",
        home.path(),
        &["-X", "heapsize=40k", "-c", &script],
    );
    read(&lib)
}

#[test]
fn real_packages_unpack_on_a_small_heap() {
    for package in [
        "micropython_mdns-1.8.0.tar.gz",
        "microdot-2.7.0-py3-none-any.whl",
        "picozero-0.6.1.tar.gz",
    ] {
        let board = Board::of(&installed("packages").join(package));
        assert_eq!(unpacked(&board), board.tree(), "{package}");
    }
}

fn trees() -> impl Strategy<Value = Tree> {
    let path = "[a-z]{1,12}(/[a-z0-9_é]{1,12}){0,5}\\.(py|mpy|bin)|[a-z]{95}\\.py";
    let content = prop::collection::vec(any::<u8>(), 0..20_000);
    prop::collection::btree_map(path, content, 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_unpacks_to_itself(tree in trees()) {
        prop_assert_eq!(unpacked(&Board::holding(&tree)), tree);
    }
}
