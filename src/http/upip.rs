//! upip, the installer of MicroPython up to 1.19: `GET /{project}/json`. Any spelling of the name, never a redirect,
//! never an encoding. The source is upip.py of MicroPython 1.18.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;

use super::App;
use super::error::HttpError;
use super::origin::Origin;
use super::respond::{self, no_project, project_name};
use super::right::{List, May};
use crate::index::{Catalog, Project};

pub(super) async fn json(
    State(app): State<Arc<App>>,
    _: May<List>,
    Path(name): Path<String>,
    origin: Origin,
) -> Result<Response, HttpError> {
    let name = project_name(name)?;
    let catalog = app.index.catalog();
    let project = catalog.project_for_board(&name).ok_or_else(|| no_project(&name))?;
    answer(&catalog, project, origin).ok_or_else(|| match project.for_board().next() {
        None => HttpError::NothingForBoards(format!("the project {name}")),
        Some(_) => HttpError::NotFound(format!("a release of {name} for upip")),
    })
}

/// None where upip would find nothing to install.
pub(super) fn answer(catalog: &Catalog, project: &Project, origin: Origin) -> Option<Response> {
    let template = catalog.upip(project);
    (!template.is_empty()).then(|| respond::json(template.fill(origin.0)))
}
