//! Health, and what is refused on purpose: `GET /health`, `POST /RPC2`, everything that has no handler.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};

use super::App;
use super::error::HttpError;
use super::linger::linger;
use super::respond::blocking;

/// XML-RPC's answer to a method that is not there (<https://xmlrpc.com/spec.md>).
const NO_SEARCH: &str = "<?xml version='1.0'?>\n<methodResponse><fault><value><struct>\
<member><name>faultCode</name><value><int>-32601</int></value></member>\
<member><name>faultString</name><value><string>This server has no XML-RPC search, and pip no longer uses it; \
see /simple/ for all projects</string></value></member>\
</struct></value></fault></methodResponse>\n";

/// 200 while the packages directories answer, else 503.
pub(super) async fn health(State(app): State<Arc<App>>) -> Result<Response, HttpError> {
    let answers = blocking(move || app.index.store().answers()).await?;
    let (status, text) = if answers {
        (StatusCode::OK, "ok\n")
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "the packages directory does not answer\n",
        )
    };
    Ok((status, [(CACHE_CONTROL, "no-store")], text).into_response())
}

pub(super) async fn xml_rpc() -> Response {
    ([(CONTENT_TYPE, "text/xml")], NO_SEARCH).into_response()
}

/// Most of all: an upload to a page of the index, or a look at where uploads go.
pub(super) async fn wrong_method(State(app): State<Arc<App>>, request: Request) -> HttpError {
    let (method, path) = take_leave(&app, request).await;
    match method {
        Method::GET | Method::HEAD => HttpError::NotForReading { path },
        method => HttpError::WrongMethod { method, path },
    }
}

pub(super) async fn nothing_here(State(app): State<Arc<App>>, request: Request) -> HttpError {
    let (method, path) = take_leave(&app, request).await;
    match method {
        Method::GET | Method::HEAD => HttpError::NotFound(path),
        _ => HttpError::NotForUploads { path },
    }
}

/// Reads what the client is still sending, so that it sees the refusal; and says what it wanted.
async fn take_leave(app: &App, request: Request) -> (Method, String) {
    let (parts, body) = request.into_parts();
    linger(&mut body.into_data_stream(), app.form.idle).await;
    (parts.method, parts.uri.path().to_owned())
}
