//! Archives built in code: sound ones of every dialect, and everything that must not get through.

use std::io::{Cursor, Write};

use ::tar::{Builder, EntryType, Header};
use ::zip::write::SimpleFileOptions;
use ::zip::{CompressionMethod, ZipWriter};
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;
use crate::dist::DistFilename;

mod hostile;
mod metadata;
mod sound;

const LIMITS: Limits = Limits {
    members: 1_000,
    unpacked_bytes: 64 << 20,
    ratio: 200,
    metadata_bytes: 1 << 20,
};

/// A member as a walk saw it: path, kind, content.
type Seen = (String, MemberKind, Vec<u8>);

fn list(archive: &[u8], format: ArchiveFormat, limits: &Limits) -> Result<Vec<Seen>, ArchiveError> {
    let mut seen = Vec::new();
    walk(Cursor::new(archive), format, limits, &mut |member| {
        let mut content = Vec::new();
        member.content.read_to_end(&mut content)?;
        assert_eq!(content.len() as u64, member.size);
        seen.push((member.path.to_owned(), member.kind, content));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(seen)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A ustar header whose name is taken as it is, `..` and all.
fn header(path: &str, entry_type: EntryType, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
    header.set_entry_type(entry_type);
    header.set_mode(0o644);
    header.set_size(size);
    header.set_cksum();
    header
}

/// A tar of raw headers, each with its content.
fn raw_tar(members: &[(Header, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (header, content) in members {
        builder.append(header, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

pub(crate) fn tar_gz(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, path, *content).unwrap();
    }
    gzip(&builder.into_inner().unwrap())
}

pub(crate) fn zip(files: &[(&str, &[u8])], options: SimpleFileOptions) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, content) in files {
        writer.start_file(*path, options).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn deflated() -> SimpleFileOptions {
    SimpleFileOptions::default().compression_method(CompressionMethod::Deflated)
}

fn files(seen: &[Seen]) -> Vec<(&str, &[u8])> {
    seen.iter()
        .map(|(path, _, content)| (path.as_str(), content.as_slice()))
        .collect()
}
