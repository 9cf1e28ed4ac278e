//! What runs on the hosts of the LAN: micropypi, avahi, python-zeroconf, MicroPython.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::lan::Host;

pub(crate) const MICROPYPI: &str = env!("CARGO_BIN_EXE_micropypi");

/// How long anything may take. Probing takes a second, a look at the addresses two, a slow machine its time.
const PATIENCE: Duration = Duration::from_secs(20);

/// Asks until there is an answer.
pub(crate) fn eventually<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    in_time(ask).unwrap_or_else(|| panic!("{what}: not within {PATIENCE:?}"))
}

/// Asks until there is an answer, for as long as it may take.
fn in_time<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = ask();
        if answer.is_some() || Instant::now() >= deadline {
            return answer;
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// A process that does not outlive the test.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).spawn().unwrap())
    }

    /// SIGTERM, and the end.
    pub(crate) fn terminate(mut self) {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
        eventually("the end after SIGTERM", || self.0.try_wait().unwrap());
    }

    /// SIGKILL: no goodbye.
    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running micropypi.
pub(crate) struct Server {
    process: Process,
    folder: TempDir,
}

impl Server {
    /// Starts one with these lines of configuration after its folders.
    pub(crate) fn start(host: &Host, configuration: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [packages, cache] = ["packages", "cache"].map(|name| folder.path().join(name));
        fs::create_dir(&packages).unwrap();
        let file = folder.path().join("config.toml");
        let store = format!("[store]\npackages = [{packages:?}]\ncache = {cache:?}\n");
        fs::write(&file, format!("{configuration}\n{store}")).unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let process = Process::start(
            host.command(MICROPYPI)
                .args(["serve", "--config"])
                .arg(&file)
                .stdout(Stdio::null())
                .stderr(log),
        );
        Self { process, folder }
    }

    /// Starts one, and waits until it has its name on the network.
    pub(crate) fn announced(host: &Host, configuration: &str) -> Self {
        let server = Self::start(host, configuration);
        server.logged("announced by mDNS");
        server
    }

    /// Waits for a line of the log that holds `text`.
    pub(crate) fn logged(&self, text: &str) -> String {
        let line = |line: &str| line.contains(text).then(|| line.to_owned());
        let said = || self.log().lines().find_map(line);
        in_time(said).unwrap_or_else(|| panic!("not within {PATIENCE:?}: {text:?}; the log:\n{}", self.log()))
    }

    /// The log so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Drops a package of `target/clients/packages` into its folder.
    pub(crate) fn publish(&self, file: &str) {
        let source = client(&format!("packages/{file}"));
        fs::copy(source, self.folder.path().join("packages").join(file)).unwrap();
    }

    /// Adds lines to its configuration, and has it read again.
    pub(crate) fn reconfigure(&self, lines: &str) {
        let mut file = File::options()
            .append(true)
            .open(self.folder.path().join("config.toml"))
            .unwrap();
        writeln!(file, "{lines}").unwrap();
        kill_process(Pid::from_child(&self.process.0), Signal::HUP).unwrap();
    }

    pub(crate) fn terminate(self) {
        self.process.terminate();
    }

    pub(crate) fn kill(self) {
        self.process.kill();
    }
}

/// `micropypi discover` with these arguments.
pub(crate) fn discover(host: &Host, arguments: &[&str]) -> Output {
    host.command(MICROPYPI)
        .arg("discover")
        .args(arguments)
        .output()
        .unwrap()
}

/// The stdout of `micropypi discover`, whether it finds something or not.
pub(crate) fn found(host: &Host, arguments: &[&str]) -> String {
    String::from_utf8(discover(host, arguments).stdout).unwrap()
}

/// The stdout of a `micropypi discover` that must find something.
pub(crate) fn discovered(host: &Host, arguments: &[&str]) -> String {
    let output = discover(host, arguments);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// avahi-daemon with a system bus of its own, so that it neither needs nor meets the machine's.
pub(crate) struct Avahi {
    host: Host,
    folder: TempDir,
    _processes: [Process; 2],
}

impl Avahi {
    pub(crate) fn start(host: &Host, host_name: &str) -> Self {
        let avahi = Self::configured(host, &format!("[server]\nhost-name={host_name}\n"));
        eventually("avahi-daemon answers", || avahi.resolve(&format!("{host_name}.local")));
        avahi
    }

    /// One that repeats on each of its LANs what it hears on the others. It may take a while to do so.
    pub(crate) fn reflector(host: &Host) -> Self {
        Self::configured(host, "[server]\nhost-name=router\n[reflector]\nenable-reflector=yes\n")
    }

    fn configured(host: &Host, lines: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bus = Self::start_bus(folder.path());
        let configuration = folder.path().join("avahi.conf");
        fs::write(&configuration, lines).unwrap();
        let start = format!(
            "mount -t tmpfs tmpfs /run && exec avahi-daemon --no-rlimits --no-drop-root --no-chroot -f {}",
            configuration.display()
        );
        let daemon = Process::start(
            host.command("unshare")
                .args(["--mount", "sh", "-c", &start])
                .env("DBUS_SYSTEM_BUS_ADDRESS", bus_address(folder.path()))
                .stdout(Stdio::null())
                .stderr(Stdio::null()),
        );
        Self {
            host: host.clone(),
            folder,
            _processes: [daemon, bus],
        }
    }

    fn start_bus(folder: &Path) -> Process {
        let bus = Process::start(
            Command::new("dbus-daemon")
                .args(["--nofork", "--nopidfile", "--config-file"])
                .arg(here("bus.conf"))
                .args(["--address", &bus_address(folder)])
                .stdout(Stdio::null())
                .stderr(Stdio::null()),
        );
        eventually("the bus is there", || folder.join("bus").exists().then_some(()));
        bus
    }

    /// The IPv4 address of a host name.
    pub(crate) fn resolve(&self, name: &str) -> Option<String> {
        let answer = self.ask("avahi-resolve", &["-4", "-n", name]);
        answer.split_whitespace().nth(1).map(str::to_owned)
    }

    /// The resolved services of a type, in avahi's parsable form: lines of `=;eth0;IPv4;NAME;TYPE;local;HOST;ADDRESS;PORT;TXT`.
    pub(crate) fn browse(&self, service_type: &str) -> String {
        let all = self.ask("avahi-browse", &["-rpt", service_type]);
        all.lines()
            .filter(|line| line.starts_with('='))
            .map(|line| format!("{line}\n"))
            .collect()
    }

    fn ask(&self, program: &str, arguments: &[&str]) -> String {
        let output = self
            .host
            .command(program)
            .args(arguments)
            .env("DBUS_SYSTEM_BUS_ADDRESS", bus_address(self.folder.path()))
            .output();
        let output =
            output.unwrap_or_else(|error| panic!("{program}: {error}; apt-get install avahi-daemon avahi-utils"));
        String::from_utf8(output.stdout).unwrap()
    }
}

fn bus_address(folder: &Path) -> String {
    format!("unix:path={}/bus", folder.display())
}

/// A Python script that tells what it hears, a line at a time.
pub(crate) struct Listener {
    _process: Process,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Listener {
    /// python-zeroconf, browsing these types.
    pub(crate) fn browse(host: &Host, types: &[&str]) -> Self {
        Self::start(host, "browse.py", types)
    }

    /// What multicast brings to the interface with this address, once it listens.
    pub(crate) fn sniff(host: &Host, address: &str) -> Self {
        let sniffer = Self::start(host, "sniff.py", &[address]);
        sniffer.line("sniffing", |line| line == "ready");
        sniffer
    }

    /// A program that has UDP port 5353 for itself.
    pub(crate) fn hog(host: &Host) -> Self {
        let hog = Self::start(host, "hog.py", &[]);
        hog.line("bound", |line| line == "ready");
        hog
    }

    fn start(host: &Host, script: &str, arguments: &[&str]) -> Self {
        let mut command = python(host, script);
        let mut child = command.args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let output = child.stdout.take().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&lines);
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                heard.lock().unwrap().push(line);
            }
        });
        Self {
            _process: Process(child),
            lines,
        }
    }

    /// Waits for a line.
    pub(crate) fn line(&self, what: &str, is_it: impl Fn(&str) -> bool) -> String {
        let find = || self.lines().into_iter().find(|line| is_it(line));
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(line) = find() {
                return line;
            }
            assert!(Instant::now() < deadline, "{what}: not among {:#?}", self.lines());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Fails the test if a line so far is one of these.
    #[track_caller]
    pub(crate) fn assert_none(&self, is_it: impl Fn(&str) -> bool) {
        let lines = self.lines();
        assert!(!lines.iter().any(|line| is_it(line)), "{lines:#?}");
    }

    /// Waits for an event of `browse` that `is_it`.
    pub(crate) fn event(&self, what: &str, is_it: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        let parse = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
        parse(&self.line(what, |line| is_it(&parse(line))))
    }

    /// Everything so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Forgets everything so far.
    pub(crate) fn forget(&self) {
        self.lines.lock().unwrap().clear();
    }
}

/// Whether a line of a sniffer is a goodbye: a record that is to live for no second.
pub(crate) fn is_goodbye(line: &str) -> bool {
    line.contains(" 0 ")
}

/// A script of this folder, run by the Python that has zeroconf.
pub(crate) fn python(host: &Host, script: &str) -> Command {
    let mut command = host.command(&client("zeroconf/bin/python"));
    command.arg(here(script));
    command
}

/// MicroPython with the module for boards; `libraries` is what else it can import from.
pub(crate) fn micropython(board: &Host, libraries: &str) -> Command {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/mdns");
    let mut command = board.command(&client("micropython/bin/micropython"));
    command.env("MICROPYPATH", format!("{}:{libraries}", module.display()));
    command
}

fn here(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mdns").join(name)
}

/// A program below `target/clients`, as `tests/clients/install` puts it there.
pub(crate) fn client(path: &str) -> String {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from);
    let program = target.join("clients").join(path);
    assert!(
        program.exists(),
        "there is no {}: run tests/clients/install",
        program.display()
    );
    program.to_str().unwrap().to_owned()
}
