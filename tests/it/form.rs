//! The upload form, field by field, for what no client would send.

use std::io::Write;
use std::net::TcpStream;

use sha2::{Digest, Sha256};

use crate::dists::Dist;
use crate::harness::Server;
use crate::raw::{Request, Response, connect};

const BOUNDARY: &str = "----------------------------micropypi-test";

/// A multipart form in the making.
#[derive(Default)]
pub(crate) struct Form {
    body: Vec<u8>,
}

impl Form {
    /// What every action on a release needs.
    pub(crate) fn of(action: &str, name: &str, version: &str) -> Self {
        Self::default()
            .field(":action", action)
            .field("name", name)
            .field("version", version)
    }

    /// What twine sends for a distribution, without the file.
    pub(crate) fn fields_of(dist: &Dist) -> Self {
        Self::of("file_upload", &dist.name, &dist.version)
            .field("protocol_version", "1")
            .field(
                "filetype",
                if dist.filename.ends_with(".whl") {
                    "bdist_wheel"
                } else {
                    "sdist"
                },
            )
            .field("metadata_version", "2.1")
            .field("sha256_digest", &sha256(&dist.bytes))
    }

    /// A whole upload of a distribution.
    pub(crate) fn upload(dist: &Dist) -> Self {
        Self::fields_of(dist).file("content", &dist.filename, &dist.bytes)
    }

    /// Asks for the release of a distribution to be removed.
    pub(crate) fn removal(dist: &Dist) -> Self {
        Self::of("remove_pkg", &dist.name, &dist.version)
    }

    /// Adds a text field.
    pub(crate) fn field(mut self, name: &str, value: &str) -> Self {
        self.part(&format!("name=\"{name}\""), value.as_bytes());
        self
    }

    /// Adds a file.
    pub(crate) fn file(mut self, name: &str, filename: &str, content: &[u8]) -> Self {
        self.part(&format!("name=\"{name}\"; filename=\"{filename}\""), content);
        self
    }

    fn part(&mut self, disposition: &str, content: &[u8]) {
        let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n");
        self.body.extend_from_slice(head.as_bytes());
        self.body.extend_from_slice(content);
        self.body.extend_from_slice(b"\r\n");
    }

    /// The request that posts it, without credentials.
    pub(crate) fn request(mut self, target: &str) -> Request {
        self.body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        Request::new("POST", target).body(&content_type(), self.body)
    }

    /// The answer to posting it to `/` as the site's user.
    pub(crate) fn post(self, server: &Server) -> Response {
        server.send(self.request("/").by_user())
    }

    /// Sends what there is so far, as the beginning of a form of so many bytes, and leaves the connection open.
    pub(crate) fn begin(self, server: &Server, length: usize) -> TcpStream {
        let head = Request::new("POST", "/")
            .by_user()
            .header("Content-Type", &content_type())
            .header("Content-Length", &length.to_string());
        let mut stream = connect(server.address).unwrap();
        stream.write_all(head.head(server.address).as_bytes()).unwrap();
        stream.write_all(&self.into_unfinished()).unwrap();
        stream
    }

    /// The bytes so far, for a form that is never finished.
    pub(crate) fn into_unfinished(self) -> Vec<u8> {
        self.body
    }
}

/// The type that goes with the bytes of a [`Form`].
pub(crate) fn content_type() -> String {
    format!("multipart/form-data; boundary={BOUNDARY}")
}

/// The sha256 in hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
