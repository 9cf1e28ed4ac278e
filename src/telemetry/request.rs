//! The line of a request. Each request writes one, and as an event of tracing's it would be a fifth of the work for a small
//! answer: so it goes into the log's queue by a way of its own, and only to the journal as an event. Called by `http/`.

use std::time::Duration;

use tracing::Level;
use tracing::level_filters::LevelFilter;

use super::text::{Lines, push_escaped, push_number, push_text};

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
            Some(lines) => lines.write(Level::INFO, |line| self.push_to(line)),
            None => self.log_as_event(),
        }
    }

    /// ` GET /simple/foo/ 200 request_id=7 bytes=512 project=foo duration_us=98 peer=192.0.2.7`
    fn push_to(&self, line: &mut String) {
        for word in [" ", self.method, " "] {
            line.push_str(word);
        }
        push_escaped(line, self.path);
        push_number(line, " ", self.status.into());
        push_number(line, " request_id=", self.id);
        if let Some(bytes) = self.bytes {
            push_number(line, " bytes=", bytes);
        }
        let texts = [
            (" user=", self.user),
            (" action=", self.action),
            (" project=", self.project),
            (" file=", self.file),
            (" reason=", self.reason),
        ];
        for (name, value) in texts {
            if let Some(value) = value {
                line.push_str(name);
                push_text(line, value);
            }
        }
        push_number(line, " duration_us=", self.microseconds());
        line.push_str(" peer=");
        push_text(line, self.peer);
    }

    fn microseconds(&self) -> u64 {
        u64::try_from(self.duration.as_micros()).unwrap_or(u64::MAX)
    }

    /// With the line for its message: the fields are for `journalctl PROJECT=foo`.
    fn log_as_event(&self) {
        let mut line = String::with_capacity(256);
        self.push_to(&mut line);
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

#[cfg(test)]
mod tests {
    use super::super::text::tests::logged;
    use super::*;

    #[test]
    fn it_is_said_alike_as_a_line_and_as_an_event() {
        let request = Request {
            id: 3,
            method: "GET",
            path: "/a=b",
            status: 200,
            bytes: Some(7),
            user: Some("m e"),
            action: None,
            project: None,
            file: None,
            reason: Some(""),
            duration: Duration::from_micros(98),
            peer: "192.0.2.7",
        };
        let mut line = String::new();
        request.push_to(&mut line);
        let expected = " GET /a=b 200 request_id=3 bytes=7 user=\"m e\" reason=\"\" duration_us=98 peer=192.0.2.7";
        assert_eq!(line, expected);
        // As there are no lines in use.
        assert_eq!(logged(false, || request.log()), format!(" INFO{expected}\n"));
    }
}
