//! HTTP as bytes on a socket, for the edges that no client shows: exact heads, HTTP/1.0, half requests.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use socket2::{Domain, Socket, Type};

use crate::harness::{PASSWORD, PATIENCE, USER};

/// A request in the making.
pub(crate) struct Request {
    method: String,
    target: String,
    version: &'static str,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// Any method.
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            version: "HTTP/1.1",
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// `GET target`.
    pub(crate) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// As a board asks: HTTP/1.0 with no header but `Host`.
    pub(crate) fn board(target: &str) -> Self {
        Self {
            version: "HTTP/1.0",
            ..Self::get(target)
        }
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds Basic credentials.
    pub(crate) fn login(self, user: &str, password: &str) -> Self {
        let token = BASE64_STANDARD.encode(format!("{user}:{password}"));
        self.header("Authorization", &format!("Basic {token}"))
    }

    /// Adds the credentials of the site's one user.
    pub(crate) fn by_user(self) -> Self {
        self.login(USER, PASSWORD)
    }

    /// Sets the body, and its type.
    pub(crate) fn body(mut self, content_type: &str, body: Vec<u8>) -> Self {
        self.body = body;
        self.header("Content-Type", content_type)
    }

    /// The bytes of the head. `Host` is the address, unless the test sets another.
    pub(crate) fn head(&self, address: SocketAddr) -> String {
        let mut head = format!("{} {} {}\r\n", self.method, self.target, self.version);
        if !self.has("Host") {
            head.push_str(&format!("Host: {address}\r\n"));
        }
        if self.version == "HTTP/1.1" {
            head.push_str("Connection: close\r\n");
        }
        if !self.body.is_empty() && !self.has("Content-Length") {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head + "\r\n"
    }

    /// The whole request.
    pub(crate) fn bytes(&self, address: SocketAddr) -> Vec<u8> {
        [self.head(address).as_bytes(), &self.body].concat()
    }

    fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name))
    }

    /// Method and target, for messages.
    pub(crate) fn summary(&self) -> String {
        format!("{} {}", self.method, self.target)
    }

    /// Sends it and reads the answer until the server closes. None without a connection or an answer.
    pub(crate) fn try_send(self, address: SocketAddr) -> Option<Response> {
        let mut stream = connect(address)?;
        stream.write_all(self.head(address).as_bytes()).ok()?;
        // A server that refuses early closes before it has read everything; its answer is what counts.
        let _ = stream.write_all(&self.body);
        Response::read(&mut stream)
    }
}

/// A connection that gives up after [`PATIENCE`].
pub(crate) fn connect(address: SocketAddr) -> Option<TcpStream> {
    let stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    Some(stream)
}

/// A connection from another address of the loopback network, `127.0.0.LAST`.
pub(crate) fn connect_from(last: u8, address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let own = SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0));
    socket.bind(&own.into()).unwrap();
    socket.connect(&address.into()).unwrap();
    let stream: TcpStream = socket.into();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status_line: String,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// Reads until the server closes the connection.
    pub(crate) fn read(stream: &mut TcpStream) -> Option<Self> {
        let mut bytes = Vec::new();
        // A reset after the answer is an answer.
        let _ = stream.read_to_end(&mut bytes);
        Self::parse(&bytes)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).ok()?;
        let mut lines = head.split("\r\n");
        let status_line = lines.next()?.to_owned();
        let status = status_line.split(' ').nth(1)?.parse().ok()?;
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut response = Self {
            status_line,
            status,
            headers,
            body: bytes[end + 4..].to_vec(),
        };
        if response.header("transfer-encoding") == Some("chunked") {
            response.body = unchunked(&response.body)?;
        }
        Some(response)
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// Fails the test unless the status is this one and the body says all of the words.
    #[track_caller]
    pub(crate) fn assert_says(&self, status: u16, words: &[&str]) {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        for word in words {
            assert!(self.text().contains(word), "{word:?} is not in {:?}", self.text());
        }
    }
}

/// The content of a chunked body (RFC 9112 section 7.1), if its last chunk is there.
fn unchunked(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    loop {
        let end = body.windows(2).position(|window| window == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&body[..end]).ok()?, 16).ok()?;
        if size == 0 {
            return Some(content);
        }
        content.extend_from_slice(body.get(end + 2..end + 2 + size)?);
        body = body.get(end + 2 + size + 2..)?;
    }
}
