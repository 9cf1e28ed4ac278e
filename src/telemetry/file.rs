//! A log file that logrotate may rename: opened anew on request. Used by `mod.rs`.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::TelemetryError;
use crate::lock::lock;

/// The file that lines go to.
pub(super) struct LogFile {
    current: File,
    next: Arc<Next>,
}

/// Where the file that takes its place is handed in.
type Next = Mutex<Option<File>>;

/// Opens the file anew.
pub(super) struct Reopener {
    path: PathBuf,
    next: Arc<Next>,
}

/// Opens the file, and makes it if it is missing.
pub(super) fn open(path: &Path) -> Result<(LogFile, Reopener), TelemetryError> {
    let next = Arc::new(Next::default());
    let reopener = Reopener {
        path: path.to_owned(),
        next: Arc::clone(&next),
    };
    let current = append(path)?;
    Ok((LogFile { current, next }, reopener))
}

impl Reopener {
    /// Lines go to whatever has the file's name now. An error leaves the old file in use.
    pub(super) fn reopen(&self) -> Result<(), TelemetryError> {
        *lock(&self.next) = Some(append(&self.path)?);
        Ok(())
    }
}

impl Write for LogFile {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        if let Some(next) = lock(&self.next).take() {
            self.current = next;
        }
        self.current.write(lines)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.current.flush()
    }
}

fn append(path: &Path) -> Result<File, TelemetryError> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.map_err(|source| TelemetryError::File {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let error = append(Path::new("/nonexistent/log")).unwrap_err();
        assert_eq!(error.to_string(), "[log] file: cannot append to /nonexistent/log");
    }
}
