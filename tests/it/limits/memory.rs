//! What an upload costs in memory, however large.

use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::dists::{Dist, metadata};
use crate::form::Form;
use crate::harness::Server;
use crate::raw::{Response, connect};

#[test]
fn a_large_upload_is_never_in_memory() {
    const SIZE: u64 = 300 << 20;
    let server = Server::start();
    // The first upload pays for what every upload needs once.
    assert_eq!(Form::upload(&Dist::sdist("blinky", "1.0")).post(&server).status, 200);
    let mut file = Counter(0);
    write_large_sdist(SIZE, &mut file);
    let dist = Dist::new("large", "1.0", "large-1.0.tar.gz", Vec::new());
    let form = Form::of("file_upload", "large", "1.0")
        .file("content", &dist.filename, b"")
        .request("/")
        .by_user()
        .bytes(server.address);
    let text = String::from_utf8(form).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    // The file's content goes before the last line break and boundary of the body.
    let (before, after) = body.split_at(body[..body.len() - 2].rfind("\r\n").unwrap());
    let length = body.len() as u64 + file.0;
    let head = head.replace(
        &format!("Content-Length: {}", body.len()),
        &format!("Content-Length: {length}"),
    );

    let before_upload = server.memory("VmHWM");
    let mut stream = connect(server.address).unwrap();
    stream.write_all(format!("{head}\r\n\r\n{before}").as_bytes()).unwrap();
    write_large_sdist(SIZE, &mut stream);
    stream.write_all(after.as_bytes()).unwrap();
    assert_eq!(Response::read(&mut stream).unwrap().status, 200);
    let grown = server.memory("VmHWM") - before_upload;
    assert!(grown < 8 << 10, "the process grew by {grown} KiB");
}

/// Writes a gzipped sdist of so many bytes, which compress to nothing less.
fn write_large_sdist(stored: u64, out: impl Write) {
    let text = metadata("large", "1.0", "");
    let mut tar = tar::Builder::new(GzEncoder::new(out, Compression::none()));
    for (path, size) in [("large-1.0/PKG-INFO", text.len() as u64), ("large-1.0/zeros", stored)] {
        let mut header = tar::Header::new_ustar();
        header.set_size(size);
        let content: &mut dyn Read = if path.ends_with("PKG-INFO") {
            &mut text.as_bytes()
        } else {
            &mut io::repeat(0).take(stored)
        };
        tar.append_data(&mut header, path, content).unwrap();
    }
    tar.into_inner().and_then(GzEncoder::finish).unwrap();
}

/// Counts what is written to it.
struct Counter(u64);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
