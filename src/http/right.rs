//! The right that a handler asks for, in its signature: `May<List>`, `May<Download>`. Called by the handlers, as an extractor.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::HeaderValue;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use super::error::HttpError;
use super::request_log::Subject;
use super::{App, Exchange};
use crate::auth::Action;
use crate::dist::{DistFilename, ProjectName};

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
        note_subject(parts, app).await;
        check(parts, app, R::ACTION).await.map(|()| Self(PhantomData))
    }
}

/// Notes for the log what the route's path names, before anything can be refused.
async fn note_subject(parts: &mut Parts, app: &App) {
    // A route without names has none.
    let Ok(names) = RawPathParams::from_request_parts(parts, &()).await else {
        return;
    };
    let subject = &exchange(parts).subject;
    for (key, value) in &names {
        match key {
            "project" => note_project(subject, app, value),
            "path" => note_file(subject, app, value),
            _ => {}
        }
    }
}

/// A board may have left `micropython-` out.
fn note_project(subject: &Subject, app: &App, name: &str) {
    let Ok(name) = ProjectName::parse(name) else { return };
    let catalog = app.index.catalog();
    let here = catalog.project(&name).or_else(|| catalog.project_for_board(&name));
    subject.note_project(here.map_or(&name, |project| project.name()));
}

/// A file, or one of those that belong to it.
fn note_file(subject: &Subject, app: &App, path: &str) {
    let path = path
        .strip_suffix(".metadata")
        .or(path.strip_suffix(".asc"))
        .unwrap_or(path);
    if let Some(file) = app.index.catalog().file(path) {
        subject.note_file(file.name.project(), &file.path);
    } else if let Ok(name) = DistFilename::parse(path.rsplit('/').next().unwrap_or(path)) {
        subject.note_file(name.project(), &path.into());
    }
}

/// Checks the request's credentials for an action.
///
/// # Errors
/// When the action is refused.
pub(super) async fn check(parts: &Parts, app: &App, action: Action) -> Result<(), HttpError> {
    let authorization = parts.headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
    let exchange = exchange(parts);
    let checked = app.auth.check(action, authorization, exchange.client).await;
    if let Some(user) = checked.map_err(|denied| HttpError::Denied { action, denied })? {
        // Only the first answer counts for the log; they are the same.
        exchange.user.set(user).ok();
    }
    Ok(())
}

/// What this request is part of.
pub(super) fn exchange(parts: &Parts) -> &Exchange {
    parts
        .extensions
        .get::<Arc<Exchange>>()
        .expect("service.rs gives every request its exchange")
}
