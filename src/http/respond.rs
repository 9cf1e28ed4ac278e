//! Answers that several protocols give: a cached page, a JSON text, work that blocks. Called by the handlers.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, VARY};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_blocking;

use super::error::HttpError;
use super::{App, negotiate};
use crate::dist::ProjectName;
use crate::index::Page;

/// The project that a URL names.
///
/// # Errors
/// [`HttpError::NotFound`] for what can be no project's name.
pub(super) fn project_name(text: String) -> Result<ProjectName, HttpError> {
    ProjectName::parse(&text).map_err(|_| HttpError::NotFound(text))
}

pub(super) fn no_project(name: &ProjectName) -> HttpError {
    HttpError::NotFound(format!("the project {name}"))
}

/// To be kept, and to be revalidated before each use: an upload shows at once, an unchanged page costs a 304.
pub(super) const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");

/// For whom, and by these directives how long, files may be kept: where the index or downloads ask for a password, a cache
/// that many share would hand them to everybody.
pub(super) fn caching(app: &App, directives: &str) -> HeaderValue {
    let scope = if app.auth.asks_readers_for_password() {
        "private"
    } else {
        "public"
    };
    HeaderValue::try_from(format!("{scope}, {directives}")).expect("words and digits are legal in a header")
}

/// The headers of the request, moved out of it: axum's own extractor copies them one by one. Must come last among the
/// extractors that read headers.
pub(super) struct Headers(pub(super) HeaderMap);

impl<S: Sync> FromRequestParts<S> for Headers {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(std::mem::take(&mut parts.headers)))
    }
}

/// An answer that has no headers yet, and room for them: that of the request's, which are gone. To make room anew would
/// cost as much as to fill it.
fn with_room(body: impl Into<Body>, mut room: HeaderMap) -> Response {
    room.clear();
    let mut response = Response::new(body.into());
    *response.headers_mut() = room;
    response
}

/// A page that was rendered before, in the encoding that the client takes; or 304.
pub(super) fn page(page: &Page, media_type: &'static str, headers: HeaderMap) -> Response {
    let compressed = page.gzip.as_ref().filter(|_| negotiate::takes_gzip(&headers));
    let (body, etag) = compressed.map_or((&page.body, &page.etag), |(body, etag)| (body, etag));
    let mut response = if negotiate::has(&headers, etag) {
        not_modified(headers)
    } else {
        let response = with_room(body.clone(), headers);
        described(response, media_type, compressed.is_some())
    };
    let out = response.headers_mut();
    out.insert(
        ETAG,
        HeaderValue::from_maybe_shared(Bytes::clone(etag)).expect("hexadecimal digits are legal in a header"),
    );
    out.insert(CACHE_CONTROL, REVALIDATE);
    out.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    response
}

fn not_modified(room: HeaderMap) -> Response {
    let mut response = with_room(Body::empty(), room);
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response
}

/// Adds the headers that describe a body; a 304 has none (RFC 9110 section 15.4.5).
fn described(mut response: Response, media_type: &'static str, is_gzip: bool) -> Response {
    let out = response.headers_mut();
    out.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    if is_gzip {
        out.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// JSON, neither compressed nor cached: boards inflate nothing and remember nothing.
pub(super) fn json(text: impl Into<Body>) -> Response {
    json_in(HeaderMap::new(), text)
}

/// As [`json`], in the room of headers that are not needed any more.
pub(super) fn json_in(room: HeaderMap, text: impl Into<Body>) -> Response {
    let mut response = with_room(text, room);
    let out = response.headers_mut();
    out.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    out.insert(CACHE_CONTROL, REVALIDATE);
    response
}

/// As [`blocking`], holding a turn until the work is done: a client that hangs up does not end it.
///
/// # Errors
/// As [`blocking`].
pub(super) async fn blocking_in_turn<T: Send + 'static>(
    turn: OwnedSemaphorePermit,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, HttpError> {
    let in_turn = move || {
        let _turn = turn;
        work()
    };
    blocking(in_turn).await
}

/// Runs what blocks where blocking is allowed.
///
/// # Errors
/// [`HttpError::Worker`] when it panics.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, HttpError> {
    Ok(spawn_blocking(work).await?)
}
