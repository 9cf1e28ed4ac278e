//! The upload form, sent to a whole server on the loopback: multipart, publishing and the error pages at once.

use std::cell::RefCell;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::iter;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use micropypi::config::{self, Flags};
use micropypi::serve;
use tempfile::TempDir;

use crate::archive::{block, gzip};

const BOUNDARY: &str = "b";

/// How long the server may take to start.
const PATIENCE: Duration = Duration::from_secs(20);

struct Server {
    address: SocketAddr,
    connection: RefCell<Option<BufReader<TcpStream>>>,
    _folder: TempDir,
}

pub(crate) fn form(input: &[u8]) {
    thread_local! {
        // What is static is never dropped, and its folder would stay.
        static SERVER: Server = Server::start();
    }
    let status = SERVER.with(|server| server.post(input).expect("the server answers every form"));
    assert!((200..500).contains(&status), "the server answered {status}");
}

pub(crate) fn form_seeds() -> Vec<Vec<u8>> {
    let sdist = gzip(&[block("foo-1.0/foo.py", b'0', b"print()"), vec![0; 1024]].concat());
    let upload: [(&str, &[u8]); 5] = [
        (":action\"", b"file_upload"),
        ("name\"", b"foo"),
        ("version\"", b"1.0"),
        ("md5_digest\"", b""),
        ("content\"; filename=\"foo-1.0.tar.gz\"", &sdist),
    ];
    let removal: [(&str, &[u8]); 3] = [(":action\"", b"remove_pkg"), ("name\"", b"foo"), ("version\"", b"1.0")];
    vec![multipart(&upload), multipart(&removal), multipart(&upload[1..])]
}

fn multipart(fields: &[(&str, &[u8])]) -> Vec<u8> {
    let mut form = Vec::new();
    for (head, value) in fields {
        form.extend(format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{head}\r\n\r\n").into_bytes());
        form.extend(*value);
        form.extend(b"\r\n");
    }
    form.extend(format!("--{BOUNDARY}--\r\n").into_bytes());
    form
}

impl Server {
    /// One that lets everybody upload, to a folder that goes with it.
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the packages");
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
        let address = free.expect("the loopback has a free port");
        let file = folder.path().join("config.toml");
        let (packages, cache) = (folder.path().join("packages"), folder.path().join("cache"));
        let text = format!(
            "listen = [\"{address}\"]\n[store]\npackages = [{packages:?}]\ncache = {cache:?}\noverwrite = true\nwatch = \"off\"\n\
             [auth]\nprotect = []\n[mdns]\nenabled = false\n[log]\nlevel = \"error\"\n"
        );
        fs::write(&file, text).expect("the folder is our own");
        let loaded = config::load(Some(&file), Flags::default(), iter::empty()).expect("the configuration is sound");
        thread::spawn(move || serve::run(loaded, Vec::new(), |_| ()).expect("the server runs"));
        let begin = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(begin.elapsed() < PATIENCE, "the server does not start");
            thread::yield_now();
        }
        Self {
            address,
            connection: RefCell::default(),
            _folder: folder,
        }
    }

    /// Sends a form and gives the status. A connection that the server had closed is made anew, once.
    fn post(&self, form: &[u8]) -> io::Result<u16> {
        let mut connection = self.connection.borrow_mut();
        if let Some(mut known) = connection.take()
            && let Ok(status) = exchange(&mut known, form)
        {
            *connection = Some(known);
            return Ok(status);
        }
        let mut fresh = BufReader::new(TcpStream::connect(self.address)?);
        let status = exchange(&mut fresh, form)?;
        *connection = Some(fresh);
        Ok(status)
    }
}

fn exchange(connection: &mut BufReader<TcpStream>, form: &[u8]) -> io::Result<u16> {
    let length = form.len();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {length}\r\n\r\n"
    );
    connection.get_mut().write_all(&[head.as_bytes(), form].concat())?;
    let mut lines = Vec::new();
    for line in connection.by_ref().lines() {
        match line? {
            line if line.is_empty() => break,
            line => lines.push(line.to_ascii_lowercase()),
        }
    }
    let length = lines
        .iter()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    io::copy(&mut connection.by_ref().take(length.unwrap_or(0)), &mut io::sink())?;
    let status = lines.first().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    status.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}
