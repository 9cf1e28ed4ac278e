//! Plain HTTP on a port that is for HTTPS: who reads is sent on, who uploads is told. Called by `service.rs`.

use axum::extract::Request;
use axum::http::Method;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};

use super::error::HttpError;
use super::linger::linger;
use super::origin::Origin;
use super::{App, Exchange};

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

/// The URL of the request, by `https:`.
fn encrypted(app: &App, exchange: &Exchange, parts: &Parts) -> Result<String, HttpError> {
    let connection = &exchange.connection;
    // mip leaves the port out of `Host`.
    let port = Some(connection.local.port());
    let Origin(base) = Origin::of(app, connection, &parts.uri, &parts.headers, port)?;
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    Ok(base + target)
}
