//! The Simple API (PEP 503, PEP 691), at `/simple/` and at the base URL itself. GET.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{MethodRouter, get};

use super::error::HttpError;
use super::origin::Origin;
use super::respond::{self, Headers, blocking, no_project, project_name};
use super::right::{List, May};
use super::{App, negotiate};
use crate::dist::ProjectName;
use crate::index::Depth;

/// The list of projects, at this depth below the base URL.
pub(super) fn root(depth: Depth) -> MethodRouter<Arc<App>> {
    get(move |State(app): State<Arc<App>>, _: May<List>, Headers(headers): Headers| root_at(app, headers, depth))
}

/// `{project}/`, at this depth below the base URL.
pub(super) fn project(depth: Depth) -> MethodRouter<Arc<App>> {
    get(
        move |State(app): State<Arc<App>>, _: May<List>, Path(name): Path<String>, Headers(headers): Headers| {
            project_at(app, name, headers, Links::Relative(depth))
        },
    )
}

/// `{project}`, without the slash that PEP 503 wants at its end. pipkin asks like this, and opens the links as they
/// stand.
pub(super) async fn project_without_slash(
    State(app): State<Arc<App>>,
    _: May<List>,
    Path(name): Path<String>,
    origin: Origin,
    Headers(headers): Headers,
) -> Result<Response, HttpError> {
    project_at(app, name, headers, Links::Absolute(origin)).await
}

/// How a page names the files.
enum Links {
    /// Relative to a page at this depth below the base URL.
    Relative(Depth),
    /// By the base URL itself.
    Absolute(Origin),
}

async fn root_at(app: Arc<App>, headers: HeaderMap, depth: Depth) -> Result<Response, HttpError> {
    let (format, media_type) = negotiate::simple(&headers);
    let catalog = app.index.catalog();
    if let Some(page) = catalog.page(format, depth) {
        return Ok(respond::page(page, media_type, headers));
    }
    blocking(move || respond::page(catalog.render(format, depth), media_type, headers)).await
}

async fn project_at(app: Arc<App>, name: String, headers: HeaderMap, links: Links) -> Result<Response, HttpError> {
    let name = project_name(name)?;
    let catalog = app.index.catalog();
    let Some(project) = catalog.project(&name) else {
        return elsewhere(&app, &name);
    };
    let (format, media_type) = negotiate::simple(&headers);
    if let Links::Relative(depth) = links
        && let Some(page) = project.page(format, depth)
    {
        return Ok(respond::page(page, media_type, headers));
    }
    let project = Arc::clone(project);
    blocking(move || match links {
        Links::Relative(depth) => respond::page(project.render(format, depth), media_type, headers),
        Links::Absolute(Origin(base)) => respond::page(&project.render_absolute(format, &base), media_type, headers),
    })
    .await
}

/// A project that is not here: the configured other index, or 404, upon which pip asks its own extra index.
fn elsewhere(app: &App, name: &ProjectName) -> Result<Response, HttpError> {
    match &app.site.fallback_url {
        Some(url) => Ok(Redirect::temporary(&format!("{url}/{name}/")).into_response()),
        None => Err(no_project(name)),
    }
}
