//! What the world packs is read as it was packed.

use super::*;
use super::{gzip, header, list, raw_tar, tar_gz, zip};

const FILES: [(&str, &[u8]); 3] = [
    ("foo-1.0/foo.py", b"print('foo')\n"),
    ("foo-1.0/PKG-INFO", b""),
    ("foo-1.0/naïve.py", b"1"),
];

#[test]
fn both_formats_show_the_same() {
    let tar = tar_gz(&FILES);
    let zip_deflated = zip(&FILES, deflated());
    let zip_stored = zip(&FILES, deflated().compression_method(CompressionMethod::Stored));
    for (archive, format) in [
        (tar, ArchiveFormat::TarGz),
        (zip_deflated, ArchiveFormat::Zip),
        (zip_stored, ArchiveFormat::Zip),
    ] {
        let seen = list(&archive, format, &LIMITS).unwrap();
        assert_eq!(files(&seen), FILES);
        assert!(seen.iter().all(|(_, kind, _)| *kind == MemberKind::File));
    }
}

#[test]
fn long_names_are_whole() {
    let path = format!("foo-1.0/{}/x.py", "directory/".repeat(30));
    let mut pax = Builder::new(Vec::new());
    pax.append_pax_extensions([("mtime", &b"1.5"[..]), ("path", path.as_bytes())])
        .unwrap();
    pax.append(&header("foo-1.0/short", EntryType::Regular, 2), &b"ok"[..])
        .unwrap();
    let gnu = tar_gz(&[(&path, b"ok")]);
    for archive in [gnu, gzip(&pax.into_inner().unwrap())] {
        assert_eq!(
            files(&list(&archive, ArchiveFormat::TarGz, &LIMITS).unwrap()),
            [(path.as_str(), &b"ok"[..])]
        );
    }
}

#[test]
fn kinds_are_told() {
    let tar = gzip(&raw_tar(&[
        (header("./", EntryType::Directory, 0), b""),
        (header("./foo/", EntryType::Directory, 0), b""),
        (header("./foo/old/", EntryType::Regular, 0), b""),
        (header("./foo/link", EntryType::Symlink, 0), b""),
        (header("foo/hard", EntryType::Link, 0), b""),
        (header("foo/pipe", EntryType::Fifo, 0), b""),
    ]));
    let seen = list(&tar, ArchiveFormat::TarGz, &LIMITS).unwrap();
    let kinds: Vec<_> = seen.iter().map(|(path, kind, _)| (path.as_str(), *kind)).collect();
    assert_eq!(
        kinds,
        [
            ("foo", MemberKind::Directory),
            ("foo/old", MemberKind::Directory),
            ("foo/link", MemberKind::Link),
            ("foo/hard", MemberKind::Link),
            ("foo/pipe", MemberKind::Other)
        ]
    );
}

#[test]
fn kinds_in_a_zip_are_told() {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.add_directory("foo", deflated()).unwrap();
    writer.add_symlink("foo/link", "/etc/passwd", deflated()).unwrap();
    writer.start_file("foo/x", deflated()).unwrap();
    let zip = writer.finish().unwrap().into_inner();
    let seen = list(&zip, ArchiveFormat::Zip, &LIMITS).unwrap();
    let kinds: Vec<_> = seen.iter().map(|(path, kind, _)| (path.as_str(), *kind)).collect();
    assert_eq!(
        kinds,
        [
            ("foo", MemberKind::Directory),
            ("foo/link", MemberKind::Link),
            ("foo/x", MemberKind::File)
        ]
    );
}

#[test]
fn gzip_of_several_members_is_read_on() {
    let tar = raw_tar(&[
        (header("a", EntryType::Regular, 3), b"abc"),
        (header("b", EntryType::Regular, 1), b"d"),
    ]);
    let pieces: Vec<u8> = tar.chunks(700).flat_map(gzip).collect();
    assert_eq!(
        files(&list(&pieces, ArchiveFormat::TarGz, &LIMITS).unwrap()),
        [("a", &b"abc"[..]), ("b", b"d")]
    );
}

#[test]
fn zip64_is_read() {
    let archive = zip(&[("a", b"abc")], deflated().large_file(true));
    assert_eq!(
        files(&list(&archive, ArchiveFormat::Zip, &LIMITS).unwrap()),
        [("a", &b"abc"[..])]
    );
}

#[test]
fn unread_content_is_skipped_and_a_break_ends_the_walk() {
    let tar = tar_gz(&[("a", &[1; 5000]), ("b", &[2; 5000]), ("c", b"")]);
    let zip = zip(&[("a", &[1; 5000]), ("b", &[2; 5000]), ("c", b"")], deflated());
    for (archive, format) in [(tar, ArchiveFormat::TarGz), (zip, ArchiveFormat::Zip)] {
        let mut paths = Vec::new();
        let walked = walk(Cursor::new(archive), format, &LIMITS, &mut |member| {
            paths.push(member.path.to_owned());
            Ok(if member.path == "b" {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        });
        assert!(walked.is_ok());
        assert_eq!(paths, ["a", "b"]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_is_packed_is_walked(members in prop::collection::vec(("[a-z]{1,9}(/[a-zé]{1,60}){0,4}", prop::collection::vec(any::<u8>(), 0..2000)), 0..6)) {
        let members: Vec<_> = members.iter().enumerate().map(|(i, (path, content))| (format!("{i}{path}"), content)).collect();
        let members: Vec<(&str, &[u8])> = members.iter().map(|(path, content)| (path.as_str(), content.as_slice())).collect();
        let tar = list(&tar_gz(&members), ArchiveFormat::TarGz, &LIMITS).unwrap();
        prop_assert_eq!(files(&tar), members.clone());
        let zip = list(&zip(&members, deflated()), ArchiveFormat::Zip, &LIMITS).unwrap();
        prop_assert_eq!(files(&zip), members);
    }
}
