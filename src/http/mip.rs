//! mip, the installer of MicroPython 1.20 and later, and mpremote's: manifests by name, contents by digest. Always with a
//! length, never a redirect; firmware up to 1.28 speaks HTTP/1.0 and sends a `Host` without a port, so manifests hold no
//! URLs. (Source: micropython-lib's mip.)

use std::fs::{File, Metadata};
use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;

use super::error::HttpError;
use super::origin::BoardOrigin;
use super::respond::{self, Headers, REVALIDATE, blocking, blocking_in_turn, caching};
use super::right::{Download, List, May};
use super::{App, files};
use crate::board::BoardFile;
use crate::dist::{ContentId, Hex, ProjectName, ReleaseVersion};
use crate::index::{Board, Catalog, Project, Release, ViewError};
use crate::store::{self, Source, is_gone};

/// The URL of a content holds its digest, so what it names never changes.
const FOR_EVER: &str = "max-age=31536000, immutable";

/// How often a board's request is tried while its file moves away.
const TRIES: usize = 4;

/// The media type of contents.
const CONTENT: &str = "application/octet-stream";

/// `GET /package/{6|py}/{project}/{version|latest}.json`
pub(super) async fn manifest(
    State(app): State<Arc<App>>,
    _: May<List>,
    Path((abi, name, file)): Path<(String, String, String)>,
) -> Result<Response, HttpError> {
    let missing = || HttpError::NotFound(format!("/package/{abi}/{name}/{file}"));
    let version = version_in(&abi, &file).ok_or_else(missing)?;
    let asked = AskedRelease::find(&app, &name, version)?;
    let (_, board) = asked.board(app).await?;
    Ok(manifest_for(&abi, &board))
}

/// The version in the URL of a manifest, or `latest`.
fn version_in<'a>(abi: &str, file: &'a str) -> Option<&'a str> {
    file.strip_suffix(".json").filter(|_| abi == "6" || abi == "py")
}

fn manifest_for(abi: &str, board: &Board) -> Response {
    let manifest = if abi == "py" { &board.sources } else { &board.bytecode };
    respond::json(manifest.clone())
}

/// As [`manifest`], where it was made before.
pub(super) fn ready_manifest(catalog: &Catalog, project: &Project, abi: &str, file: &str) -> Option<Response> {
    let board = release(catalog, project, version_in(abi, file)?)?.board(catalog.serial())?;
    (!board.is_empty()).then(|| manifest_for(abi, &board))
}

/// `GET /file/{first digits}/{digits}`. Four digits are enough, and there are not so many that nobody could try them all: who
/// may not see the index is told of no content, either.
pub(super) async fn content(
    State(app): State<Arc<App>>,
    _: May<List>,
    _: May<Download>,
    Path((_, digits)): Path<(String, String)>,
) -> Result<Response, HttpError> {
    let caching = caching(&app, FOR_EVER);
    let known = app.index.contents().found(&digits);
    let (source, size) = match open_whole(&app, known).await {
        Some(opened) => opened,
        None => look_for(&app, digits).await?,
    };
    Ok(files::send_derived(source, size, CONTENT, caching))
}

/// As [`content`], where no disk is asked.
pub(super) fn ready_content(app: &App, digits: &str) -> Option<Response> {
    let content = app.index.contents().found(digits)?;
    let source = match app.index.small_files().get(&content) {
        Some(source) => source,
        None => whole(app, &content, store::open_at_once(&path(app, &content))?.ok()?)?,
    };
    Some(files::send_derived(
        source,
        content.size,
        CONTENT,
        caching(app, FOR_EVER),
    ))
}

/// None where it has gone, or is not what it was.
async fn open_whole(app: &App, known: Option<ContentId>) -> Option<(Source, u64)> {
    let content = known?;
    let source = match app.index.small_files().get(&content) {
        Some(source) => source,
        None => whole(app, &content, store::open(path(app, &content)).await.ok()?)?,
    };
    Some((source, content.size))
}

fn path(app: &App, content: &ContentId) -> PathBuf {
    app.index.contents().path(content)
}

fn whole(app: &App, content: &ContentId, opened: File) -> Option<Source> {
    let is_whole = |metadata: &Metadata| metadata.len() == content.size;
    app.index.small_files().source(opened, content, is_whole).ok()?
}

async fn look_for(app: &Arc<App>, digits: String) -> Result<(Source, u64), HttpError> {
    let missing = HttpError::NotFound(format!("a file of the digest {digits}"));
    let looked = Arc::clone(app);
    let found = blocking(move || looked.index.contents().find(&digits)).await??;
    let Some(content) = found else {
        app.index.miss_content();
        return Err(missing);
    };
    let opened = match store::open(path(app, &content)).await {
        // Swept up meanwhile.
        Err(error) if is_gone(&error) => return Err(missing),
        opened => opened?,
    };
    let source = whole(app, &content, opened).ok_or(missing)?;
    Ok((source, content.size))
}

/// `GET /index.json`
pub(super) async fn index(
    State(app): State<Arc<App>>,
    _: May<List>,
    Headers(headers): Headers,
) -> Result<Response, HttpError> {
    blocking(move || respond::page(app.index.catalog().mip_index(), "application/json", headers)).await
}

/// `GET /boards/{project}/{version}.tar.gz`: what `/{project}/json` names for upip.
pub(super) async fn tarball(
    State(app): State<Arc<App>>,
    _: May<Download>,
    Path((name, file)): Path<(String, String)>,
) -> Result<Response, HttpError> {
    let version = file
        .strip_suffix(".tar.gz")
        .ok_or_else(|| HttpError::NotFound(file.clone()))?;
    let packed = match pack(&app, AskedRelease::find(&app, &name, version)?).await {
        // upip would end at any error, and now the cache is filled again.
        Err(HttpError::BoardFile(error)) if error.is_loss() => {
            pack(&app, AskedRelease::find(&app, &name, version)?).await
        }
        packed => packed,
    };
    let (file, size) = packed?;
    let source = Source::File(file);
    Ok(files::send_derived(source, size, "application/gzip", REVALIDATE))
}

/// upip's tarball of a release, and its size.
async fn pack(app: &Arc<App>, asked: AskedRelease) -> Result<(File, u64), HttpError> {
    let (asked, board) = asked.board(Arc::clone(app)).await?;
    let (index, known) = (Arc::clone(&app.index), Arc::clone(&board));
    if let Some(known) = blocking(move || index.known_tarball(&known)).await? {
        return Ok(known);
    }
    let (turn, index) = (app.index.board_turn().await, Arc::clone(&app.index));
    let packed = blocking_in_turn(turn, move || index.tarball(asked.release(), &board)).await??;
    Ok(packed)
}

/// `GET /{project}/package.json`: for `mip.install("http://HOST:8089/{project}/")`.
pub(super) async fn package(
    State(app): State<Arc<App>>,
    _: May<List>,
    Path(name): Path<String>,
    origin: BoardOrigin,
) -> Result<Response, HttpError> {
    package_json(app, &name, "latest", origin).await
}

/// `GET /{project}/{version}/package.json`
pub(super) async fn package_of_version(
    State(app): State<Arc<App>>,
    _: May<List>,
    Path((name, version)): Path<(String, String)>,
    origin: BoardOrigin,
) -> Result<Response, HttpError> {
    package_json(app, &name, &version, origin).await
}

/// By URL, mip knows no index: files and requirements are named by absolute URLs, which firmware of every age takes.
async fn package_json(app: Arc<App>, name: &str, version: &str, origin: BoardOrigin) -> Result<Response, HttpError> {
    let asked = AskedRelease::find(&app, name, version)?;
    let (asked, board) = asked.board(app).await?;
    let base = origin.0;
    let file = |file: &BoardFile| {
        let digits = Hex(&file.content.sha256).to_string();
        [file.path.clone(), format!("{base}/file/{}/{digits}", &digits[..2])]
    };
    let pins = board.resolution().pins.iter();
    let deps = pins.map(|pin| {
        [
            format!("{base}/{}/{}/package.json", pin.project, pin.version),
            "latest".to_owned(),
        ]
    });
    // What is not here, mip looks for in its own index.
    let missing = board.resolution().missing.iter();
    let missing = missing.map(|missing| [missing.name.clone(), missing.version.clone()]);
    let json = serde_json::json!({
        "urls": board.files().into_iter().map(file).collect::<Vec<_>>(),
        "deps": deps.chain(missing).collect::<Vec<_>>(),
        "version": asked.version.as_str(),
    });
    Ok(respond::json(json.to_string()))
}

/// The release of a version as the board writes it, or `latest`, if a board could read it. Where no release is known to
/// hold anything, one whose error says why.
fn release<'a>(catalog: &Catalog, project: &'a Project, version: &str) -> Option<&'a Release> {
    let release = match version {
        "latest" => {
            let newest = || Some(project.latest(catalog.latest())).filter(|release| !release.is_yanked());
            project.latest_for_board(catalog.latest()).or_else(newest)
        }
        exact => project.release(&ReleaseVersion::parse_lenient(exact).ok()?),
    };
    release.filter(|release| release.describing().is_some())
}

/// Whether a version as the board writes it is here, if for computers alone. `latest` always is.
fn is_here(project: &Project, version: &str) -> bool {
    let exact = ReleaseVersion::parse_lenient(version).ok();
    version == "latest" || exact.is_some_and(|exact| project.release(&exact).is_some())
}

/// The release that a board's words stand for, at one state of the catalog.
struct AskedRelease {
    /// The project and the version, as the board writes them.
    words: [String; 2],
    catalog: Arc<Catalog>,
    project: Arc<Project>,
    version: ReleaseVersion,
}

impl AskedRelease {
    /// `version` as the board writes it, or `latest`.
    fn find(app: &App, name: &str, version: &str) -> Result<Self, HttpError> {
        let missing = || HttpError::NotFound(format!("{name} {version}"));
        let words = [name, version].map(str::to_owned);
        let catalog = app.index.catalog();
        let parsed = ProjectName::parse(name).map_err(|_| missing())?;
        let project = Arc::clone(catalog.project_for_board(&parsed).ok_or_else(missing)?);
        let Some(found) = release(&catalog, &project, version) else {
            return Err(if is_here(&project, version) {
                HttpError::NothingForBoards(format!("{name} {version}"))
            } else {
                missing()
            });
        };
        let version = found.version.clone();
        Ok(Self {
            words,
            catalog,
            project,
            version,
        })
    }

    fn release(&self) -> &Release {
        self.project
            .release(&self.version)
            .expect("the project had this release a moment ago, and is immutable")
    }

    async fn board(self, app: Arc<App>) -> Result<(Self, Arc<Board>), HttpError> {
        let kept = self.release().board(self.catalog.serial());
        if let Some(board) = kept.filter(|board| !board.is_empty()) {
            return Ok((self, board));
        }
        let index = Arc::clone(&app.index);
        let (asked, known) = blocking(move || {
            let known = index.known_board(&self.catalog, &self.project, self.release());
            (self, known)
        })
        .await?;
        match known.filter(|board| !board.is_empty()) {
            Some(board) => Ok((asked, board)),
            None => asked.make(&app).await,
        }
    }

    /// With the release that the board gets.
    async fn make(self, app: &Arc<App>) -> Result<(Self, Arc<Board>), HttpError> {
        let mut asked = self;
        for _ in 0..TRIES {
            let (turn, made_by) = (app.index.board_turn().await, Arc::clone(app));
            asked = match blocking_in_turn(turn, move || asked.try_to_make(&made_by)).await?? {
                (asked, Some(board)) => return Ok((asked, board)),
                // In no turn of those who make: it may take minutes to read the file.
                (asked, None) => asked.moved(app).await?,
            };
        }
        Err(HttpError::Changing)
    }

    /// With the release that the board gets, which is another where this one turns out to be empty: an installer would
    /// call nothing a success. None where the release's file has moved.
    fn try_to_make(self, app: &App) -> Result<(Self, Option<Arc<Board>>), HttpError> {
        let mut asked = self;
        loop {
            asked = match app.index.board(&asked.catalog, &asked.project, asked.release()) {
                Ok(board) if !board.is_empty() => return Ok((asked, Some(board))),
                Ok(_) => asked.other(app)?,
                Err(ViewError::Moved) => return Ok((asked, None)),
                Err(error) => return Err(error.into()),
            };
        }
    }

    /// What the board's words stand for, now that a file is not what the catalog knows. The catalog learns what it is.
    async fn moved(&self, app: &Arc<App>) -> Result<Self, HttpError> {
        let described = |asked: &Self| asked.release().describing().cloned();
        let known = described(self).expect("only a release that a board could read is found");
        files::look_again(app, &known).await?;
        let [name, version] = &self.words;
        let now = Self::find(app, name, version)?;
        match described(&now) {
            // It may be written over at this moment.
            Some(file) if Arc::ptr_eq(&file, &known) => Err(HttpError::Changing),
            _ => Ok(now),
        }
    }

    /// What the board's words stand for, now that this release is known to be empty.
    fn other(&self, app: &App) -> Result<Self, HttpError> {
        let [name, version] = &self.words;
        let is_other = |other: &Self| (other.project.name(), &other.version) != (self.project.name(), &self.version);
        let other = Self::find(app, name, version).ok().filter(is_other);
        other.ok_or_else(|| HttpError::NothingForBoards(format!("{} {}", self.project.name(), self.version)))
    }
}
