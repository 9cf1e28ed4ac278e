//! PyPI's JSON API for host tools: `GET /pypi/{project}/json` and `GET /pypi/{project}/{version}/json`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;

use super::App;
use super::error::HttpError;
use super::origin::Origin;
use super::respond::{self, blocking, no_project, project_name};
use super::right::{List, May};
use crate::dist::ReleaseVersion;

pub(super) async fn project(
    State(app): State<Arc<App>>,
    _: May<List>,
    Path(name): Path<String>,
    origin: Origin,
) -> Result<Response, HttpError> {
    answer(app, name, None, origin).await
}

pub(super) async fn release(
    State(app): State<Arc<App>>,
    _: May<List>,
    Path((name, version)): Path<(String, String)>,
    origin: Origin,
) -> Result<Response, HttpError> {
    answer(app, name, Some(version), origin).await
}

async fn answer(app: Arc<App>, name: String, version: Option<String>, origin: Origin) -> Result<Response, HttpError> {
    let name = project_name(name)?;
    let missing = || no_project(&name);
    let catalog = app.index.catalog();
    let project = Arc::clone(catalog.project(&name).ok_or_else(missing)?);
    let with_releases = version.is_none();
    let version = match version {
        None => {
            let rule = catalog.latest();
            let latest = project.latest_for_board(rule);
            latest.unwrap_or_else(|| project.latest(rule)).version.clone()
        }
        Some(text) => ReleaseVersion::parse_lenient(&text).map_err(|_| HttpError::NotFound(text))?,
    };
    let json = blocking(move || {
        let release = project
            .release(&version)
            .ok_or_else(|| HttpError::NotFound(format!("version {version}")))?;
        Ok::<_, HttpError>(
            app.index
                .pypi_json(&catalog, &project, release, &origin.0, with_releases)?,
        )
    });
    Ok(respond::json(json.await??))
}
