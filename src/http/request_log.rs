//! One line per request: who asked for what, and what came of it. Written by `service.rs`; the handlers note what it is
//! about, and `error.rs` why it failed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use axum::http::{Method, Uri, header};
use axum::response::Response;
use hyper::body::Body as _;

use super::Exchange;
use crate::auth::UserName;
use crate::dist::ProjectName;
use crate::telemetry::Request;

/// Bytes of a method and of a path that go into a line: a head may have as many as would fill a disk, request by request.
const LONGEST: usize = 500;

/// What a request is about. It is noted as soon as the names are parsed, so that the log knows it however the request ends.
#[derive(Debug, Default)]
pub(super) struct Subject {
    action: OnceLock<&'static str>,
    project: OnceLock<ProjectName>,
    file: OnceLock<Arc<str>>,
}

impl Subject {
    pub(super) fn note_action(&self, action: &'static str) {
        self.action.get_or_init(|| action);
    }

    pub(super) fn note_project(&self, name: &ProjectName) {
        self.project.get_or_init(|| name.clone());
    }

    pub(super) fn note_file(&self, project: &ProjectName, path: &Arc<str>) {
        self.note_project(project);
        self.file.get_or_init(|| Arc::clone(path));
    }
}

/// Why a request is refused or failed; `error.rs` leaves it on the response for the log.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    /// What the client is told.
    pub(super) reason: String,
    /// What is for the log alone.
    pub(super) error: Option<String>,
}

/// A request that is being answered.
pub(super) struct Entry {
    id: u64,
    start: Instant,
}

impl Entry {
    pub(super) fn begin() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            start: Instant::now(),
        }
    }

    /// Writes the line. The query is left out: it is the one part of a URL that people put secrets into.
    pub(super) fn end(self, method: &Method, uri: &Uri, response: &Response, exchange: &Exchange) {
        let Subject { action, project, file } = &exchange.subject;
        let (project, file) = (project.get().map(ProjectName::as_str), file.get().map(|file| &**file));
        let failure = response.extensions().get::<Failure>();
        if let Some(error) = failure.and_then(|failure| failure.error.as_deref()) {
            tracing::error!(request_id = self.id, project, file, error, "request failed");
        }
        let request = Request {
            id: self.id,
            method: shortened(method.as_str()),
            path: shortened(uri.path()),
            status: response.status().as_u16(),
            bytes: length(response),
            user: exchange.user.get().map(UserName::as_str),
            action: action.get().copied(),
            project,
            file,
            reason: failure.map(|failure| failure.reason.as_str()),
            duration: self.start.elapsed(),
            peer: &exchange.client_text(),
        };
        request.log();
    }
}

fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST)]
}

/// The length of the answer's body, in bytes; a file that is streamed has it in its header alone.
fn length(response: &Response) -> Option<u64> {
    let declared = || {
        response
            .headers()
            .get(header::CONTENT_LENGTH)?
            .to_str()
            .ok()?
            .parse()
            .ok()
    };
    response.body().size_hint().exact().or_else(declared)
}
