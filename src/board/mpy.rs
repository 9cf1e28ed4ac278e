//! Bytecode: telling the ABI of a `.mpy` file, and compiling a source with mpy-cross in a limited process.
//! (Source: MicroPython's documentation, "MicroPython .mpy files".) Called by `view/reading.rs`, and by `index/` off
//! the runtime's threads.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::sandbox::{self, Ending, Files};

/// What can import a `.mpy` file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Abi {
    /// Version 6 without native code: every board from MicroPython 1.19 on.
    Bytecode,
    /// Version 6 with machine code for one architecture.
    Native,
    /// Another version, or no `.mpy` file at all.
    Other,
}

/// From the first three bytes: `M`, the version, and flags whose bits 2 to 5 name an architecture.
pub(super) fn abi(head: &[u8; 3]) -> Abi {
    match head {
        [b'M', 6, flags] if flags & 0b0011_1100 == 0 => Abi::Bytecode,
        [b'M', 6, _] => Abi::Native,
        _ => Abi::Other,
    }
}

/// The compiler, as it is installed.
#[derive(Debug, Clone)]
pub struct MpyCross {
    path: PathBuf,
}

/// Why a source gives no bytecode; boards then get the source.
#[derive(Debug, thiserror::Error)]
pub enum MpyError {
    /// The files cannot be opened, or the compiler cannot be started.
    #[error("{0} cannot be run")]
    Run(PathBuf, #[source] io::Error),
    /// It ran into a limit, or into a fault of its own.
    #[error("mpy-cross crashed, or ran into its limit of time, memory or output")]
    Limit,
    /// It refused the source; with the last line of what it said.
    #[error("mpy-cross refuses the source: {0}")]
    Refused(String),
    /// What it wrote is not what boards import.
    #[error("{0} does not write bytecode of version 6: an mpy-cross of MicroPython 1.19 or later does")]
    Version(PathBuf),
}

impl MpyCross {
    /// The compiler at this path: the binary itself, not a script around it.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Compiles `source` into `out`, which is replaced. `name` is the path on the board, which tracebacks show.
    ///
    /// Blocks. The compiler has ten seconds and 256 MiB, no network, and of the file system the two files, itself and
    /// the system's libraries.
    ///
    /// # Errors
    /// [`MpyError`]; `out` is of no use then.
    pub fn compile(&self, source: &Path, name: &str, out: &Path) -> Result<(), MpyError> {
        let run = |error| MpyError::Run(self.path.clone(), error);
        File::create(out).map_err(run)?;
        let arguments = [
            "-s".as_ref(),
            name.as_ref(),
            "-o".as_ref(),
            out.as_os_str(),
            "--".as_ref(),
            source.as_os_str(),
        ];
        let files = Files {
            read: source,
            write: out,
        };
        let compiled = match sandbox::run(&self.path, &arguments, &files).map_err(run)? {
            Ending::Success => self.check(out),
            Ending::Failure(said) => Err(MpyError::Refused(last_line(&said))),
            Ending::Killed => Err(MpyError::Limit),
        };
        if compiled.is_err() {
            // The source is not to blame where there was no room, or somebody has emptied the cache.
            try_files(&files).map_err(run)?;
        }
        compiled
    }

    fn check(&self, out: &Path) -> Result<(), MpyError> {
        let mut head = [0; 3];
        let read = File::open(out).and_then(|mut file| file.read_exact(&mut head));
        match read.map(|()| abi(&head)) {
            Ok(Abi::Bytecode) => Ok(()),
            _ => Err(MpyError::Version(self.path.clone())),
        }
    }
}

/// Whether the source can be read, and as much be written as bytecode of it may take.
fn try_files(files: &Files<'_>) -> io::Result<()> {
    let mut out = File::options().write(true).truncate(true).open(files.write)?;
    io::copy(&mut File::open(files.read)?, &mut out)?;
    Ok(())
}

fn last_line(text: &str) -> String {
    text.lines()
        .rfind(|line| !line.trim().is_empty())
        .unwrap_or("without a word")
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_the_abi() {
        assert_eq!(abi(b"M\x06\x00"), Abi::Bytecode);
        assert_eq!(abi(b"M\x06\x02"), Abi::Bytecode);
        assert_eq!(abi(b"M\x06\x14"), Abi::Native);
        assert_eq!(abi(b"M\x05\x00"), Abi::Other);
        assert_eq!(abi(b"\0\0\0"), Abi::Other);
    }

    #[test]
    fn a_program_that_writes_nothing_is_no_mpy_cross() {
        let folder = tempfile::tempdir().unwrap();
        let (source, out) = (folder.path().join("a.py"), folder.path().join("a.mpy"));
        std::fs::write(&source, "x = 1").unwrap();
        let error = MpyCross::new("/bin/true".into())
            .compile(&source, "a.py", &out)
            .unwrap_err();
        assert!(matches!(error, MpyError::Version(_)), "{error}");
    }

    #[test]
    fn a_source_is_not_blamed_for_a_full_disk() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("a.py");
        std::fs::write(&source, "x = 1").unwrap();
        for compiler in ["/bin/true", "/bin/false"] {
            let error = MpyCross::new(compiler.into())
                .compile(&source, "a.py", "/dev/full".as_ref())
                .unwrap_err();
            let MpyError::Run(_, error) = error else {
                panic!("{error}")
            };
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        }
    }

    #[test]
    fn a_compiler_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("a.mpy");
        let error = MpyCross::new("/no/mpy-cross".into())
            .compile(&out, "a.py", &out)
            .unwrap_err();
        assert_eq!(error.to_string(), "/no/mpy-cross cannot be run");
    }
}
