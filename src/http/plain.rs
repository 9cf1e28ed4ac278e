//! Plain HTTP on a port that is for HTTPS: who reads is sent on, who uploads is told. And the reverse, which only the log
//! can be told of. Called by `service.rs` and `connections.rs`.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::Method;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};

use super::error::HttpError;
use super::linger::linger;
use super::origin::Origin;
use super::{App, Exchange};

/// The type of the record that a client of TLS begins with (RFC 8446 section 5.1).
const HANDSHAKE: u8 = 22;

pub(super) async fn answer(app: &App, exchange: &Exchange, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if parts.method == Method::GET || parts.method == Method::HEAD {
        return match encrypted(app, exchange, &parts) {
            Ok(url) => Redirect::temporary(&url).into_response(),
            Err(error) => error.into_response(),
        };
    }
    linger(&mut body.into_data_stream(), app.form.idle).await;
    HttpError::Plain.into_response()
}

/// Says of what is no HTTP that it is HTTPS, if so: the client has no words for it but "wrong version number".
pub(super) fn tell_of_tls(peer: IpAddr, received: &[u8]) {
    if received.first() == Some(&HANDSHAKE) {
        tracing::info!(
            %peer,
            "a client speaks HTTPS to this port, which speaks plain HTTP: write http:// in place of https:// there, or \
             configure [tls] here"
        );
    }
}

/// The URL of the request, by `https:`.
fn encrypted(app: &App, exchange: &Exchange, parts: &Parts) -> Result<String, HttpError> {
    let connection = &exchange.connection;
    // mip leaves the port out of `Host`.
    let port = Some(connection.local.port());
    let Origin(base) = Origin::of(app, connection, &parts.uri, &parts.headers, port)?;
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    Ok(base + target)
}
