//! Connections: accepted while there is room, served by hyper with time limits, drained at the end. Called by `serve.rs`.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use axum::http::uri::PathAndQuery;
use axum::http::{Request, Uri};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::Connection;
use super::request_log::Entry;
use super::wire::{Outgoing, Wire};
use crate::tls::Acceptor;

/// Bytes of a request's head; far more than any client sends.
const HEAD_BYTES: usize = 64 << 10;
/// How long open requests may take to end once the server is told to stop.
const DRAIN: Duration = Duration::from_secs(20);

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
    /// How long a client may take nothing of its answer.
    pub idle: Duration,
    /// Open connections; further ones wait.
    pub open: usize,
}

/// What all connections share.
#[derive(Clone)]
pub struct Connections {
    router: Arc<ArcSwap<Router>>,
    http: http1::Builder,
    limits: ConnectionLimits,
    room: Arc<Semaphore>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Connections {
    /// Cancelling `stop` ends everything.
    pub fn new(router: Router, limits: ConnectionLimits, stop: CancellationToken) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(limits.head)
            .half_close(true)
            .max_buf_size(HEAD_BYTES);
        Self {
            router: Arc::new(ArcSwap::from_pointee(router)),
            http,
            limits,
            room: Arc::new(Semaphore::new(limits.open)),
            tasks: TaskTracker::new(),
            stop,
        }
    }

    /// Answers requests by another router from now on, those of open connections too.
    pub fn replace(&self, router: Router) {
        self.router.store(Arc::new(router));
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
    let graceful = GracefulShutdown::new();
    loop {
        let next = async {
            let permit = Arc::clone(&connections.room)
                .acquire_owned()
                .await
                .expect("the semaphore is never closed");
            (permit, socket.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            next = next => next,
            () = connections.stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let watcher = graceful.watcher();
                let connections_ = connections.clone();
                let tls = tls.clone();
                connections.tasks.spawn(async move {
                    let _permit: OwnedSemaphorePermit = permit;
                    if let Err(error) = converse(stream, peer, tls, &connections_, watcher).await {
                        tracing::debug!(%peer, error, "connection ended");
                    }
                });
                // It is served before the next is accepted: so other workers get their share of a crowd.
                tokio::task::yield_now().await;
            }
            Err(error) => pause_after(&error).await,
        }
    }
    drop(socket);
    graceful.shutdown().await;
}

/// Out of file descriptors, mostly: waiting lets others end. A client that went away is no reason to wait.
async fn pause_after(error: &io::Error) {
    if !matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    ) {
        tracing::error!(%error, "cannot accept connections");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

type Watcher = hyper_util::server::graceful::Watcher;

async fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<Arc<Acceptor>>,
    connections: &Connections,
    watcher: Watcher,
) -> Result<(), String> {
    let local = stream.local_addr().map_err(|error| error.to_string())?;
    tune(&stream, connections.limits.idle).map_err(|error| error.to_string())?;
    let connection = |outgoing: Option<Outgoing>| Connection {
        peer,
        local,
        tls: outgoing.is_none(),
        outgoing,
        user: Arc::default(),
        subject: Arc::default(),
    };
    match tls {
        None => {
            let outgoing = Outgoing::default();
            let stream = Wire::new(stream, outgoing.clone());
            serve(stream, connections, watcher, connection(Some(outgoing))).await
        }
        Some(acceptor) => {
            let stream = acceptor.accept(stream).await.map_err(|error| error.to_string())?;
            serve(stream, connections, watcher, connection(None)).await
        }
    }
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
    watcher: Watcher,
    connection: Connection,
) -> Result<(), String> {
    let service = service_fn(|request| {
        let connection = Connection {
            user: Arc::default(),
            subject: Arc::default(),
            ..connection.clone()
        };
        answer(Router::clone(&connections.router.load()), connection, request)
    });
    let conversation = connections.http.serve_connection(TokioIo::new(stream), service);
    watcher.watch(conversation).await.map_err(|error| error.to_string())
}

async fn answer(router: Router, connection: Connection, request: Request<Incoming>) -> Result<Response, Infallible> {
    let entry = Entry::begin(request.method().clone(), request.uri().clone());
    let mut request = request.map(Body::new);
    if let Some(uri) = without_double_slashes(request.uri()) {
        *request.uri_mut() = uri;
    }
    request.extensions_mut().insert(connection.clone());
    let response = router.oneshot(request).await?;
    entry.end(&response, &connection);
    Ok(response)
}

/// upip appends `/{name}/json` to an index URL as it was written, with or without a slash at its end.
fn without_double_slashes(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    if !path.contains("//") {
        return None;
    }
    let mut single = String::with_capacity(path.len());
    for character in path.chars() {
        if character != '/' || !single.ends_with('/') {
            single.push(character);
        }
    }
    if let Some(query) = uri.query() {
        single.push('?');
        single.push_str(query);
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(single).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_are_folded_and_the_query_is_kept() {
        let folded = |uri: &str| without_double_slashes(&uri.parse().unwrap()).map(|uri| uri.to_string());
        assert_eq!(folded("//foo///json?x=//").as_deref(), Some("/foo/json?x=//"));
        assert_eq!(folded("/foo/json?x=//"), None);
    }
}
