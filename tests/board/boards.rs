//! Tarballs on a small board: MicroPython 1.25 with the real upip, a window of 4 KiB and a heap of 40 KiB.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::clients::{Tree, installed, read, run};
use crate::shelf::Board;

const METADATA: &[u8] = b"Metadata-Version: 2.1\nName: small\nVersion: 1.0\n";

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

/// A wheel of these files.
fn wheel(tree: &Tree, folder: &Path) -> PathBuf {
    let path = folder.join("small-1.0-py3-none-any.whl");
    let mut zip = ZipWriter::new(File::create(&path).unwrap());
    let metadata = ("small-1.0.dist-info/METADATA".to_owned(), METADATA.to_vec());
    for (name, content) in tree.iter().chain([(&metadata.0, &metadata.1)]) {
        zip.start_file(name.as_str(), SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap();
    path
}

/// A classic sdist of these files.
fn sdist(tree: &Tree, folder: &Path) -> PathBuf {
    let path = folder.join("small-1.0.tar.gz");
    let gzip = GzEncoder::new(File::create(&path).unwrap(), Compression::fast());
    let mut tar = tar::Builder::new(gzip);
    for (name, content) in tree {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, format!("small-1.0/{name}"), &content[..])
            .unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap();
    path
}

/// Legal members: modules at the top, and packages with data at any depth.
fn trees() -> impl Strategy<Value = Tree> {
    let path = "m[a-z]{1,12}(/[a-z0-9_é]{1,12}){0,5}\\.py|m[a-z]{94}\\.py|pkg(/[a-z]{1,9}){1,3}\\.(bin|json)";
    let content = prop::collection::vec(any::<u8>(), 0..20_000);
    prop::collection::btree_map(path, content, 0..6).prop_map(|mut tree| {
        tree.insert("pkg/__init__.py".to_owned(), Vec::new());
        tree
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_archive_unpacks_to_its_members(tree in trees()) {
        let home = tempfile::tempdir().unwrap();
        for archive in [wheel(&tree, home.path()), sdist(&tree, home.path())] {
            prop_assert_eq!(&unpacked(&Board::of(&archive)), &tree);
        }
    }
}
