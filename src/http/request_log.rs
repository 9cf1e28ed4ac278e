//! One line a request: who asked for what, and what came of it. Called by `connections.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::http::{Method, Uri, header};
use axum::response::Response;
use http_body::Body as _;

use super::Connection;
use crate::dist::ProjectName;

/// What a request is about; handlers leave it on their response for the log.
#[derive(Debug, Clone, Default)]
pub(super) struct Subject {
    project: Option<ProjectName>,
    file: Option<Arc<str>>,
}

impl Subject {
    pub(super) fn project(name: &ProjectName) -> Self {
        Self {
            project: Some(name.clone()),
            file: None,
        }
    }

    pub(super) fn file(project: &ProjectName, file: &Arc<str>) -> Self {
        Self {
            project: Some(project.clone()),
            file: Some(Arc::clone(file)),
        }
    }

    pub(super) fn on(self, mut response: Response) -> Response {
        response.extensions_mut().insert(self);
        response
    }
}

/// A request that is being answered.
pub(super) struct Entry {
    id: u64,
    method: Method,
    uri: Uri,
    start: Instant,
}

impl Entry {
    pub(super) fn begin(method: Method, uri: Uri) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            method,
            uri,
            start: Instant::now(),
        }
    }

    /// Writes the line. The query is left out: it is the one part of a URL that people put secrets into.
    pub(super) fn end(self, response: &Response, connection: &Connection) {
        let subject = response.extensions().get::<Subject>();
        let status = response.status().as_u16();
        let (method, path) = (self.method.as_str(), self.uri.path());
        tracing::info!(
            target: "http",
            request_id = self.id,
            method,
            path,
            status,
            bytes = length(response),
            user = connection.user.get().map(crate::auth::UserName::as_str),
            project = subject.and_then(|subject| subject.project.as_ref()).map(ProjectName::as_str),
            file = subject.and_then(|subject| subject.file.as_deref()),
            duration_us = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX),
            peer = %connection.peer.ip().to_canonical(),
            "{method} {path} {status}"
        );
    }
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
