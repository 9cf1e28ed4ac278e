//! The files: `GET /packages/` lists them, `GET /packages/{path}` sends one, or its `.metadata` (PEP 658), or its `.asc`.

use std::fs::Metadata;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::extract::{Extension, Path, State};
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{self, MethodRouter};
use futures_util::stream;
use maud::{PreEscaped, html};

use super::error::HttpError;
use super::file_body;
use super::form::SIGNATURE_BYTES;
use super::negotiate;
use super::range::{self, Wanted};
use super::respond::{Headers, REVALIDATE, blocking, blocking_in_turn, caching};
use super::right::{Download, List, May};
use super::wire::Outgoing;
use super::{App, Exchange};
use crate::dist::Hex;
use crate::index::{Catalog, File, Scope, Trust, anchor};
use crate::store::{Source, Stamp, is_gone, open, open_at_once};

/// The list of all files. `prefix` leads from the URL of the list to `/packages/`.
pub(super) fn list(prefix: &'static str) -> MethodRouter<Arc<App>> {
    routing::get(move |State(app): State<Arc<App>>, _: May<List>| async move { listing(app.index.catalog(), prefix) })
}

/// Sent some hundred files at a time: the whole would be 35 MB for 100,000 files. The links say as much as those of a
/// project's page do: `--find-links` reads them.
fn listing(catalog: Arc<Catalog>, prefix: &'static str) -> Response {
    const HEAD: &str = concat!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">",
        "<meta name=\"viewport\" content=\"width=device-width\"><meta name=\"color-scheme\" content=\"light dark\">",
        "<link rel=\"icon\" href=\"data:,\"><title>All files</title></head><body><h1>All files</h1>\n"
    );
    const ROWS: usize = 512;
    let rows = std::iter::successors(Some(catalog.files_after(None, ROWS)), move |before| {
        let last = before.last().map(|file| Arc::clone(&file.path));
        last.map(|last| catalog.files_after(Some(&last), ROWS))
    });
    let rows = rows.take_while(|files| !files.is_empty()).map(move |files| {
        let html = html! {
            @for file in &files { (anchor(file, &format!("{prefix}{}", file.url_path()), &file.path)) }
        };
        let PreEscaped(html) = html;
        html
    });
    let parts = std::iter::once(HEAD.to_owned())
        .chain(rows)
        .chain(std::iter::once("</body></html>\n".to_owned()));
    let body = Body::from_stream(stream::iter(parts.map(Ok::<_, std::convert::Infallible>)));
    ([(CACHE_CONTROL, REVALIDATE)], Html(body)).into_response()
}

pub(super) async fn get(
    State(app): State<Arc<App>>,
    _: May<Download>,
    Path(path): Path<String>,
    method: Method,
    Extension(exchange): Extension<Arc<Exchange>>,
    Headers(headers): Headers,
) -> Result<Response, HttpError> {
    let asked = Asked {
        method: &method,
        headers: &headers,
        outgoing: exchange.connection.outgoing(),
    };
    let catalog = app.index.catalog();
    if let Some(file) = catalog.file(&path) {
        let sent = send(&app, file, &asked).await;
        if !matches!(sent, Err(HttpError::Changing)) {
            return sent;
        }
        // Its owner or its links changed and its bytes did not, as a backup makes it: the client need not know.
        return match app.index.catalog().file(&path) {
            Some(now) if now.digests == file.digests => send(&app, now, &asked).await,
            _ => sent,
        };
    }
    let sidecar = path
        .rsplit_once('.')
        .and_then(|(owner, kind)| Some((catalog.file(owner)?, kind)));
    match sidecar {
        Some((file, "metadata")) => core_metadata(app, Arc::clone(file), &headers).await,
        Some((file, "asc")) => signature(app, Arc::clone(file)).await,
        _ => Err(HttpError::NotFound(path)),
    }
}

/// As [`get`], where the disk need not be asked.
pub(super) fn ready(app: &App, path: &str, headers: &HeaderMap, exchange: &Exchange) -> Option<Response> {
    let catalog = app.index.peek();
    let file = catalog.file(path)?;
    exchange.subject.note_file(file.name.project(), &file.path);
    let asked = Asked {
        method: &Method::GET,
        headers,
        outgoing: exchange.connection.outgoing(),
    };
    let marks = Marks::of(file);
    if marks.are_known(headers) {
        return Some(not_modified(app, &marks));
    }
    let source = match app.index.small_files().get(&file.content()) {
        Some(source) => source,
        None => {
            let opened = open_at_once(&app.index.store().locate(file.root, &file.path))?.ok()?;
            source(app, file, opened).ok()??
        }
    };
    content(app, file, source, &marks, &asked).ok()
}

async fn core_metadata(app: Arc<App>, file: Arc<File>, headers: &HeaderMap) -> Result<Response, HttpError> {
    let missing = || HttpError::NotFound("core metadata of this file".to_owned());
    let known = file.metadata.as_ref().ok_or_else(missing)?;
    let etag = format!("\"{}\"", Hex(&known.sha256));
    let kept = [(CACHE_CONTROL, REVALIDATE)];
    if negotiate::has(headers, etag.as_bytes()) {
        return Ok((StatusCode::NOT_MODIFIED, [(ETAG, etag)], kept).into_response());
    }
    let bytes = blocking(move || app.index.core_metadata(&file)).await??;
    let bytes = bytes.ok_or_else(missing)?;
    let media_type = [(CONTENT_TYPE, "text/plain; charset=utf-8")];
    Ok(([(ETAG, etag)], kept, media_type, bytes).into_response())
}

async fn signature(app: Arc<App>, file: Arc<File>) -> Result<Response, HttpError> {
    let missing = || HttpError::NotFound("a signature of this file".to_owned());
    if !file.is_signed() {
        return Err(missing());
    }
    let read = move || {
        app.index
            .store()
            .read_sidecar(file.root, &file.path, ".asc", SIGNATURE_BYTES as u64)
    };
    match blocking(read).await? {
        Ok(bytes) => Ok((
            [(CONTENT_TYPE, "application/pgp-signature")],
            [(CACHE_CONTROL, REVALIDATE)],
            bytes,
        )
            .into_response()),
        Err(error) if is_gone(&error) => Err(missing()),
        Err(error) => Err(error.into()),
    }
}

/// The parts of a request that decide how a file is sent.
struct Asked<'a> {
    method: &'a Method,
    headers: &'a HeaderMap,
    outgoing: Option<&'a Outgoing>,
}

/// What tells one state of a file from another: its validators.
struct Marks {
    etag: String,
    /// In whole seconds, as HTTP tells it (RFC 9110 section 5.6.7).
    modified: SystemTime,
}

impl Marks {
    fn of(file: &File) -> Self {
        let seconds = u64::try_from(file.stamp.modified / 1_000_000_000).unwrap_or(0);
        Self {
            etag: format!("\"{}\"", file.digests.sha256_hex()),
            modified: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
        }
    }

    /// Whether the client has the file. RFC 9110 section 13.2.2: an entity tag outweighs a date. What is no date says
    /// nothing (section 13.1.3), and no other date than the one that was told says that it has this one: what takes a file's
    /// place may be older by its date, as after `rsync -t`, or where a Raspberry Pi has started in the past.
    fn are_known(&self, headers: &HeaderMap) -> bool {
        if headers.contains_key(IF_NONE_MATCH) {
            return negotiate::has(headers, self.etag.as_bytes());
        }
        let since = headers.get(IF_MODIFIED_SINCE).and_then(|date| date.to_str().ok());
        let since = since.and_then(|date| httpdate::parse_http_date(date).ok());
        since.is_some_and(|since| since == self.modified)
    }
}

async fn send(app: &Arc<App>, file: &Arc<File>, asked: &Asked<'_>) -> Result<Response, HttpError> {
    let marks = Marks::of(file);
    if marks.are_known(asked.headers) {
        return Ok(not_modified(app, &marks));
    }
    let source = match app.index.small_files().get(&file.content()) {
        Some(source) => Some(source),
        None => match open(app.index.store().locate(file.root, &file.path)).await {
            Err(error) if is_gone(&error) => None,
            opened => source(app, file, opened?)?,
        },
    };
    match source {
        Some(source) => content(app, file, source, &marks, asked),
        None => Err(moved(app, file).await),
    }
}

/// None: what was opened is not the file that the catalog knows.
fn source(app: &App, file: &File, opened: std::fs::File) -> std::io::Result<Option<Source>> {
    let is_known = |metadata: &Metadata| Stamp::of(metadata) == file.stamp;
    app.index.small_files().source(opened, &file.content(), is_known)
}

fn not_modified(app: &App, marks: &Marks) -> Response {
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    describe(response.headers_mut(), app, marks);
    response
}

fn content(app: &App, file: &File, source: Source, marks: &Marks, asked: &Asked<'_>) -> Result<Response, HttpError> {
    let size = file.stamp.size;
    // Ranges are for GET (RFC 9110 section 14.2).
    let wanted = if asked.method == Method::GET {
        range::wanted(asked.headers, size, &marks.etag)
    } else {
        Wanted::All
    };
    let (bytes, part) = match wanted {
        Wanted::All => (0..size, None),
        Wanted::Part(bytes) => (bytes.clone(), Some(bytes)),
        Wanted::Nothing => return Err(HttpError::RangeNotSatisfiable { size }),
    };
    let mut response = Response::new(file_body::body(source, bytes, asked.outgoing.cloned()));
    let out = response.headers_mut();
    describe(out, app, marks);
    out.insert(CONTENT_TYPE, HeaderValue::from_static(media_type(&file.path)));
    if let Some(part) = part {
        let range = format!("bytes {}-{}/{size}", part.start, part.end - 1);
        out.insert(
            CONTENT_RANGE,
            HeaderValue::try_from(range).expect("digits are legal in a header"),
        );
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

/// Sends a file of the cache.
pub(super) fn send_derived(source: Source, size: u64, media_type: &'static str, caching: HeaderValue) -> Response {
    let mut response = Response::new(file_body::body(source, 0..size, None));
    let out = response.headers_mut();
    out.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    out.insert(CACHE_CONTROL, caching);
    response
}

fn describe(out: &mut HeaderMap, app: &App, marks: &Marks) {
    let legal = "hexadecimal digits and dates are legal in a header";
    let modified = httpdate::fmt_http_date(marks.modified);
    out.insert(ETAG, HeaderValue::from_str(&marks.etag).expect(legal));
    out.insert(LAST_MODIFIED, HeaderValue::try_from(modified).expect(legal));
    out.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    // Under `overwrite` the bytes behind a name can change, so a cache has to ask, unless the operator says otherwise.
    let kept = app
        .site
        .max_age
        .map(|seconds| caching(app, &format!("max-age={seconds}")));
    out.insert(CACHE_CONTROL, kept.unwrap_or(REVALIDATE));
}

/// The file is not what the catalog says: the client is asked to come again.
async fn moved(app: &Arc<App>, file: &Arc<File>) -> HttpError {
    match look_again(app, file).await {
        Ok(()) if app.index.catalog().file(&file.path).is_some() => HttpError::Changing,
        Ok(()) => HttpError::NotFound("the file".to_owned()),
        Err(error) => error,
    }
}

/// Has the catalog learn what a file is now that is not what it says.
pub(super) async fn look_again(app: &Arc<App>, file: &Arc<File>) -> Result<(), HttpError> {
    let turn = app.index.look_turn(file.name.project()).await;
    let (app, file) = (Arc::clone(app), Arc::clone(file));
    let look = move || {
        let path = app.index.store().locate(file.root, &file.path);
        // It may be written over at this moment, and the event be on its way.
        app.index.refresh(Scope::Paths([path].into()), Trust::Quiet);
    };
    blocking_in_turn(turn, look).await
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("gz" | "tgz") => "application/gzip",
        Some("whl" | "zip" | "egg") => "application/zip",
        _ => "application/octet-stream",
    }
}
