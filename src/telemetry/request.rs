//! The line of a request. Each request writes one, and as an event of tracing's it would be a fifth of the work for a small
//! answer: so it goes into the log's queue by a way of its own, and only to the journal as an event. Called by `http/`.

use std::time::Duration;

use tracing::Level;
use tracing::level_filters::LevelFilter;

use super::text::{self, Lines};

/// A request that was answered: who asked for what, and what came of it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Its number since the start.
    pub id: u64,
    /// Its method.
    pub method: &'a str,
    /// What it asked for, without the query.
    pub path: &'a str,
    /// The answer's status.
    pub status: u16,
    /// The length of the answer's body, in bytes, where it is known beforehand.
    pub bytes: Option<u64>,
    /// Who has logged in.
    pub user: Option<&'a str>,
    /// The `:action` of a form.
    pub action: Option<&'a str>,
    /// The project that it was about, normalized.
    pub project: Option<&'a str>,
    /// The file that it was about, below the packages directory.
    pub file: Option<&'a str>,
    /// Why it was refused or failed.
    pub reason: Option<&'a str>,
    /// From its head to its answer's.
    pub duration: Duration,
    /// The client's address.
    pub peer: &'a str,
}

impl Request<'_> {
    /// Writes its line, at info.
    pub fn log(&self) {
        // The most that is logged of anything, which is what requests are logged by: see `filter.rs`.
        if LevelFilter::current() < Level::INFO {
            return;
        }
        match Lines::in_use() {
            Some(lines) => lines.write(Level::INFO, |line| text::push_request(line, self)),
            None => self.log_as_event(),
        }
    }

    /// The duration as it is told.
    pub(super) fn microseconds(&self) -> u64 {
        u64::try_from(self.duration.as_micros()).unwrap_or(u64::MAX)
    }

    fn log_as_event(&self) {
        let mut line = String::with_capacity(256);
        text::push_request(&mut line, self);
        tracing::info!(
            target: "http",
            request_id = self.id,
            method = self.method,
            path = self.path,
            status = self.status,
            bytes = self.bytes,
            user = self.user,
            action = self.action,
            project = self.project,
            file = self.file,
            reason = self.reason,
            duration_us = self.microseconds(),
            peer = self.peer,
            "{}",
            line.trim_start()
        );
    }
}
