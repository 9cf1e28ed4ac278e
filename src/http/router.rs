//! Which URL is answered by which handler, and nothing else. Called by `service.rs`.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use super::{App, board_module, files, json, mip, ops, pages, simple, upip, upload};
use crate::index::Depth;

/// All routes, over the shared state. Static segments win over `{project}`, so a project called `simple` is found
/// below `/simple/` only, and upip finds one called `project` below `/pypi/`.
pub(super) fn router(app: Arc<App>) -> Router {
    let mut router = Router::new()
        .route("/", get(pages::home).post(upload::post))
        .route("/legacy", post(upload::post))
        .route("/legacy/", post(upload::post))
        .route("/simple", simple::root(Depth::Zero))
        .route("/simple/", simple::root(Depth::One))
        .route("/simple/{project}", get(simple::project_without_slash))
        .route("/simple/{project}/", simple::project(Depth::Two))
        // A board may be given the index of pip, too: all that it could say of another answer is "not found".
        .route("/simple/{project}/json", get(upip::json))
        .route("/simple/package/{abi}/{project}/{file}", get(mip::manifest))
        .route("/simple/file/{digits}/{hash}", get(mip::content))
        .route("/{project}", get(simple::project_without_slash))
        .route("/{project}/", simple::project(Depth::One))
        .route("/{project}/json", get(upip::json))
        .route("/packages", files::list("packages/"))
        .route("/packages/", files::list(""))
        .route("/packages/{*path}", get(files::get))
        .route("/pypi/{project}/json", get(json::project))
        .route("/pypi/{project}/{version}/json", get(json::release))
        .route("/package/{abi}/{project}/{file}", get(mip::manifest))
        .route("/file/{digits}/{hash}", get(mip::content))
        .route("/index.json", get(mip::index))
        .route("/{project}/package.json", get(mip::package))
        .route("/{project}/{version}/package.json", get(mip::package_of_version))
        .route("/boards/{project}/{file}", get(mip::tarball))
        .route("/micropypi.py", get(board_module::source))
        .route("/micropypi.mpy", get(board_module::bytecode))
        .route("/project/{project}", pages::project(Depth::One))
        .route("/project/{project}/", pages::project(Depth::Two))
        .route("/{project}/{version}/", get(pages::release))
        .route("/health", get(ops::health))
        .route("/RPC2", post(ops::xml_rpc))
        .fallback(ops::nothing_here)
        .method_not_allowed_fallback(ops::wrong_method);
    if let Some(path) = app.site.health_endpoint.as_deref().filter(|path| *path != "/health") {
        router = router.route(path, get(ops::health));
    }
    router.with_state(app)
}
