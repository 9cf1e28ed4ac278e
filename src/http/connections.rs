//! Connections: accepted while there is room, served by hyper with time limits, drained at the end. Called by `serve/`.

use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::head_timer::HeadTimer;
use super::service::answer;
use super::shares::{Share, Shares, TooMany};
use super::wire::{Outgoing, Wire};
use super::{Connection, Service, Tls, plain};
use crate::tls::{Acceptor, HandshakeError};

/// Bytes of a request's head; far more than any client sends.
const HEAD_BYTES: usize = 64 << 10;
/// How long open requests may take to end once the server is told to stop.
const DRAIN: Duration = Duration::from_secs(20);

/// How often the log says that no connection can be accepted, while that lasts.
const BETWEEN_WORDS: Duration = Duration::from_secs(60);

/// How long they take before the log says that they are waited for; most take less.
const UNSAID: Duration = Duration::from_millis(200);

/// A listening socket, and whether it speaks TLS.
pub struct Listener {
    /// The socket, which does not block.
    pub socket: std::net::TcpListener,
    /// The certificate, for HTTPS.
    pub tls: Option<Arc<Acceptor>>,
}

/// What a connection may cost.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    /// How long a client may take for the head of a request, and between two requests.
    pub head: Duration,
    /// Open connections; further ones wait.
    pub open: usize,
}

/// What all connections share.
#[derive(Clone)]
pub struct Connections {
    service: Arc<ArcSwap<Service>>,
    http: http1::Builder,
    limits: ConnectionLimits,
    room: Arc<Semaphore>,
    shares: Arc<Shares>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Connections {
    /// Cancelling `stop` ends everything.
    pub fn new(service: Service, limits: ConnectionLimits, stop: CancellationToken) -> Self {
        let mut http = http1::Builder::new();
        http.header_read_timeout(limits.head)
            .half_close(true)
            .max_buf_size(HEAD_BYTES);
        Self {
            service: Arc::new(ArcSwap::from_pointee(service)),
            http,
            limits,
            room: Arc::new(Semaphore::new(limits.open)),
            shares: Arc::new(Shares::of(limits.open)),
            tasks: TaskTracker::new(),
            stop,
        }
    }

    /// Answers requests by another service from now on, those of open connections too.
    pub fn replace(&self, service: Service) {
        self.service.store(Arc::new(service));
    }

    /// A place for a connection from `peer` to `local`; None: it needs none. A proxy has those of all its clients, and this
    /// machine itself may be one.
    fn admit(&self, peer: IpAddr, local: IpAddr) -> Result<Option<Share>, TooMany> {
        if peer == local || self.service.load().is_proxy(peer) {
            return Ok(None);
        }
        self.shares.take(peer).map(Some)
    }

    /// How many there are.
    fn open(&self) -> usize {
        self.limits.open - self.room.available_permits()
    }
}

/// Accepts and serves on the runtimes of `workers`, whichever is free, until the token is cancelled; then lets open requests
/// end, for a while. The future ends with them.
///
/// # Errors
/// When a socket cannot be duplicated.
pub fn serve_connections(
    listeners: &[Listener],
    connections: Connections,
    workers: &[Handle],
) -> io::Result<impl Future<Output = ()> + use<>> {
    for listener in listeners {
        for worker in workers {
            let (socket, tls) = (listener.socket.try_clone()?, listener.tls.clone());
            let accepting = accept(socket, tls, connections.clone());
            connections.tasks.spawn_on(accepting, worker);
        }
    }
    connections.tasks.close();
    Ok(drain(connections))
}

async fn drain(connections: Connections) {
    connections.stop.cancelled().await;
    if timeout(UNSAID, connections.tasks.wait()).await.is_ok() {
        return;
    }
    tracing::info!(
        "waiting for {} open requests, at most {} s; a second signal cuts them off",
        connections.open(),
        DRAIN.as_secs()
    );
    if timeout(DRAIN, connections.tasks.wait()).await.is_err() {
        tracing::warn!(
            open = connections.open(),
            "some requests did not end in time and are cut off"
        );
    }
}

async fn accept(socket: std::net::TcpListener, tls: Option<Arc<Acceptor>>, connections: Connections) {
    let socket = match TcpListener::from_std(socket) {
        Ok(socket) => socket,
        Err(error) => {
            tracing::error!(%error, "a worker cannot accept connections");
            return;
        }
    };
    let mut told = None;
    loop {
        let (accepted, permit) = tokio::select! {
            next = next(&socket, &connections.room) => next,
            () = connections.stop.cancelled() => break,
        };
        match accepted {
            Ok(client) => {
                let attended = attend(client, tls.clone(), connections.clone(), permit);
                connections.tasks.spawn(attended);
                // It is served before the next is accepted: so other workers get their share of a crowd.
                tokio::task::yield_now().await;
            }
            Err(error) => pause_after(&error, &mut told).await,
        }
    }
}

type Client = (TcpStream, SocketAddr);

/// The next client of a socket, and its place among the open connections.
async fn next(socket: &TcpListener, room: &Arc<Semaphore>) -> (io::Result<Client>, OwnedSemaphorePermit) {
    let accepted = socket.accept().await;
    // Not before: to wait for a client on one socket takes no room from the clients of another.
    let permit = Arc::clone(room).acquire_owned().await;
    (accepted, permit.expect("the semaphore is never closed"))
}

/// Out of file descriptors, mostly: waiting lets others end. A client that went away is no reason to wait.
async fn pause_after(error: &io::Error, told: &mut Option<Instant>) {
    if matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    ) {
        return;
    }
    if told.is_none_or(|told| told.elapsed() >= BETWEEN_WORDS) {
        tracing::error!(%error, "cannot accept connections");
        *told = Some(Instant::now());
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// Serves a client to the end of its connection, and gives its place back then.
async fn attend(client: Client, tls: Option<Arc<Acceptor>>, connections: Connections, _permit: OwnedSemaphorePermit) {
    let (stream, peer) = client;
    if let Err(error) = converse(stream, peer, tls, &connections).await {
        tracing::debug!(%peer, %error, "connection ended");
    }
}

async fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<Arc<Acceptor>>,
    connections: &Connections,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let local = stream.local_addr()?;
    let _share = connections.admit(peer.ip(), local.ip())?;
    tune(&stream, connections.service.load().idle())?;
    let connection = |tls| Arc::new(Connection::new(peer.ip(), local, tls));
    match tls {
        None => {
            let outgoing = Outgoing::default();
            let stream = Wire::new(stream, outgoing.clone());
            serve(stream, connections, connection(Tls::None(outgoing))).await?;
        }
        Some(acceptor) => {
            let accepted = tokio::select! {
                accepted = acceptor.accept(stream) => accepted,
                () = connections.stop.cancelled() => return Ok(()),
            };
            match accepted {
                Err(HandshakeError::Plain(stream)) => serve(stream, connections, connection(Tls::Missing)).await?,
                accepted => serve(accepted?, connections, connection(Tls::Spoken)).await?,
            }
        }
    }
    Ok(())
}

/// Pages go out at once; and a client that takes nothing any more is given up by the kernel (`TCP_USER_TIMEOUT`, tcp(7)),
/// however much of its answer is left.
fn tune(stream: &TcpStream, idle: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_user_timeout(Some(idle))
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    connections: &Connections,
    connection: Arc<Connection>,
) -> hyper::Result<()> {
    let has_asked = AtomicBool::new(false);
    let service = service_fn(|request| {
        has_asked.store(true, Ordering::Relaxed);
        answer(&connections.service, Arc::clone(&connection), request)
    });
    let mut http = connections.http.clone();
    let mut conversation = http
        .timer(HeadTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    let ended = tokio::select! {
        biased;
        ended = &mut conversation => ended,
        () = connections.stop.cancelled() => {
            // hyper would wait for the rest of a first head; that of a later one it cuts off itself.
            if !has_asked.load(Ordering::Relaxed) {
                return Ok(());
            }
            std::pin::Pin::new(&mut conversation).graceful_shutdown();
            (&mut conversation).await
        }
    };
    let Err(error) = ended else { return Ok(()) };
    let rest = conversation.into_parts();
    if error.is_parse() {
        plain::tell_of_tls(connection.peer, &rest.read_buf);
    }
    // A client that has begun no request is not told: it might take the words for the answer to its next one.
    if error.is_timeout() && !rest.read_buf.is_empty() {
        tell_slow(rest.io.into_inner(), connections.limits.head).await;
    }
    Err(error)
}

/// hyper ends such a connection without a word.
async fn tell_slow(mut stream: impl AsyncWrite + Unpin, limit: Duration) {
    let sentence = format!(
        "the request's head was not complete after {} seconds ([limits] header_seconds)\n",
        limit.as_secs()
    );
    let answer = format!(
        "HTTP/1.1 408 Request Timeout\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{sentence}",
        sentence.len()
    );
    // It may be gone.
    if stream.write_all(answer.as_bytes()).await.is_ok() {
        stream.shutdown().await.ok();
    }
}
