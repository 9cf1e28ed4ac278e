//! A server under test: its directory, its configuration, its process, its log. Called by every test.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, Read};
use std::iter;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant, UNIX_EPOCH};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

use crate::dists::Dist;
use crate::raw::{Request, Response};

/// The user that every site has, unless the test says otherwise.
pub(crate) const USER: &str = "alice";
/// That user's password. It occurs in no other text, so that a log that holds it is caught.
pub(crate) const PASSWORD: &str = "open-sesame-9f3";

/// How long anything may take that takes milliseconds on an idle machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Asks again until there is an answer, and fails the test after [`PATIENCE`].
pub(crate) fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(answer) = probe() {
            return answer;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("not within {PATIENCE:?}: {what}");
}

/// A directory with a configuration that servers are started in, one after another.
#[derive(Clone)]
pub(crate) struct Site {
    home: Arc<TempDir>,
    settings: BTreeMap<String, String>,
}

impl Site {
    /// An empty directory, one user who may upload, no mDNS, any free port of 127.0.0.1.
    pub(crate) fn new() -> Self {
        let site = Self {
            home: Arc::new(tempfile::tempdir().expect("a temporary directory")),
            settings: BTreeMap::new(),
        };
        fs::create_dir_all(site.packages()).expect("the package directory");
        site.set("listen", r#"["127.0.0.1:0"]"#)
            .set("mdns.enabled", "false")
            .set("auth.passwords", r#""htpasswd""#)
            .htpasswd(&bcrypt_line(USER, PASSWORD))
    }

    /// A new site with these distributions in its package directory.
    pub(crate) fn holding(dists: &[Dist]) -> Self {
        dists.iter().fold(Self::new(), Self::package)
    }

    /// Sets a key of the configuration, written `table.key`, to a TOML value.
    pub(crate) fn set(mut self, key: &str, value: &str) -> Self {
        self.settings.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Leaves a key to its default.
    pub(crate) fn without(mut self, key: &str) -> Self {
        self.settings.remove(key);
        self
    }

    /// Removes a file of the site's directory.
    pub(crate) fn without_file(self, relative: &str) -> Self {
        fs::remove_file(self.path(relative)).expect("a file to remove");
        self
    }

    /// Writes the htpasswd file.
    pub(crate) fn htpasswd(self, content: &str) -> Self {
        let path = self.path("htpasswd");
        fs::write(&path, content).expect("htpasswd");
        fs::set_permissions(path, Permissions::from_mode(0o600)).expect("htpasswd");
        self
    }

    /// Puts a distribution into the package directory, as a person would.
    pub(crate) fn package(self, dist: &Dist) -> Self {
        fs::write(self.packages().join(&dist.filename), &dist.bytes).expect("a package file");
        self
    }

    /// Dates a distribution in the package directory, by microseconds since 1970.
    pub(crate) fn dated(self, dist: &Dist, microseconds: u64) -> Self {
        let file = File::options().write(true).open(self.packages().join(&dist.filename));
        let date = UNIX_EPOCH + Duration::from_micros(microseconds);
        file.and_then(|file| file.set_modified(date)).expect("a package file");
        self
    }

    /// A path in the site's directory.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.home.path().join(relative)
    }

    /// The package directory.
    pub(crate) fn packages(&self) -> PathBuf {
        self.path("data/packages")
    }

    /// The names of all files below the package directory, hidden ones too, sorted.
    pub(crate) fn stored(&self) -> Vec<String> {
        files_below(&self.packages())
    }

    /// Fails the test unless the package directory holds these distributions, whole, and nothing else.
    pub(crate) fn assert_holds(&self, dists: &[Dist]) {
        let mut names: Vec<_> = dists.iter().map(|dist| dist.filename.clone()).collect();
        names.sort();
        assert_eq!(self.stored(), names);
        for dist in dists {
            assert!(
                fs::read(self.packages().join(&dist.filename)).unwrap() == dist.bytes,
                "{}",
                dist.filename
            );
        }
    }

    /// Writes the configuration file, and gives its path.
    pub(crate) fn configure(&self) -> PathBuf {
        let lines: Vec<String> = self
            .settings
            .iter()
            .map(|(key, value)| format!("{key} = {value}\n"))
            .collect();
        let path = self.path("config.toml");
        fs::write(&path, lines.concat()).expect("config.toml");
        path
    }

    /// Starts `micropypi serve` here and waits until it answers.
    pub(crate) fn start(&self) -> Server {
        self.start_with_environment(&[])
    }

    /// The same with these variables.
    pub(crate) fn start_with_environment(&self, variables: &[(&str, &OsStr)]) -> Server {
        let config = self.configure();
        let mut command = self.command();
        command.arg("serve").arg("--config").arg(config);
        command.envs(variables.iter().copied());
        Server::spawn(self, command)
    }

    /// Starts `micropypi serve` with the package directory on a tmpfs with these mount options. What it holds is to be
    /// seen by [`Server::stored`] only.
    pub(crate) fn start_on_tmpfs(&self, options: &str) -> Server {
        self.start_with_tmpfs("data/packages", options)
    }

    /// Starts `micropypi serve` with this directory on a tmpfs with these mount options, to be seen by [`Server::sees`] only.
    pub(crate) fn start_with_tmpfs(&self, directory: &str, options: &str) -> Server {
        let mut command = unshare(&["--mount"]);
        command.current_dir(self.home.path());
        command.args([
            "sh",
            "-c",
            r#"mkdir -p "$1" && mount -t tmpfs -o "$0" tmpfs "$1" && shift && exec "$@""#,
            options,
            directory,
        ]);
        command.args([
            env!("CARGO_BIN_EXE_micropypi").as_ref(),
            "serve".as_ref(),
            "--config".as_ref(),
        ] as [&OsStr; 3]);
        command.arg(self.configure());
        Server::spawn(self, command)
    }

    /// Starts `micropypi serve` with another directory of the site mounted as this one.
    pub(crate) fn start_with_mount(&self, source: &str, directory: &str) -> Server {
        let mut command = unshare(&["--mount"]);
        command.current_dir(self.home.path()).args([
            "sh",
            "-c",
            r#"mount --bind "$1" "$2" && exec "$0" serve --config "$3""#,
            env!("CARGO_BIN_EXE_micropypi"),
            source,
            directory,
        ]);
        command.arg(self.configure());
        Server::spawn(self, command)
    }

    /// Starts `micropypi serve` with this file, an ext4, mounted as this directory, where only [`Server::sees`] leads. It is
    /// unmounted when the server ends.
    pub(crate) fn start_on_disk(&self, disk: &str, directory: &str) -> Server {
        let mut command = unshare(&["--mount"]);
        let script = r#"mount -t ext4 -o loop "$1" "$2" && exec "$0" serve --config "$3""#;
        command.current_dir(self.home.path()).args(["sh", "-c", script]);
        command.args([env!("CARGO_BIN_EXE_micropypi"), disk, directory]);
        command.arg(self.configure());
        Server::spawn(self, command)
    }

    /// Starts `micropypi serve` with the package directory on FUSE, where it is another name of `data/disk`. What changes
    /// there raises no event here.
    pub(crate) fn start_on_fuse(&self) -> Server {
        fs::create_dir(self.path("data/disk")).expect("the disk's directory");
        let mut command = unshare(&["--mount"]);
        let script = "setpriv --pdeathsig KILL bindfs -f data/disk data/packages & \
                      until mountpoint -q data/packages; do kill -0 $! && sleep 0.01 || exit 1; done; exec \"$0\" serve --config \"$1\"";
        command.current_dir(self.home.path()).args(["sh", "-c", script]);
        command.arg(env!("CARGO_BIN_EXE_micropypi")).arg(self.configure());
        Server::spawn(self, command)
    }

    /// Starts `micropypi serve` where inotify may watch so many folders, and no more.
    pub(crate) fn start_with_watches(&self, most: u32) -> Server {
        let mut command = unshare(&["--user", "--map-root-user"]);
        let script = r#"echo "$1" > /proc/sys/user/max_inotify_watches && exec "$0" serve --config "$2""#;
        command.current_dir(self.home.path()).args(["sh", "-c", script]);
        command.arg(env!("CARGO_BIN_EXE_micropypi")).arg(most.to_string());
        command.arg(self.configure());
        Server::spawn(self, command)
    }

    /// Starts `micropypi serve` here from a shell that has run this before.
    pub(crate) fn start_after(&self, shell: &str) -> Server {
        let mut command = Command::new("sh");
        self.at_home(&mut command);
        command.args(["-c", &format!(r#"{shell} && exec "$0" serve --config "$1""#)]);
        command.arg(env!("CARGO_BIN_EXE_micropypi")).arg(self.configure());
        Server::spawn(self, command)
    }

    /// Starts `micropypi serve` as one who may do no more than the permissions say: root becomes another user.
    pub(crate) fn start_unprivileged(&self) -> Server {
        let mut command = self.command();
        if geteuid().is_root() {
            command = Command::new("unshare");
            self.at_home(&mut command);
            command.args(["--user", "--map-user=65532", env!("CARGO_BIN_EXE_micropypi")]);
        }
        command.arg("serve").arg("--config").arg(self.configure());
        Server::spawn(self, command)
    }

    /// Starts `micropypi` with these arguments here and waits until it answers.
    pub(crate) fn start_with(&self, arguments: &[&str]) -> Server {
        let mut command = self.command();
        command.args(arguments).env("MICROPYPI_MDNS_ENABLED", "false");
        Server::spawn(self, command)
    }

    /// The program, to be run in the site's directory with nothing of this process's environment.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_micropypi"));
        self.at_home(&mut command);
        command
    }

    /// Without `HOME` the program would ask the system for it, and leave its cache with whoever runs the tests.
    fn at_home(&self, command: &mut Command) {
        let home = self.home.path();
        command
            .current_dir(home)
            .env_clear()
            .env("HOME", home)
            .stdin(Stdio::null());
    }
}

/// `unshare` with these namespaces, for anybody: whoever is not root becomes root in a namespace of users.
pub(crate) fn unshare(namespaces: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.args(namespaces).env_clear().stdin(Stdio::null());
    command
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LANG", "C.UTF-8");
    if !geteuid().is_root() {
        command.arg("--map-root-user");
    }
    command
}

/// A server that [`Server`] cannot follow; ended when dropped.
pub(crate) struct Killed(pub(crate) Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that was free a moment ago, where a test cannot let the server choose. The kernel gives it to nobody meanwhile: it
/// lies below those that it chooses from (`ip_local_port_range`).
pub(crate) fn free_port() -> u16 {
    let random = || 10_000 + (getrandom::u32().expect("the system's random numbers") % 20_000) as u16;
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port)).is_ok();
    iter::repeat_with(random)
        .find(is_free)
        .expect("it goes on until one is")
}

/// A line of an htpasswd file, with the cheapest bcrypt.
pub(crate) fn bcrypt_line(user: &str, password: &str) -> String {
    format!(
        "{user}:{}\n",
        bcrypt::hash(password, 4).expect("bcrypt takes any password")
    )
}

fn files_below(root: &Path) -> Vec<String> {
    let mut names = Vec::new();
    list(root, root, &mut names);
    names.sort();
    names
}

fn list(root: &Path, directory: &Path, names: &mut Vec<String>) {
    for entry in fs::read_dir(directory)
        .expect("a directory")
        .map(|entry| entry.expect("an entry"))
    {
        let path = entry.path();
        if path.is_dir() {
            list(root, &path, names);
        } else {
            let name = path.strip_prefix(root).expect("below the root");
            names.push(name.to_string_lossy().into_owned());
        }
    }
}

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

    fn spawn(site: &Site, mut command: Command) -> Self {
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
