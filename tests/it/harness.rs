//! A server under test: its directory, its configuration, its process, its log. Called by every test.

mod server;
mod site;

use std::fs;
use std::iter;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::geteuid;

pub(crate) use server::Server;
pub(crate) use site::Site;

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
