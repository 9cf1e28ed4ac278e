//! From a request to its answer and its line in the log: what is ready goes out at once, the rest is for the router's
//! handlers. Called by `connections.rs`.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use axum::Router;
use axum::body::Body;
use axum::http::header::CONTENT_LENGTH;
use axum::http::uri::PathAndQuery;
use axum::http::{Request, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use tower::ServiceExt;

use super::origin::check_host;
use super::request_log::Entry;
use super::router::router;
use super::{App, Connection, Exchange, origin, plain, ready};

/// What answers requests.
#[derive(Debug)]
pub struct Service {
    app: Arc<App>,
    router: Router,
}

impl Service {
    /// Over the state that all handlers share.
    pub fn new(app: Arc<App>) -> Self {
        let router = router(Arc::clone(&app));
        Self { app, router }
    }

    /// How long a client may take nothing of its answer.
    pub(super) fn idle(&self) -> Duration {
        self.app.form.idle
    }

    /// Whether an address is that of a proxy that is believed.
    pub(super) fn is_proxy(&self, peer: IpAddr) -> bool {
        self.app.site.is_proxy(peer)
    }

    async fn route(&self, request: Request<Incoming>, exchange: Arc<Exchange>) -> Response {
        let mut request = request.map(Body::new);
        if exchange.connection.misses_tls() {
            return plain::answer(&self.app, &exchange, request).await;
        }
        if let Some(uri) = without_double_slashes(request.uri()) {
            *request.uri_mut() = uri;
        }
        request.extensions_mut().insert(exchange);
        let Ok(mut response) = self.router.clone().oneshot(request).await;
        if response.status() == StatusCode::NOT_MODIFIED {
            // axum tells the length of this answer's body, where only that of the page would be right (RFC 9110 section 8.6).
            response.headers_mut().remove(CONTENT_LENGTH);
        }
        response
    }
}

/// Answers a request by the service in force.
pub(super) async fn answer(
    service: &ArcSwap<Service>,
    connection: Arc<Connection>,
    request: Request<Incoming>,
) -> Result<Response, Infallible> {
    let entry = Entry::begin();
    let now = service.load();
    let (mut parts, body) = request.into_parts();
    let client = origin::client(connection.peer, &parts.headers, &now.app.site.trusted_proxies);
    let exchange = Exchange::new(connection, client);
    let ready = match check_host(&parts) {
        Ok(()) if exchange.connection.misses_tls() => None,
        Ok(()) => ready::answer(&now.app, &mut parts, &exchange),
        Err(error) => Some(error.into_response()),
    };
    if let Some(response) = ready {
        entry.end(&parts.method, &parts.uri, &response, &exchange);
        return Ok(response);
    }
    let (service, exchange) = (Guard::into_inner(now), Arc::new(exchange));
    let (method, uri) = (parts.method.clone(), parts.uri.clone());
    let request = Request::from_parts(parts, body);
    // On the heap, because hyper would move the router's large state about for what was ready, too.
    let response = Box::pin(service.route(request, Arc::clone(&exchange))).await;
    entry.end(&method, &uri, &response, &exchange);
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
