//! A reverse proxy that serves a server below a path, as nginx does with `proxy_pass http://SERVER/`. Called by the tests.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use crate::harness::Server;

/// A proxy that runs as long as the tests do.
pub(crate) struct Prefix {
    address: SocketAddr,
    prefix: String,
}

impl Prefix {
    /// In front of a server, which must believe it what it says.
    pub(crate) fn of(server: &Server, prefix: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (upstream, path) = (server.address, prefix.to_owned());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // A client that goes away is looked after by its own test.
                let _ = forward(&client, upstream, address, &path);
            }
        });
        Self {
            address,
            prefix: prefix.to_owned(),
        }
    }

    /// The base URL that clients use.
    pub(crate) fn url(&self) -> String {
        format!("http://{}{}", self.address, self.prefix)
    }
}

/// One request without a body, and its answer, up to the end of the connection.
fn forward(client: &TcpStream, upstream: SocketAddr, own: SocketAddr, prefix: &str) -> io::Result<u64> {
    let mut lines = BufReader::new(client).lines();
    let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let Some(below) = request.strip_prefix(&format!("GET {prefix}/")) else {
        return (&mut &*client).write_all(b"HTTP/1.0 404 Not Found\r\n\r\n").map(|()| 0);
    };
    let mut head = format!("GET /{below}\r\nX-Forwarded-Host: {own}\r\nX-Forwarded-Prefix: {prefix}\r\n");
    for line in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {
        head.push_str(&format!("{line}\r\n"));
    }
    let mut server = TcpStream::connect(upstream)?;
    server.write_all(format!("{head}\r\n").as_bytes())?;
    io::copy(&mut server, &mut &*client)
}
