//! The process of a server under test, and its log.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use rustix::process::{Pid, Signal, geteuid, kill_process};

use super::{PATIENCE, Site, eventually, files_below};
use crate::raw::{Request, Response};

/// A running server. Dropping it kills it, and shows its log when the test has failed.
pub(crate) struct Server {
    pub(crate) site: Site,
    pub(crate) address: SocketAddr,
    child: Child,
    log: Log,
}

impl Server {
    /// An empty server with one user.
    pub(crate) fn start() -> Self {
        Site::new().start()
    }

    pub(super) fn spawn(site: &Site, command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("micropypi starts");
        let log = Log::default();
        log.follow(child.stderr.take().expect("piped"));
        log.follow(child.stdout.take().expect("piped"));
        let mut server = Self {
            site: site.clone(),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            child,
            log,
        };
        let port = eventually("the log names the port", || {
            assert!(server.is_running(), "micropypi ended at once:\n{}", server.log.text());
            server.log.port()
        });
        server.address.set_port(port);
        eventually("/health answers 200", || {
            Request::get("/health")
                .try_send(server.address)
                .filter(|r| r.status == 200)
        });
        server
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The answer to a request.
    pub(crate) fn send(&self, request: Request) -> Response {
        let what = request.summary();
        request
            .try_send(self.address)
            .unwrap_or_else(|| panic!("no answer to {what}"))
    }

    /// The answer to `GET target`.
    pub(crate) fn get(&self, target: &str) -> Response {
        self.send(Request::get(target))
    }

    /// What the server has written so far, to stdout and stderr.
    pub(crate) fn log(&self) -> String {
        self.log.text()
    }

    /// Waits until the log holds the text.
    pub(crate) fn await_log(&self, text: &str) {
        self.log.wait(text);
    }

    /// Whether the process lives.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("own child").is_none()
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Bytes that the server has read so far, from `/proc/PID/io`.
    pub(crate) fn bytes_read(&self) -> u64 {
        let io = fs::read_to_string(format!("/proc/{}/io", self.pid())).unwrap();
        io.lines()
            .find_map(|line| line.strip_prefix("rchar: "))
            .and_then(|bytes| bytes.parse().ok())
            .unwrap()
    }

    /// The names of all files below the package directory as the server sees it, hidden ones too, sorted.
    pub(crate) fn stored(&self) -> Vec<String> {
        files_below(&self.sees(&self.site.packages()))
    }

    /// The way to a path as the server sees it.
    pub(crate) fn sees(&self, path: &Path) -> PathBuf {
        format!("/proc/{}/root{}", self.pid(), path.display()).into()
    }

    /// Runs a command that sees the files and mounts of a server on a tmpfs, and tells whether it succeeded.
    pub(crate) fn mounts(&self, command: &[&OsStr]) -> bool {
        let mut inside = Command::new("nsenter");
        inside.args(["--mount", "--target", &self.pid().to_string()]);
        if !geteuid().is_root() {
            inside.args(["--user", "--preserve-credentials"]);
        }
        inside.args(command).status().expect("nsenter").success()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("own child");
    }

    /// SIGTERM, then the exit status and the whole log.
    pub(crate) fn stop(mut self) -> (ExitStatus, String) {
        self.signal(Signal::TERM);
        let status = eventually("micropypi ends after SIGTERM", || {
            self.child.try_wait().expect("own child")
        });
        (status, self.log.text())
    }

    /// SIGKILL, at once.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("own child");
        self.child.wait().expect("own child");
    }

    /// A value in KiB from `/proc/PID/status`, such as `VmHWM`.
    pub(crate) fn memory(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("own child");
        let line = status
            .lines()
            .find(|line| line.starts_with(field))
            .expect("a field of proc(5)");
        line.split_whitespace()
            .nth(1)
            .and_then(|kib| kib.parse().ok())
            .expect("a number of kB")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The child may have ended already; there is nobody to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- the server's log\n{}---", self.log.text());
        }
    }
}

/// What a process writes, line by line as it comes.
#[derive(Clone, Default)]
struct Log(Arc<(Mutex<String>, Condvar)>);

impl Log {
    fn follow(&self, stream: impl Read + Send + 'static) {
        let log = self.clone();
        thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                log.0.0.lock().expect("no writer panics").push_str(&format!("{line}\n"));
                log.0.1.notify_all();
            }
        });
    }

    fn text(&self) -> String {
        self.0.0.lock().expect("no writer panics").clone()
    }

    fn wait(&self, text: &str) {
        let log = self.0.0.lock().expect("no writer panics");
        let (log, timeout) = self
            .0
            .1
            .wait_timeout_while(log, PATIENCE, |log| !log.contains(text))
            .expect("no writer panics");
        // Whoever shows the log of the test that fails here needs the lock.
        drop(log);
        assert!(!timeout.timed_out(), "the log never says {text:?}");
    }

    /// The first port that the log names.
    fn port(&self) -> Option<u16> {
        let text = self.text();
        text.match_indices("127.0.0.1:").find_map(|(at, host)| {
            let digits: String = text[at + host.len()..]
                .chars()
                .take_while(char::is_ascii_digit)
                .collect();
            digits.parse().ok().filter(|&port| port != 0)
        })
    }
}
