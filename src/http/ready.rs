//! What pip, uv and boards ask for all day, where it needs no waiting and no password: pages and JSON that were rendered
//! before, and files that are in memory, here or in the kernel. They go out without the router, whose part would be as
//! large as all the rest. Called by `service.rs`.
//!
//! Whatever is not as plain as that (another spelling of a name, a page that nobody has asked for yet, a refusal) is the
//! router's. Nothing can be had here that its handlers would not give, and in the same form.

use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;

use super::origin::Origin;
use super::{App, Exchange, files, mip, negotiate, respond, upip};
use crate::auth::Action;
use crate::index::{Catalog, Depth, Project};

/// The answer, if it is ready. It may have taken the room of the request's headers for its own.
pub(super) fn answer(app: &App, request: &mut Parts, exchange: &Exchange) -> Option<Response> {
    let (path, headers) = (request.uri.path(), &mut request.headers);
    let is_plain = request.method == Method::GET && app.site.health_endpoint.as_deref() != Some(path);
    let (first, rest) = path.strip_prefix('/')?.split_once('/').filter(|_| is_plain)?;
    match first {
        "packages" | "file" if app.auth.asks_for_password(Action::Download) => None,
        "packages" if rest.contains('%') => None,
        "packages" => files::ready(app, rest, headers, exchange),
        _ if app.auth.asks_for_password(Action::List) => None,
        "file" => mip::ready_content(app, rest.split_once('/')?.1),
        "simple" => simple(&app.index.peek(), rest, headers, exchange),
        "package" => manifest(&app.index.peek(), rest, exchange),
        "project" => None,
        name if rest == "json" => json(app, name, &request.uri, headers, exchange),
        _ => None,
    }
}

/// `/simple/` and `/simple/{project}/`
fn simple(catalog: &Catalog, rest: &str, headers: &mut HeaderMap, exchange: &Exchange) -> Option<Response> {
    let (format, media_type) = negotiate::simple(headers);
    let page = match rest.strip_suffix('/') {
        None if rest.is_empty() => catalog.page(format, Depth::One),
        None => None,
        Some(name) => named(catalog, name, exchange)?.page(format, Depth::Two),
    };
    Some(respond::page(page?, media_type, std::mem::take(headers)))
}

/// `/package/{6|py}/{project}/{version|latest}.json`
fn manifest(catalog: &Catalog, rest: &str, exchange: &Exchange) -> Option<Response> {
    let (abi, rest) = rest.split_once('/')?;
    let (name, file) = rest.split_once('/')?;
    let project = named(catalog, name, exchange).filter(|project| project.is_for_boards())?;
    mip::ready_manifest(catalog, project, abi, file)
}

/// `/{project}/json`
fn json(app: &App, name: &str, uri: &Uri, headers: &mut HeaderMap, exchange: &Exchange) -> Option<Response> {
    let catalog = app.index.peek();
    let project = named(&catalog, name, exchange).filter(|project| project.is_for_boards())?;
    let template = upip::releases(&catalog, project)?;
    let origin = Origin::of(app, &exchange.connection, uri, headers, None).ok()?;
    Some(respond::json_in(std::mem::take(headers), template.fill(origin.0)))
}

/// The project of this very name.
fn named<'a>(catalog: &'a Catalog, name: &str, exchange: &Exchange) -> Option<&'a Project> {
    let project = catalog.by_normalized_name(name)?;
    exchange.subject.note_project(project.name());
    Some(project)
}
