//! The page for a person at `/`: how to upload, how to install, what is here.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::App;
use super::error::HttpError;
use super::origin::Origin;
use super::respond::REVALIDATE;
use crate::auth::Action;
use crate::index::{Catalog, Project};

/// Projects that the page names; the rest is behind a link.
const NAMED: usize = 200;

const STYLE: &str = include_str!("style.css");

/// Asks for no password; it names the projects only where the list of them asks for none either.
pub(super) async fn home(State(app): State<Arc<App>>, origin: Origin) -> Result<Response, HttpError> {
    if let Some(page) = &app.site.welcome {
        return Ok(([(CACHE_CONTROL, REVALIDATE)], Html(page.clone())).into_response());
    }
    let catalog = app.index.catalog();
    let is_public = !app.auth.asks_for_password(Action::List);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "micropypi" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { "micropypi" }
                    p { "A package index for MicroPython, for pip and for uv: " (count(&catalog)) "." }
                }
                (how_to(&origin.0))
                @if is_public { (projects(&catalog)) }
                footer { "micropypi " (env!("CARGO_PKG_VERSION")) " · " a href="simple/" { "simple index" } " · " a href="packages/" { "all files" } }
            }
        }
    };
    Ok(([(CACHE_CONTROL, REVALIDATE)], Html(page.into_string())).into_response())
}

fn count(catalog: &Catalog) -> String {
    let plural = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    format!(
        "{}, {}",
        plural(catalog.project_count(), "project"),
        plural(catalog.file_count(), "file")
    )
}

fn how_to(base: &str) -> Markup {
    let authority = base
        .split("://")
        .nth(1)
        .and_then(|rest| rest.split('/').next())
        .unwrap_or_default();
    html! {
        section {
            h2 { "Upload" }
            pre { "twine upload --repository-url " (base) "/ dist/*" }
            h2 { "Install on a computer" }
            pre {
                "pip install --index-url " (base) "/simple/ --trusted-host " (authority) " NAME\n"
                "uv pip install --index-url " (base) "/simple/ NAME"
            }
            h2 { "Install on a board" }
            pre {
                "# MicroPython up to 1.19\n"
                "import upip\nupip.index_urls = [\"" (base) "\"]\nupip.install(\"NAME\")"
            }
        }
    }
}

fn projects(catalog: &Catalog) -> Markup {
    let rest = catalog.project_count().saturating_sub(NAMED);
    html! {
        section {
            h2 { "Projects" }
            @if catalog.project_count() == 0 { p { "None yet. Upload the first." } }
            table {
                @for project in catalog.projects().take(NAMED) { (row(catalog, project)) }
            }
            @if rest > 0 { p { "… and " a href="simple/" { (rest) " more" } } }
        }
    }
}

fn row(catalog: &Catalog, project: &Project) -> Markup {
    let latest = project.latest(catalog.latest());
    let summary = latest
        .files
        .iter()
        .find_map(|file| file.metadata.as_ref()?.summary.as_deref());
    html! {
        tr {
            td { a href=(format!("simple/{}/", project.name())) { (project.display_name()) } }
            td { (latest.version.as_str()) }
            td { (summary.unwrap_or_default()) }
        }
    }
}
