//! The pages for a person: `GET /` says how to upload, how to install, and what is here; `GET /project/{project}/` what
//! there is to know of a project.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header::CACHE_CONTROL;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::App;
use super::error::HttpError;
use super::origin::Origin;
use super::respond::{REVALIDATE, blocking, blocking_in_turn, no_project, project_name};
use super::right::{List, May};
use crate::auth::Action;
use crate::chain::Chain;
use crate::config::Latest;
use crate::dist::ReleaseVersion;
use crate::index::{Board, Catalog, Depth, Project, Release, ViewError};

/// Projects, and files and notes of a release, that a page names. There may be tens of thousands.
const NAMED: usize = 200;
/// Releases that a project's page shows.
const RELEASES: usize = 20;

const STYLE: &str = include_str!("style.css");

/// Asks for no password; it names the projects only where the list of them asks for none either.
pub(super) async fn home(State(app): State<Arc<App>>, origin: Origin) -> Response {
    let catalog = app.index.catalog();
    if let Some(page) = &app.site.welcome {
        let page = page.fill(&origin.0, catalog.file_count());
        return ([(CACHE_CONTROL, REVALIDATE)], Html(page)).into_response();
    }
    let is_public = !app.auth.asks_for_password(Action::List);
    let body = html! {
        header {
            h1 { "micropypi" }
            p { "A package index for MicroPython, for pip and for uv: " (catalog.counted()) "." }
        }
        (how_to(&app, &origin.0))
        @if is_public { (projects(&catalog)) }
        (footer(""))
    };
    html_response(document("micropypi", &body))
}

fn html_response(page: Markup) -> Response {
    ([(CACHE_CONTROL, REVALIDATE)], Html(page.into_string())).into_response()
}

fn document(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    }
}

fn footer(base: &str) -> Markup {
    html! {
        footer {
            "micropypi " (env!("CARGO_PKG_VERSION"))
            " · " a href=(format!("{base}simple/")) { "simple index" }
            " · " a href=(format!("{base}packages/")) { "all files" }
            @if !base.is_empty() { " · " a href=(base) { "home" } }
        }
    }
}

/// `HOST:PORT`, as pip's `--trusted-host` takes it.
fn authority(base: &str) -> &str {
    base.split("://")
        .nth(1)
        .and_then(|rest| rest.split('/').next())
        .unwrap_or_default()
}

/// As clients take a password in a URL.
fn with_password(base: &str) -> String {
    base.replacen("://", "://USER:PASSWORD@", 1)
}

fn how_to(app: &App, base: &str) -> Markup {
    html! {
        section {
            h2 { "Upload" }
            pre {
                "twine upload --repository-url " (base) "/ "
                // twine asks for both, whatever the server asks for.
                @if !app.auth.asks_for_password(Action::Upload) { "-u anyone -p anything " }
                "dist/*"
            }
            (on_a_computer(app, base, "NAME"))
            (to_a_board(app, base, "NAME"))
        }
    }
}

/// A block of lines to paste.
fn on_a_computer(app: &App, base: &str, name: &str) -> Markup {
    html! {
        h2 { "Install on a computer" }
        @if app.auth.asks_readers_for_password() {
            p { "This server asks for a password. pip asks you for it; for uv, write it into the URL: " code { (with_password(base)) "/simple/" } }
        }
        pre {
            "pip install --index-url " (base) "/simple/ "
            // Over HTTPS it would keep pip from looking at the certificate.
            @if base.starts_with("http://") { "--trusted-host " (authority(base)) " " }
            (name) "\n"
            "uv pip install --default-index " (base) "/simple/ " (name)
        }
    }
}

/// A block for each place that lines are pasted into.
fn to_a_board(app: &App, base: &str, name: &str) -> Markup {
    html! {
        h2 { "Install on a board" }
        @if app.auth.asks_readers_for_password() {
            p { "Boards get nothing from this server: it asks for a password, and they cannot send one." }
        } @else {
            @if let Some(host) = host_of_no_use_to_a_board(base) {
                p { "A board does not reach this server by " code { (host) } ": write its IPv4 address, or its name, in place of that." }
            }
            pre { "# MicroPython 1.20 and later\nimport mip\nmip.install(\"" (name) "\", index=\"" (base) "\")" }
            pre {
                "# up to 1.19\nimport upip\nupip.index_urls = [\"" (base) "\"]\nupip.install(\"" (name) "\")"
            }
            pre { "# the same from a computer, over USB\nmpremote mip --index " (base) " install " (name) }
        }
    }
}

/// The host by which this computer alone reaches itself, or an IPv6 address, which mip and upip take for a name and a port.
fn host_of_no_use_to_a_board(base: &str) -> Option<&str> {
    let authority = authority(base);
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let is_of_no_use = host == "localhost" || host.starts_with("127.") || host.starts_with('[');
    is_of_no_use.then_some(host)
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
    html! {
        tr {
            td { a href=(format!("project/{}/", project.name())) { (project.display_name()) } }
            td { (latest.version.as_str()) }
            td { (latest.summary().unwrap_or_default()) }
        }
    }
}

/// What a person wants to know of `{project}`, and what a board gets of each release; at this depth below the base URL.
pub(super) fn project(depth: Depth) -> MethodRouter<Arc<App>> {
    get(
        move |State(app): State<Arc<App>>, _: May<List>, Path(name): Path<String>, origin: Origin| {
            project_at(app, name, None, origin, depth)
        },
    )
}

/// `{project}/{version}/`, which hatch names to its user after an upload.
pub(super) async fn release(
    State(app): State<Arc<App>>,
    _: May<List>,
    Path((name, version)): Path<(String, String)>,
    origin: Origin,
) -> Result<Response, HttpError> {
    project_at(app, name, Some(version), origin, Depth::Two).await
}

/// `version` must be here, if it is given.
async fn project_at(
    app: Arc<App>,
    name: String,
    version: Option<String>,
    origin: Origin,
    depth: Depth,
) -> Result<Response, HttpError> {
    let name = project_name(name)?;
    let catalog = app.index.catalog();
    let Some(project) = catalog.project(&name).cloned() else {
        return Err(no_project(&name));
    };
    let is_here = |version: &str| {
        let version = ReleaseVersion::parse_lenient(version).ok();
        version.is_some_and(|version| project.release(&version).is_some())
    };
    if let Some(version) = version.filter(|version| !is_here(version)) {
        return Err(HttpError::NotFound(format!("version {version} of {name}")));
    }
    let page = Arc::new(ProjectPage {
        app,
        catalog,
        project,
        base: origin.0,
        home: depth.to_base(),
    });
    let known = Arc::clone(&page);
    if let Some(known) = blocking(move || known.of_known_boards()).await? {
        return Ok(html_response(known));
    }
    let turn = page.app.index.board_turn().await;
    let made = blocking_in_turn(turn, move || page.of_boards_to_be_made()).await?;
    Ok(html_response(made))
}

/// The page of a project, at one state of the catalog.
struct ProjectPage {
    app: Arc<App>,
    catalog: Arc<Catalog>,
    project: Arc<Project>,
    base: String,
    /// The relative URL of the base URL.
    home: &'static str,
}

/// What a board gets of a release; None where there is nothing for it, or where it cannot be told now.
type Gets = Option<Arc<Board>>;

impl ProjectPage {
    /// None where a view has to be made for it, which is done in turn.
    fn of_known_boards(&self) -> Option<Markup> {
        let index = &self.app.index;
        let gets = |release: &Release| match release.describing() {
            Some(_) => index.known_board(&self.catalog, &self.project, release).map(Some),
            None => Some(None),
        };
        let boards: Option<Vec<Gets>> = self.shown().map(gets).collect();
        Some(self.render(&boards?))
    }

    fn of_boards_to_be_made(&self) -> Markup {
        let index = &self.app.index;
        let gets = |release: &Release| {
            release.describing()?;
            let board = index.board(&self.catalog, &self.project, release);
            let tell = |error: &ViewError| {
                let (project, version) = (self.project.name().as_str(), release.version.as_str());
                tracing::warn!(project, version, error = %Chain(error), "what boards get of a release cannot be told");
            };
            board.inspect_err(tell).ok()
        };
        self.render(&self.shown().map(gets).collect::<Vec<_>>())
    }

    fn shown(&self) -> impl Iterator<Item = &Release> {
        self.project.releases().iter().rev().take(RELEASES)
    }

    fn render(&self, boards: &[Gets]) -> Markup {
        let Self { project, home, .. } = self;
        let latest = project.latest(self.catalog.latest());
        let rest = project.releases().len().saturating_sub(RELEASES);
        let title = format!("{} {}", project.display_name(), latest.version);
        let body = html! {
            header {
                h1 { (title) }
                @if let Some(summary) = latest.summary() { p { (summary) } }
            }
            section { (self.install(latest)) }
            section {
                h2 { "Releases" }
                @for (release, gets) in self.shown().zip(boards) { (self.release(release, gets.as_deref())) }
                @if rest > 0 { p { "… and " a href=(format!("{home}simple/{}/", project.name())) { (rest) " older ones" } } }
            }
            (footer(home))
        };
        document(&title, &body)
    }

    fn install(&self, latest: &Release) -> Markup {
        let (app, base, name) = (&self.app, self.base.as_str(), self.project.name().as_str());
        html! {
            @if latest.is_yanked() {
                p { "Every release is yanked: to install one all the same, name its version, as in " code { (name) "==" (latest.version) } "." }
            }
            (on_a_computer(app, base, name))
            @if let Some(stable) = self.stable_beside(latest) {
                p {
                    "pip and uv take " (stable.version) ", which is no pre-release; for " (latest.version) " write "
                    code { (name) "==" (latest.version) } "."
                }
            }
            @if self.project.is_for_boards() { (to_a_board(app, base, name)) }
        }
    }

    /// What pip and uv take where the latest is a pre-release, if that is another.
    fn stable_beside(&self, latest: &Release) -> Option<&Release> {
        let stable = self.project.latest(Latest::Stable);
        (stable.version != latest.version).then_some(stable)
    }

    fn release(&self, release: &Release, board: Option<&Board>) -> Markup {
        let Self { project, home, .. } = self;
        let version = release.version.as_str();
        html! {
            h3 { (version) @if release.is_yanked() { " (yanked)" } }
            ul {
                @for file in &release.files {
                    li {
                        a href=(format!("{home}packages/{}", file.url_path())) { (file.name.as_str()) }
                        " " (size(file.stamp.size))
                        @if let Some(reason) = &file.yanked { " — yanked" @if !reason.is_empty() { ": " (reason) } }
                        @if let Some(defect) = &file.defect { " — " (defect) }
                    }
                }
            }
            @match board {
                None if release.describing().is_some() => {
                    p { "What a board gets of it cannot be told now; the server's log says why." }
                }
                None => p { "For a board there is nothing: it takes a wheel for all platforms, or an sdist, that can be read." },
                Some(board) => (on_a_board(board, &format!("{home}package/py/{}/{version}.json", project.name())))
            }
        }
    }
}

/// `manifest` is where all files are named.
fn on_a_board(board: &Board, manifest: &str) -> Markup {
    let (files, mut notes) = (board.files(), board.notes().peekable());
    html! {
        p.board {
            "On a board: "
            @for (position, file) in files.iter().take(NAMED).enumerate() { @if position > 0 { ", " } code { (file.path) } }
            @if files.is_empty() { "nothing" }
            @if files.len() > NAMED { " and " a href=(manifest) { (files.len() - NAMED) " more" } }
            @for (position, pin) in board.resolution().pins.iter().enumerate() {
                (if position > 0 { ", " } else { "; with " }) code { (pin.project) " " (pin.version) }
            }
        }
        @if notes.peek().is_some() {
            ul.notes {
                @for note in notes.by_ref().take(NAMED) { li { (note) } }
                @if notes.peek().is_some() { li { "… and " (notes.count()) " more" } }
            }
        }
    }
}

/// Whole bytes up to 9999, then kilobytes and megabytes of 1000.
fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{} kB", bytes / 1_000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}
