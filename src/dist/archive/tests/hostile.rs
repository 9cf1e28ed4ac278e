//! What must not get through, and what must not cost more than the limits say.

use super::*;
use super::{gzip, header, list, raw_tar, tar_gz, zip};

fn refusal(archive: &[u8], format: ArchiveFormat) -> ArchiveError {
    list(archive, format, &LIMITS).unwrap_err()
}

#[test]
fn a_bomb_is_refused_by_what_it_really_unpacks_to() {
    let zeros = vec![0; 65 << 20];
    let tight = Limits {
        unpacked_bytes: 1 << 20,
        ratio: 10_000,
        ..LIMITS
    };
    for (archive, format) in [
        (tar_gz(&[("a", &zeros)]), ArchiveFormat::TarGz),
        (zip(&[("a", &zeros)], deflated()), ArchiveFormat::Zip),
        // After the end of the archive, where no member is.
        (gzip(&zeros), ArchiveFormat::TarGz),
    ] {
        assert!(matches!(refusal(&archive, format), ArchiveError::Ratio { limit: 200 }));
        assert!(matches!(list(&archive, format, &tight), Err(ArchiveError::Unpacked { limit }) if limit == 1 << 20));
    }
}

#[test]
fn a_small_archive_may_grow_as_it_likes() {
    let zeros = vec![0; 900_000];
    assert!(list(&tar_gz(&[("a", &zeros)]), ArchiveFormat::TarGz, &LIMITS).is_ok());
    assert!(list(&zip(&[("a", &zeros)], deflated()), ArchiveFormat::Zip, &LIMITS).is_ok());
}

#[test]
fn too_many_members_are_refused() {
    let names: Vec<String> = (0..1_001).map(|i| format!("m{i}")).collect();
    let members: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    for (archive, format) in [
        (tar_gz(&members), ArchiveFormat::TarGz),
        (zip(&members, deflated()), ArchiveFormat::Zip),
    ] {
        assert!(matches!(
            refusal(&archive, format),
            ArchiveError::Members { limit: 1_000 }
        ));
    }
    assert_eq!(
        list(&tar_gz(&members[1..]), ArchiveFormat::TarGz, &LIMITS)
            .unwrap()
            .len(),
        1_000
    );
}

#[test]
fn members_that_leave_are_named() {
    for path in ["/etc/passwd", "a/../../b", "..\\b", "C:\\b"] {
        let tar = gzip(&raw_tar(&[(header(path, EntryType::Regular, 0), b"")]));
        let zip = zip(&[(path, b"")], deflated());
        for (archive, format) in [(tar, ArchiveFormat::TarGz), (zip, ArchiveFormat::Zip)] {
            let error = refusal(&archive, format);
            assert!(error.to_string().contains(&format!("{path:?}")), "{error}");
        }
    }
}

#[test]
fn a_long_name_that_leaves_is_named() {
    let mut builder = Builder::new(Vec::new());
    builder.append_pax_extensions([("path", &b"../x"[..])]).unwrap();
    builder.append(&header("x", EntryType::Regular, 0), &b""[..]).unwrap();
    let error = refusal(&gzip(&builder.into_inner().unwrap()), ArchiveFormat::TarGz);
    assert!(matches!(error, ArchiveError::Escape { path } if path == "../x"));
}

#[test]
fn a_long_name_of_claimed_gigabytes_costs_nothing() {
    for entry_type in [EntryType::GNULongName, EntryType::XHeader, EntryType::XGlobalHeader] {
        let mut tar = header("x", entry_type, 7 << 30).as_bytes().to_vec();
        tar.extend([0; 1024]);
        let error = refusal(&gzip(&tar), ArchiveFormat::TarGz);
        assert!(matches!(error, ArchiveError::Damaged { .. }), "{error}");
    }
}

#[test]
fn what_two_readers_would_read_differently_is_refused() {
    let regular = |path| header(path, EntryType::Regular, 0);
    let pax = |record: &'static [u8], entry_type| (header("pax", entry_type, record.len() as u64), record);
    for (name, members) in [
        (
            "two names",
            vec![
                pax(b"9 path=a\n", EntryType::XHeader),
                pax(b"9 path=b\n", EntryType::XHeader),
                (regular("c"), &b""[..]),
            ],
        ),
        (
            "a global name",
            vec![pax(b"9 path=a\n", EntryType::XGlobalHeader), (regular("c"), b"")],
        ),
        (
            "another size",
            vec![pax(b"10 size=9\n", EntryType::XHeader), (regular("c"), b"")],
        ),
        ("no member", vec![pax(b"9 path=a\n", EntryType::XHeader)]),
        (
            "a broken record",
            vec![pax(b"99 path=a\n", EntryType::XHeader), (regular("c"), b"")],
        ),
        (
            "a link with content",
            vec![(header("l", EntryType::Symlink, 3), b"abc")],
        ),
    ] {
        let error = refusal(&gzip(&raw_tar(&members)), ArchiveFormat::TarGz);
        assert!(matches!(error, ArchiveError::Damaged { .. }), "{name}: {error}");
    }
}

#[test]
fn sparse_files_are_not_supported() {
    let mut sparse = Header::new_gnu();
    sparse.as_old_mut().name[0] = b's';
    sparse.set_entry_type(EntryType::GNUSparse);
    sparse.set_size(0);
    sparse.set_cksum();
    let error = refusal(&gzip(&raw_tar(&[(sparse, b"")])), ArchiveFormat::TarGz);
    assert!(matches!(error, ArchiveError::Unsupported { .. }), "{error}");
}

#[test]
fn what_is_cut_short_or_damaged_is_refused() {
    let noise: Vec<u8> = (0..20_000_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    for (archive, format) in [
        (tar_gz(&[("a", &noise), ("b", &noise)]), ArchiveFormat::TarGz),
        (zip(&[("a", &noise), ("b", &noise)], deflated()), ArchiveFormat::Zip),
    ] {
        for length in [0, 1, 10, 600, archive.len() / 2, archive.len() - 9, archive.len() - 1] {
            let error = refusal(&archive[..length], format);
            assert!(
                matches!(error, ArchiveError::Damaged { .. }),
                "{format} cut to {length}: {error}"
            );
        }
        let mut damaged = archive.clone();
        damaged[archive.len() / 3] ^= 0x40;
        assert!(
            matches!(refusal(&damaged, format), ArchiveError::Damaged { .. }),
            "{format} with a flipped bit"
        );
    }
}

#[test]
fn an_archive_of_the_other_format_is_refused() {
    let (tar, zip) = (tar_gz(&[("a", b"a")]), zip(&[("a", b"a")], deflated()));
    assert_eq!(
        refusal(&zip, ArchiveFormat::TarGz).to_string(),
        "the file is not a sound .tar.gz archive (invalid gzip header); build it again and upload that"
    );
    assert!(
        refusal(&tar, ArchiveFormat::Zip)
            .to_string()
            .contains("not a sound .zip archive")
    );
    let not_a_tar = gzip(&[b'x'; 2000]);
    assert!(matches!(
        refusal(&not_a_tar, ArchiveFormat::TarGz),
        ArchiveError::Damaged { .. }
    ));
}

#[test]
fn a_zip_with_wrong_sizes_is_refused() {
    let sound = zip(&[("a", &[7; 3000])], deflated());
    let size = 3000_u32.to_le_bytes();
    let places: Vec<usize> = (0..sound.len() - 4).filter(|at| sound[*at..*at + 4] == size).collect();
    assert!(!places.is_empty());
    for claimed in [1_u32, 2999, 3001, u32::MAX - 1] {
        let mut archive = sound.clone();
        for at in &places {
            archive[*at..*at + 4].copy_from_slice(&claimed.to_le_bytes());
        }
        let error = refusal(&archive, ArchiveFormat::Zip);
        assert!(matches!(error, ArchiveError::Damaged { .. }), "{claimed}: {error}");
    }
}

#[test]
fn a_zip_whose_two_headers_differ_is_refused() {
    let mut archive = zip(&[("first.py", b"1")], deflated());
    let local = archive.windows(8).position(|bytes| bytes == b"first.py").unwrap();
    archive[local..local + 5].copy_from_slice(b"other");
    assert!(matches!(
        refusal(&archive, ArchiveFormat::Zip),
        ArchiveError::Damaged { .. }
    ));
}

#[test]
fn encrypted_members_are_named() {
    use ::zip::unstable::write::FileOptionsExt;
    let options = deflated().with_deprecated_encryption(b"secret").unwrap();
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file("a", options).unwrap();
    writer.write_all(b"hidden").unwrap();
    let archive = writer.finish().unwrap().into_inner();
    assert!(matches!(refusal(&archive, ArchiveFormat::Zip), ArchiveError::Encrypted { path } if path == "a"));
}

#[test]
fn the_visitors_error_comes_back() {
    let archive = tar_gz(&[("a", b"a")]);
    let walked = walk(Cursor::new(archive), ArchiveFormat::TarGz, &LIMITS, &mut |_| {
        Err(io::Error::other("full"))
    });
    assert!(matches!(walked, Err(ArchiveError::Visitor(error)) if error.to_string() == "full"));
}

#[test]
fn a_disk_that_fails_is_not_the_archives_fault() {
    struct BadDisk(Cursor<Vec<u8>>);
    impl Read for BadDisk {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            const EIO: i32 = 5;
            if self.0.position() > 0 {
                Err(io::Error::from_raw_os_error(EIO))
            } else {
                self.0.read(&mut buffer[..50])
            }
        }
    }
    impl Seek for BadDisk {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.0.seek(to)
        }
    }
    let archive = tar_gz(&[("a", b"abc")]);
    let walked = walk(
        BadDisk(Cursor::new(archive)),
        ArchiveFormat::TarGz,
        &LIMITS,
        &mut |_| Ok(ControlFlow::Continue(())),
    );
    assert!(matches!(walked, Err(ArchiveError::Read(_))));
}

proptest! {
    #[test]
    fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..2000)) {
        let _ = list(&noise, ArchiveFormat::Zip, &LIMITS);
        let _ = list(&gzip(&noise), ArchiveFormat::TarGz, &LIMITS);
    }

    #[test]
    fn damage_never_panics(at in any::<prop::sample::Index>(), bits in 1_u8.., format in prop::sample::select(vec![ArchiveFormat::TarGz, ArchiveFormat::Zip])) {
        let long = "x/".repeat(80);
        let members: [(&str, &[u8]); 3] = [("a/b.py", b"print()"), (&long[..159], b"1"), ("a/PKG-INFO", &[65; 900])];
        let mut archive = match format {
            ArchiveFormat::Zip => zip(&members, deflated()),
            ArchiveFormat::TarGz => raw_tar(&[(header("a", EntryType::Regular, 3), b"abc"), (header("l", EntryType::GNULongName, 4), b"long"), (header("b", EntryType::Regular, 0), b"")]),
        };
        let at = at.index(archive.len());
        archive[at] ^= bits;
        let archive = if format == ArchiveFormat::TarGz { gzip(&archive) } else { archive };
        let _ = list(&archive, format, &LIMITS);
    }
}
