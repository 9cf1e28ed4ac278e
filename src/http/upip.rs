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
use crate::index::{Catalog, Project, Template};

pub(super) async fn json(
    State(app): State<Arc<App>>,
    _: May<List>,
    Path(name): Path<String>,
    origin: Origin,
) -> Result<Response, HttpError> {
    let name = project_name(name)?;
    let catalog = app.index.catalog();
    let project = catalog.project_for_board(&name).ok_or_else(|| no_project(&name))?;
    let template = releases(&catalog, project).ok_or_else(|| match project.for_board().next() {
        None => HttpError::NothingForBoards(format!("the project {name}")),
        Some(_) => HttpError::NotFound(format!("a release of {name} for upip")),
    })?;
    Ok(respond::json(template.fill(origin.0)))
}

/// None where upip would find nothing to install.
pub(super) fn releases<'a>(catalog: &'a Catalog, project: &'a Project) -> Option<&'a Template> {
    Some(catalog.upip(project)).filter(|template| !template.is_empty())
}
