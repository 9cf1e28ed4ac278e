//! The right that a handler asks for, in its signature: `May<List>`, `May<Download>`. Called by the handlers, as an extractor.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderValue;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use super::error::HttpError;
use super::origin::client;
use super::{App, Connection};
use crate::auth::Action;

/// Proof that the request may do what `R` names.
pub(super) struct May<R>(PhantomData<R>);

/// A right as a type.
pub(super) trait Right {
    /// The right as a value.
    const ACTION: Action;
}

/// See the index.
pub(super) struct List;
/// Get the files.
pub(super) struct Download;

impl Right for List {
    const ACTION: Action = Action::List;
}

impl Right for Download {
    const ACTION: Action = Action::Download;
}

impl<R: Right> FromRequestParts<Arc<App>> for May<R> {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Self::Rejection> {
        check(parts, app, R::ACTION).await.map(|()| Self(PhantomData))
    }
}

/// Checks the request's credentials for an action.
///
/// # Errors
/// When the action is refused.
pub(super) async fn check(parts: &Parts, app: &App, action: Action) -> Result<(), HttpError> {
    let connection = connection(parts);
    let authorization = parts.headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
    if let Some(user) = app
        .auth
        .check(action, authorization, client(parts, &app.site.trusted_proxies))
        .await?
    {
        // Only the first answer counts for the log; they are the same.
        connection.user.set(user).ok();
    }
    Ok(())
}

/// The connection that this request came by.
pub(super) fn connection(parts: &Parts) -> &Connection {
    parts
        .extensions
        .get()
        .expect("connections.rs hands every request its connection")
}
