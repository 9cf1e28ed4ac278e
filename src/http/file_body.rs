//! A file, or a range of one, as the body of an answer. Called by `files.rs` and `mip.rs`.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body as AnyBody;
use bytes::Bytes;
use futures_util::Stream;
use hyper::body::{Body, Frame, SizeHint};

use super::wire::{self, Outgoing};
use crate::store::{Pieces, Source};

/// A range of a file, through `outgoing` where that saves copying.
pub(super) fn body(source: Source, range: Range<u64>, outgoing: Option<Outgoing>) -> AnyBody {
    match source {
        Source::Memory(bytes) => AnyBody::from(bytes.slice(range.start as usize..range.end as usize)),
        Source::File(file) => AnyBody::new(FileBody::new(file, range, outgoing)),
    }
}

/// Yields the bytes, or stand-ins for them where the connection takes those.
struct FileBody {
    pieces: Pieces,
    outgoing: Option<Outgoing>,
}

impl FileBody {
    fn new(file: File, range: Range<u64>, outgoing: Option<Outgoing>) -> Self {
        Self {
            pieces: Pieces::new(file, range),
            outgoing,
        }
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        if let Some(outgoing) = &this.outgoing
            && let Some((file, range)) = this.pieces.take_cached(wire::LONGEST)
        {
            return Poll::Ready(Some(Ok(Frame::data(outgoing.stand_in(file, range)))));
        }
        Pin::new(&mut this.pieces).poll_next(context).map_ok(Frame::data)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.pieces.left())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::path::PathBuf;

    use hyper::body::Incoming;
    use hyper::server::conn::http1;
    use hyper::service::service_fn;
    use hyper::{Request, Response};
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::super::wire::Wire;
    use super::*;

    /// Serves one connection, on which every path is the file from that offset on.
    async fn serve(listener: TcpListener, path: PathBuf) {
        let outgoing = Outgoing::default();
        let wire = Wire::new(listener.accept().await.unwrap().0, outgoing.clone());
        let answer = |request: Request<Incoming>| {
            let offset = request.uri().path()[1..].parse().unwrap();
            let file = File::open(&path).unwrap();
            let range = offset..file.metadata().unwrap().len();
            let body = FileBody::new(file, range, Some(outgoing.clone()));
            async { Ok::<_, Infallible>(Response::new(body)) }
        };
        let connection = http1::Builder::new().serve_connection(TokioIo::new(wire), service_fn(answer));
        // The client may go away in the middle.
        connection.await.ok();
    }

    async fn ask(content: &[u8], requests: &str) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, content).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        client.write_all(requests.as_bytes()).await.unwrap();
        let mut received = Vec::new();
        let (read, ()) = tokio::join!(client.read_to_end(&mut received), serve(listener, path));
        read.unwrap();
        received
    }

    /// The bodies of answers to GET.
    fn bodies(mut received: &[u8]) -> Vec<Vec<u8>> {
        let mut bodies = Vec::new();
        while let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&received[..end]).to_lowercase();
            let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
            let (body, rest) = received[end + 4..].split_at(length.parse().unwrap());
            bodies.push(body.to_vec());
            received = rest;
        }
        bodies
    }

    #[tokio::test]
    async fn pipelined_requests_get_their_ranges() {
        let content: Vec<u8> = (0..3 * wire::LONGEST + 5).map(|n| (n % 251) as u8).collect();
        let requests =
            ["0", "2000000", "3145730", "40000"].map(|offset| format!("GET /{offset} HTTP/1.1\r\nHost: a\r\n"));
        let received = ask(&content, &format!("{}Connection: close\r\n\r\n", requests.join("\r\n"))).await;
        let expected = [0, 2_000_000, 3_145_730, 40_000].map(|offset| content[offset..].to_vec());
        assert!(bodies(&received) == expected);
    }

    #[tokio::test]
    async fn a_head_sends_no_part_of_the_next_answer() {
        let content = vec![7; 100_000];
        let head = "HEAD /0 HTTP/1.1\r\nHost: a\r\n\r\n";
        let received = ask(&content, &format!("{head}GET /50000 HTTP/1.0\r\n\r\n")).await;
        let second = received.windows(8).rposition(|window| window == b"HTTP/1.0").unwrap();
        assert!(bodies(&received[second..]) == [vec![7; 50_000]]);
    }
}
