//! Where log lines go: the journal when systemd connected us to it, else stderr or a file. Called by `serve/`;
//! everybody else just says `tracing::info!`, and `http/`, at the end of each request, [`Request::log`].
//!
//! A request is one line at info with `target: "http"` and the fields `request_id`, `method`, `path`, `status`, `bytes`,
//! `user`, `action`, `project`, `file`, `reason`, `duration_us`, `peer`. The journal stores them in upper case, which makes
//! `journalctl -u micropypi PROJECT=foo` a package's history.

mod file;
mod filter;
mod journal;
mod request;
mod text;
mod writer;

use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use tracing_subscriber::layer::{Layer, Layered, SubscriberExt};
use tracing_subscriber::registry::Registry;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::Level;
use file::Reopener;
use filter::Filter;
use journal::Journal;
pub use request::Request;
use text::Lines;
use writer::Writer;

/// Why the log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The file of `[log]` cannot be written.
    #[error("[log] file: cannot append to {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// systemd connected stderr to the journal, and the journal does not take messages.
    #[error("the journal cannot be reached")]
    Journal(#[source] io::Error),
    /// The thread that writes could not be started.
    #[error("the log's thread cannot be started")]
    Thread(#[source] io::Error),
}

/// The open log. Lines that wait are written when it is dropped.
pub struct Guard {
    filter: Filter,
    /// None when the log is no file.
    file: Option<Reopener>,
    _writer: Option<Writer>,
}

impl Guard {
    /// Changes the least important level that is written.
    pub fn set_level(&self, level: Level) {
        self.filter.set_level(level);
    }

    /// Opens the log's file anew, which logrotate may have renamed.
    ///
    /// # Errors
    /// When it cannot be written; lines go on into the old one.
    pub fn reopen(&self) -> Result<(), TelemetryError> {
        self.file.as_ref().map_or(Ok(()), Reopener::reopen)
    }
}

/// Opens the log: the file when one is named, else the journal when stderr is connected to it, else stderr.
/// Call it once.
///
/// # Errors
/// When the file cannot be written, or the journal not be reached.
pub fn init(level: Level, file: Option<&Path>) -> Result<Guard, TelemetryError> {
    let filter = Filter::new(level);
    let (file, reopener) = file.map(file::open).transpose()?.unzip();
    let (layer, writer) = match file {
        Some(file) => to_writer(file, false)?,
        None if stderr_is_journal() => (Journal::open().map_err(TelemetryError::Journal)?.boxed(), None),
        None => to_writer(io::stderr(), wants_colour())?,
    };
    tracing_subscriber::registry().with(filter.clone()).with(layer).init();
    Ok(Guard {
        filter,
        file: reopener,
        _writer: writer,
    })
}

/// What the layers below stand on.
type Base = Layered<Filter, Registry>;
type AnyLayer = Box<dyn Layer<Base> + Send + Sync>;

/// systemd puts the device and inode of the journal's socket into the environment, for programs to see whether their
/// stderr is still that socket (systemd.exec(5), `$JOURNAL_STREAM`).
fn stderr_is_journal() -> bool {
    let stat = rustix::fs::fstat(io::stderr().as_fd());
    let (Ok(stream), Ok(stat)) = (std::env::var("JOURNAL_STREAM"), stat) else {
        return false;
    };
    stream == format!("{}:{}", stat.st_dev, stat.st_ino)
}

/// Whether somebody looks on who has not declined colours (no-color.org).
fn wants_colour() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|declined| declined.is_empty())
}

fn to_writer(sink: impl Write + Send + 'static, colour: bool) -> Result<(AnyLayer, Option<Writer>), TelemetryError> {
    let writer = Writer::start(sink).map_err(TelemetryError::Thread)?;
    let lines = Lines::new(writer.queue(), colour);
    lines.put_in_use();
    Ok((lines.boxed(), Some(writer)))
}
