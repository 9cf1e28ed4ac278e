//! Archives. The fuzzer sees the tar itself, not its gzip, whose checksum it would never guess.

use std::io::{Cursor, Write};
use std::ops::ControlFlow;

use flate2::Compression;
use flate2::write::GzEncoder;
use micropypi::dist::{self, ArchiveFormat, DistFilename, Limits};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const LIMITS: Limits = Limits {
    members: 100,
    unpacked_bytes: 1 << 20,
    ratio: 100,
    metadata_bytes: 1 << 16,
};

pub(crate) fn tar(input: &[u8]) {
    read(&gzip(input), ArchiveFormat::TarGz, "foo-1.0.tar.gz");
}

pub(crate) fn zip(input: &[u8]) {
    read(input, ArchiveFormat::Zip, "foo-1.0-py3-none-any.whl");
}

/// Holds a walk to its limits, and to paths that stay inside.
fn read(archive: &[u8], format: ArchiveFormat, file: &str) {
    let (mut members, mut bytes) = (0, 0);
    let _ = dist::walk(Cursor::new(archive), format, &LIMITS, &mut |member| {
        assert!(!member.path.is_empty() && !member.path.starts_with('/'));
        assert!(!member.path.split(['/', '\\']).any(|part| part == ".."));
        members += 1;
        let mut content = Vec::new();
        member.content.read_to_end(&mut content)?;
        assert_eq!(content.len() as u64, member.size);
        bytes += member.size;
        Ok(ControlFlow::Continue(()))
    });
    assert!(members <= LIMITS.members && bytes <= LIMITS.unpacked_bytes);
    let filename = DistFilename::parse(file).expect("it is a file name");
    if let Ok(Some(metadata)) = dist::read_core_metadata(Cursor::new(archive), &filename, &LIMITS) {
        assert!(metadata.len() as u64 <= LIMITS.metadata_bytes && str::from_utf8(&metadata).is_ok());
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

pub(crate) fn tar_seeds() -> Vec<Vec<u8>> {
    let file = block("foo-1.0/foo.py", b'0', b"print()");
    let info = block(
        "foo-1.0/PKG-INFO",
        b'0',
        b"Metadata-Version: 2.1\nName: foo\nVersion: 1.0\n",
    );
    let long = block("././@LongLink", b'L', &[b'x'; 150]);
    let pax = block("pax", b'x', b"16 path=foo/bar\n12 mtime=1.5\n");
    let other = [
        block("foo-1.0/d/", b'5', b""),
        block("foo-1.0/l", b'2', b""),
        block("g", b'g', b"12 comment=x\n"),
    ];
    let end = vec![0; 1024];
    vec![
        [file.clone(), info.clone(), end.clone()].concat(),
        [long, file.clone(), pax, file, end.clone()].concat(),
        [other.concat(), info, end].concat(),
    ]
}

/// A ustar header (POSIX.1-1988) and its content, padded.
pub(crate) fn block(path: &str, kind: u8, content: &[u8]) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..path.len()].copy_from_slice(path.as_bytes());
    block[100..108].copy_from_slice(b"0000644\0");
    block[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
    block[148..156].fill(b' ');
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = block.iter().copied().map(u32::from).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block.extend(content);
    block.resize(block.len().next_multiple_of(512), 0);
    block
}

pub(crate) fn zip_seeds() -> Vec<Vec<u8>> {
    let plain = SimpleFileOptions::default();
    let stored = plain.compression_method(zip::CompressionMethod::Stored);
    [plain, stored, plain.large_file(true)].map(wheel).to_vec()
}

fn wheel(options: SimpleFileOptions) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.add_symlink("foo/l", "x", options).expect("memory takes it");
    let members: [(&str, &[u8]); 2] = [
        ("foo.py", &[b'a'; 300]),
        (
            "foo-1.0.dist-info/METADATA",
            b"Metadata-Version: 2.1\nName: foo\nVersion: 1.0\n",
        ),
    ];
    for (path, content) in members {
        writer.start_file(path, options).expect("memory takes it");
        writer.write_all(content).expect("memory takes it");
    }
    writer.finish().expect("memory takes it").into_inner()
}
