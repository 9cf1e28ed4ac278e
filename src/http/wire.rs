//! What lies between hyper and a plain socket: it hands what the page cache holds of a file to the socket by sendfile(2),
//! which hyper has no way to ask for. Called by `connections.rs` and `file_body.rs`.
//!
//! hyper passes on slices of memory and nothing else. So a body yields slices of [`STAND_IN`] in place of a file's bytes,
//! and notes in [`Outgoing`] which part of which file each slice stands for. hyper keeps the order and the lengths of what
//! it is given, so the first of these parts is always the one that the next stand-in on its way to the socket is for. A
//! body that nobody polls (HEAD) notes nothing, and a connection that ends takes its notes along.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use rustix::net::{SendAncillaryBuffer, SendFlags};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use crate::lock::lock;

/// The most that a stand-in stands for, in bytes.
pub(super) const LONGEST: u64 = 1 << 20;

/// Bytes of an answer that is copied together: to the kernel, send(2) of one slice is cheaper than writev(2) of several.
const SMALL: usize = 4 << 10;

/// Recognised by its address. Nobody reads or writes it, so it takes no memory.
static STAND_IN: [u8; LONGEST as usize] = [0; LONGEST as usize];

fn is_stand_in(slice: &[u8]) -> bool {
    !slice.is_empty() && STAND_IN.as_ptr_range().contains(&slice.as_ptr())
}

/// The slices as one, if they are small.
fn together(slices: &[IoSlice<'_>]) -> Option<Vec<u8>> {
    let length = slices.iter().map(|slice| slice.len()).sum();
    if length > SMALL {
        return None;
    }
    let mut bytes = Vec::with_capacity(length);
    for slice in slices {
        bytes.extend_from_slice(slice);
    }
    Some(bytes)
}

/// The parts of files that are on their way to one connection, in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Outgoing(Arc<Mutex<VecDeque<Part>>>);

#[derive(Debug)]
struct Part {
    file: Arc<File>,
    range: Range<u64>,
}

impl Outgoing {
    /// Bytes for hyper to pass on to this connection next, in place of a range of at most [`LONGEST`] bytes of a file.
    pub(super) fn stand_in(&self, file: Arc<File>, range: Range<u64>) -> Bytes {
        let length = (range.end - range.start) as usize;
        self.parts(|parts| parts.push_back(Part { file, range }));
        Bytes::from_static(&STAND_IN[..length])
    }

    /// Sends at most `most` bytes of the first part, as many as the socket takes.
    fn send(&self, socket: &TcpStream, most: usize) -> io::Result<usize> {
        self.parts(|parts| {
            let part = parts.front_mut().expect("each stand-in was noted when it was made");
            let sent = rustix::fs::sendfile(socket, &*part.file, Some(&mut part.range.start), most)?;
            if part.range.is_empty() {
                parts.pop_front();
            }
            match sent {
                0 => Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the file became shorter while it was sent",
                )),
                sent => Ok(sent),
            }
        })
    }

    fn parts<T>(&self, work: impl FnOnce(&mut VecDeque<Part>) -> T) -> T {
        work(&mut lock(&self.0))
    }
}

/// A socket that sends parts of files in place of stand-ins.
#[derive(Debug)]
pub(super) struct Wire {
    socket: TcpStream,
    outgoing: Outgoing,
}

impl Wire {
    pub(super) fn new(socket: TcpStream, outgoing: Outgoing) -> Self {
        Self { socket, outgoing }
    }

    fn poll_send_file(&self, context: &mut Context<'_>, most: usize) -> Poll<io::Result<usize>> {
        self.poll_send(context, || self.outgoing.send(&self.socket, most))
    }

    /// What comes before a file's bytes goes out with the first of them: a packet of its own would cost as much as some
    /// 10 KB.
    fn poll_send_before_file(&self, context: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.poll_send(context, || {
            let nothing = &mut SendAncillaryBuffer::default();
            Ok(rustix::net::sendmsg(
                &self.socket,
                slices,
                nothing,
                SendFlags::MORE | SendFlags::NOSIGNAL,
            )?)
        })
    }

    fn poll_write_memory(&mut self, context: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let socket = Pin::new(&mut self.socket);
        if let [bytes] = slices {
            return socket.poll_write(context, bytes);
        }
        match together(slices) {
            Some(bytes) => socket.poll_write(context, &bytes),
            None => socket.poll_write_vectored(context, slices),
        }
    }

    fn poll_send(
        &self,
        context: &mut Context<'_>,
        mut send: impl FnMut() -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.socket.poll_write_ready(context))?;
            match self.socket.try_io(Interest::WRITABLE, &mut send) {
                // The socket has filled up since; the next look waits.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => return Poll::Ready(sent),
            }
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match slices.iter().position(|slice| is_stand_in(slice)) {
            Some(at) if slices[..at].iter().all(|slice| slice.is_empty()) => {
                self.poll_send_file(context, slices[at].len())
            }
            Some(at) => self.poll_send_before_file(context, &slices[..at]),
            None => self.poll_write_memory(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    async fn connected() -> (Wire, Outgoing, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let outgoing = Outgoing::default();
        let wire = Wire::new(listener.accept().await.unwrap().0, outgoing.clone());
        (wire, outgoing, client)
    }

    fn file(path: &Path, content: &[u8]) -> Arc<File> {
        std::fs::write(path, content).unwrap();
        Arc::new(File::open(path).unwrap())
    }

    async fn all(mut client: TcpStream) -> Vec<u8> {
        let mut received = Vec::new();
        client.read_to_end(&mut received).await.unwrap();
        received
    }

    #[tokio::test]
    async fn stand_ins_arrive_as_their_files_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let large: Vec<u8> = (0..LONGEST).map(|n| (n % 251) as u8).collect();
        let (one, two) = (
            file(&dir.path().join("1"), &large),
            file(&dir.path().join("2"), b"second"),
        );
        let (mut wire, outgoing, client) = connected().await;
        let sent = async move {
            wire.write_all(b"head ").await.unwrap();
            let (first, rest) = (
                outgoing.stand_in(Arc::clone(&one), 7..LONGEST),
                outgoing.stand_in(one, 0..1),
            );
            let last = outgoing.stand_in(two, 0..6);
            for bytes in [&first[..], b" middle ", &rest[..], &last[..], b" foot"] {
                wire.write_all(bytes).await.unwrap();
            }
        };
        let (received, ()) = tokio::join!(all(client), sent);
        assert!(received == [b"head ", &large[7..], b" middle ", &large[..1], b"second foot"].concat());
    }

    #[tokio::test]
    async fn a_write_of_several_slices_stops_where_the_file_begins() {
        let dir = tempfile::tempdir().unwrap();
        let (mut wire, outgoing, client) = connected().await;
        let stand_in = outgoing.stand_in(file(&dir.path().join("f"), b"file"), 0..4);
        let slices = [&b""[..], b"a", &stand_in, b"b"].map(IoSlice::new);
        assert_eq!(wire.write_vectored(&slices).await.unwrap(), 1);
        assert_eq!(
            wire.write_vectored(&[&slices[..1], &slices[2..]].concat())
                .await
                .unwrap(),
            4
        );
        assert_eq!(wire.write_vectored(&slices[3..]).await.unwrap(), 1);
        drop(wire);
        assert_eq!(all(client).await, b"afileb");
    }

    #[tokio::test]
    async fn a_file_that_shrank_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let (mut wire, outgoing, client) = connected().await;
        let stand_in = outgoing.stand_in(file(&dir.path().join("f"), b"four"), 0..5);
        let error = wire.write_all(&stand_in).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        drop(wire);
        assert_eq!(all(client).await, b"four");
    }
}
