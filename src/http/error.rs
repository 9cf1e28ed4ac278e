//! The one place where errors become statuses. The matches are exhaustive on purpose: a new error forces a decision.
//! Called by the handlers, through `?`.

use std::io;

use axum::http::header::{CONTENT_RANGE, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use hyper::ext::ReasonPhrase;
use tokio::task::JoinError;

use super::form::FormError;
use super::request_log::Failure;
use crate::auth::{Action, CHALLENGE, Denied};
use crate::board::TarballError;
use crate::chain::Chain;
use crate::dist::ArchiveError;
use crate::index::{BoardFileError, PublishError, ViewError};
use crate::store::{StoreError, is_full};

/// How much of a sentence goes into the status line and the log: a client may have put much into it. A path that is too long
/// leaves room for what to do about it.
const REASON_CHARS: usize = 500;

/// Why a request is not answered as it hoped.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    #[error("{denied}")]
    Denied { action: Action, denied: Denied },
    #[error(transparent)]
    Form(#[from] FormError),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    BoardFile(#[from] BoardFileError),
    #[error(transparent)]
    View(#[from] ViewError),
    #[error("{0} is not here")]
    NotFound(String),
    #[error("{0} holds nothing that a board could import; the project's page says why")]
    NothingForBoards(String),
    #[error("{path} is not here; upload to the base URL itself, http://HOST:PORT/")]
    NotForUploads { path: String },
    #[error("{method} is not for {path}; upload by POST to the base URL itself, http://HOST:PORT/")]
    WrongMethod { method: Method, path: String },
    #[error("{path} takes POST only; all projects are at /simple/")]
    NotForReading { path: String },
    #[error("the host in the {place} {flaw}: it must be HOST or HOST:PORT, such as micropypi.local:8089")]
    BadHost { place: &'static str, flaw: String },
    #[error("this port speaks HTTPS: write https:// in place of http://")]
    Plain,
    #[error("the request has {0} Host header; it takes one")]
    NotOneHost(&'static str),
    #[error("a page of another site asks for this; upload with twine, uv publish or curl")]
    AnotherSite,
    #[error("the range lies outside of the file")]
    RangeNotSatisfiable { size: u64 },
    #[error("{0}")]
    Gone(&'static str),
    #[error("the file is being replaced; ask again in a second")]
    Changing,
    #[error("a file cannot be read")]
    Io(#[from] io::Error),
    #[error("a worker ended early")]
    Worker(#[from] JoinError),
}

impl HttpError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Denied { action, denied } => denied_status(*action, denied),
            Self::Form(error) => form_status(error),
            Self::Publish(error) => publish_status(error),
            Self::Store(error) => store_status(error),
            Self::NotFound(_) | Self::NothingForBoards(_) | Self::NotForUploads { .. } => StatusCode::NOT_FOUND,
            Self::WrongMethod { .. } | Self::NotForReading { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::BadHost { .. } | Self::NotOneHost(_) | Self::Plain => StatusCode::BAD_REQUEST,
            Self::AnotherSite => StatusCode::FORBIDDEN,
            Self::RangeNotSatisfiable { .. } => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::Gone(_) => StatusCode::GONE,
            Self::Changing => StatusCode::SERVICE_UNAVAILABLE,
            Self::BoardFile(error) => board_file_status(error),
            Self::View(error) => view_status(error),
            Self::Io(_) | Self::Worker(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What the client is told: a sentence where it can do something about it.
    fn sentence(&self, status: StatusCode) -> String {
        match status {
            StatusCode::INSUFFICIENT_STORAGE => match self {
                Self::BoardFile(_) | Self::View(_) => {
                    "The server cannot make what boards get: the cache's disk is full".to_owned()
                }
                _ => "The server's disk is full; nothing was stored".to_owned(),
            },
            StatusCode::SERVICE_UNAVAILABLE => match self {
                Self::Changing => self.to_string(),
                _ => "The server cannot write its packages directory; nothing was stored".to_owned(),
            },
            status if status.is_server_error() => status.canonical_reason().unwrap_or_default().to_owned(),
            _ => Chain(self).to_string(),
        }
    }
}

fn denied_status(action: Action, denied: &Denied) -> StatusCode {
    match denied {
        Denied::CredentialsMissing | Denied::OtherScheme => StatusCode::UNAUTHORIZED,
        Denied::Malformed(_) => StatusCode::BAD_REQUEST,
        Denied::WrongPassword => wrong_password_status(action),
        Denied::NoPasswordFile(_) | Denied::NoUser => StatusCode::FORBIDDEN,
        Denied::Throttled { .. } => StatusCode::TOO_MANY_REQUESTS,
    }
}

/// On a 403, pip says nothing and takes the index for empty, and a browser keeps the password; on a 401 both ask again.
/// Uploaders show what they are told.
fn wrong_password_status(action: Action) -> StatusCode {
    match action {
        Action::List | Action::Download => StatusCode::UNAUTHORIZED,
        Action::Upload | Action::Remove => StatusCode::FORBIDDEN,
    }
}

fn form_status(error: &FormError) -> StatusCode {
    match error {
        FormError::TooLarge { .. } | FormError::FormTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        FormError::Idle { .. } => StatusCode::REQUEST_TIMEOUT,
        FormError::Store(error) => store_status(error),
        FormError::Worker(_) => StatusCode::INTERNAL_SERVER_ERROR,
        FormError::NoForm
        | FormError::Multipart(_)
        | FormError::TooManyFields { .. }
        | FormError::FieldTooLarge { .. }
        | FormError::SignatureTooLarge
        | FormError::Twice(_)
        | FormError::Missing(_)
        | FormError::NotText(_)
        | FormError::NoFileName
        | FormError::UnknownAction(_)
        | FormError::Digest(_)
        | FormError::Name(_)
        | FormError::Version(_) => StatusCode::BAD_REQUEST,
    }
}

fn publish_status(error: &PublishError) -> StatusCode {
    match error {
        PublishError::Exists { .. } | PublishError::Unreadable { .. } => StatusCode::CONFLICT,
        PublishError::Store(error) => store_status(error),
        PublishError::Archive(ArchiveError::Read(_) | ArchiveError::Visitor(_)) => StatusCode::INTERNAL_SERVER_ERROR,
        PublishError::Name(_)
        | PublishError::Version(_)
        | PublishError::Filename(_)
        | PublishError::VersionsDiffer { .. }
        | PublishError::Digest(_)
        | PublishError::Archive(_)
        | PublishError::Metadata(_)
        | PublishError::Refused { .. }
        | PublishError::Unsignable(_) => StatusCode::BAD_REQUEST,
    }
}

fn store_status(error: &StoreError) -> StatusCode {
    match error {
        StoreError::Exists(_) => StatusCode::CONFLICT,
        StoreError::Full { .. } => StatusCode::INSUFFICIENT_STORAGE,
        StoreError::ReadOnly { .. } | StoreError::Gone { .. } => StatusCode::SERVICE_UNAVAILABLE,
        StoreError::Missing(_) | StoreError::NotADirectory(_) | StoreError::Nested(..) | StoreError::Io { .. } => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

fn board_file_status(error: &BoardFileError) -> StatusCode {
    match error {
        BoardFileError::Cache(error)
        | BoardFileError::Tarball(TarballError::File(_, error) | TarballError::Write(error)) => disk_status(error),
        BoardFileError::Tarball(TarballError::Length(_)) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn view_status(error: &ViewError) -> StatusCode {
    match error {
        ViewError::Io(error) => disk_status(error),
        // Bytecode is made in the background; boards get the sources meanwhile. What has moved, `mip.rs` looks for again.
        ViewError::Compiler(_) | ViewError::Moved => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// While a board waits, nothing but the cache is written: it is the disk of the cache that is full.
fn disk_status(error: &io::Error) -> StatusCode {
    if is_full(error) {
        StatusCode::INSUFFICIENT_STORAGE
    } else {
        StatusCode::INTERNAL_SERVER_ERROR
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let status = self.status();
        let sentence = self.sentence(status);
        let failure = Failure {
            reason: sentence.chars().take(REASON_CHARS).collect(),
            error: status.is_server_error().then(|| Chain(&self).to_string()),
        };
        let mut response = (status, format!("{sentence}\n")).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
        }
        match &self {
            Self::Denied {
                denied: Denied::Throttled { retry_after },
                ..
            } => {
                headers.insert(RETRY_AFTER, HeaderValue::from(retry_after.as_secs().max(1)));
            }
            Self::Changing => _ = headers.insert(RETRY_AFTER, HeaderValue::from_static("1")),
            Self::RangeNotSatisfiable { size } => {
                let range = HeaderValue::try_from(format!("bytes */{size}")).expect("digits are legal in a header");
                headers.insert(CONTENT_RANGE, range);
            }
            _ => {}
        }
        if let Some(phrase) = reason_phrase(&failure.reason) {
            response.extensions_mut().insert(phrase);
        }
        response.extensions_mut().insert(failure);
        response
    }
}

/// twine shows its user the reason phrase of the status line and nothing else, so the sentence goes there, too
/// (RFC 9112 section 4: any visible ASCII).
fn reason_phrase(reason: &str) -> Option<ReasonPhrase> {
    let legal = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
    ReasonPhrase::try_from(reason.chars().map(legal).collect::<String>()).ok()
}
