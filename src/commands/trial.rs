//! The quick trial: without a configuration file and a password file, one user is made up and shown once. Used by
//! `serve` and `passwd`.

use std::fmt;
use std::fs;
use std::io::{self, Stdout, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::fstat;

use super::CommandError;
use crate::auth::passwd::{self, PasswdError, Unseen};
use crate::chain::Chain;
use crate::config::{Config, Loaded};
use crate::serve::Place;
use crate::shell::Word;

/// The user that is made up.
const USER: &str = "micropypi";

/// The trial's password file: `auth/.htpasswd` beside the packages, where pypiserver's image has it.
pub(super) fn password_file(config: &Config) -> PathBuf {
    let packages = &config.store.packages[0];
    packages.with_file_name("auth").join(".htpasswd")
}

/// The configuration with a password file. One that is there is used silently, once its user's password was shown; else it
/// is made, with one user.
pub(super) fn prepare(loaded: Loaded) -> Result<(Loaded, Option<Newcomer>), CommandError> {
    let auth = &loaded.config.auth;
    if auth.passwords.is_some() || auth.protect.is_empty() {
        return Ok((loaded, None));
    }
    let file = password_file(&loaded.config);
    let is_needed = !file.exists() || passwd::is_unseen(&file, USER);
    let newcomer = is_needed.then(|| Newcomer::make(&file, loaded.config.base_url.clone()));
    Ok((
        loaded.with_default("auth.passwords", &[file.to_string_lossy()])?,
        newcomer.transpose()?,
    ))
}

/// The user that was made up. One whose password was not shown, because the start failed or was killed, or standard output
/// is closed, gets another from the next.
pub(super) struct Newcomer {
    file: PathBuf,
    base_url: Option<String>,
    secret: Unseen,
}

impl Newcomer {
    fn make(file: &Path, base_url: Option<String>) -> Result<Self, CommandError> {
        Ok(Self {
            file: file.to_owned(),
            base_url,
            secret: Unseen::set(file, USER).map_err(in_trial)?,
        })
    }

    /// Shows the password, and what to do with it at the server that listens there.
    pub(super) fn introduce(self, places: &[Place]) {
        let welcome = Welcome {
            file: &self.file,
            server: &Reached::of(self.base_url, places),
            password: &self.secret.password,
        };
        let shown = show(&welcome.to_string()).map_err(CommandError::Output);
        if let Err(error) = shown.and_then(|()| Ok(self.secret.note_seen()?)) {
            tracing::error!("{USER} gets another password from the next start: {}", Chain(&error));
        }
    }
}

/// Writes to standard output what can be seen only once: a reader that has gone away is an error here.
fn show(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout();
    if leads_nowhere(&stdout) {
        return Err(io::Error::other("it is closed, or leads to /dev/null"));
    }
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// Rust opens /dev/null in the place of a standard output that is closed.
fn leads_nowhere(stdout: &Stdout) -> bool {
    let null = fs::metadata("/dev/null").map(|null| null.rdev());
    fstat(stdout).is_ok_and(|out| null.is_ok_and(|null| out.st_rdev == null))
}

/// Whoever lacks a right here is to go elsewhere: as root, the trial would leave files of root's.
fn in_trial(error: PasswdError) -> CommandError {
    match error {
        PasswdError::Denied { what, path, source } => CommandError::NoTrialHere { what, path, source },
        other => other.into(),
    }
}

/// How the server is reached.
struct Reached {
    /// No trailing slash.
    url: String,
    /// Whether no other machine reaches anything by the URL.
    only_here: bool,
}

impl Reached {
    /// By the configured URL, else by the first of the places that other machines reach, if there is one.
    fn of(base_url: Option<String>, places: &[Place]) -> Self {
        if let Some(url) = base_url {
            return Self { url, only_here: false };
        }
        let reaches_others = |place: &&Place| !place.address.ip().is_loopback();
        let mut place = *places.iter().find(reaches_others).unwrap_or(&places[0]);
        let mut ip = place.address.ip();
        if ip.is_unspecified() {
            ip = lan_address().unwrap_or(IpAddr::from([127, 0, 0, 1]));
        }
        // Without what else an IPv6 address of a socket has, which no URL can hold.
        place.address = SocketAddr::new(ip, place.address.port());
        Self {
            url: place.to_string(),
            only_here: ip.is_loopback(),
        }
    }
}

/// An IPv4 address of this machine, which boards and people can type: the one on the way out, else any.
fn lan_address() -> Option<IpAddr> {
    let usable = |ip: &IpAddr| ip.is_ipv4() && !ip.is_loopback() && !ip.is_unspecified();
    outgoing_address().ok().filter(usable).or_else(|| {
        let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
        interfaces.iter().map(if_addrs::Interface::ip).find(usable)
    })
}

/// Where the default route would send from. Connecting a UDP socket sends nothing; the address is TEST-NET-1 (RFC 5737).
fn outgoing_address() -> io::Result<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
    Ok(socket.local_addr()?.ip())
}

/// This program as the user called it, which may be no word that their shell finds.
fn program() -> String {
    let called = std::env::args_os().next();
    called.map_or_else(|| "micropypi".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// What a new user needs, ready to paste.
struct Welcome<'a> {
    file: &'a Path,
    server: &'a Reached,
    password: &'a str,
}

impl fmt::Display for Welcome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, password, .. } = self;
        let Reached { url, only_here } = server;
        let file = self.file.display();
        let program = Word(program());
        let place = if *only_here {
            "this machine"
        } else {
            "any machine of your network"
        };
        write!(
            f,
            "Quick trial: there is no configuration, so a user was made. The password is shown only now;
{file} keeps its hash. `{program} passwd USER`, in this folder, sets another.

Upload a package from {place}:

  twine upload --repository-url {url}/ -u {USER} -p {password} dist/*

or put this into ~/.pypirc, and then `twine upload -r {USER} dist/*`:

[distutils]
index-servers = {USER}

[{USER}]
repository = {url}/
username = {USER}
password = {password}

"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_file_is_beside_the_packages() {
        let mut config = Config::default();
        assert_eq!(password_file(&config), PathBuf::from("data/auth/.htpasswd"));
        config.store.packages = vec![PathBuf::from("/data/packages/")];
        assert_eq!(password_file(&config), PathBuf::from("/data/auth/.htpasswd"));
    }

    #[test]
    fn the_url_is_one_that_others_can_use() {
        let place = |address: &str, tls| Place {
            address: address.parse().unwrap(),
            tls,
        };
        let any = Reached::of(None, &[place("[::]:8089", false)]).url;
        assert!(
            any.starts_with("http://") && any.ends_with(":8089") && !any.contains("[::]"),
            "{any}"
        );
        let [here, lan] = [place("127.0.0.1:80", false), place("192.0.2.7:443", true)];
        for (places, url, only_here) in [
            (&[lan][..], "https://192.0.2.7:443", false),
            (&[here, lan], "https://192.0.2.7:443", false),
            (&[here], "http://127.0.0.1:80", true),
            (&[place("[::1]:80", false)], "http://[::1]:80", true),
        ] {
            let reached = Reached::of(None, places);
            assert_eq!((reached.url.as_str(), reached.only_here), (url, only_here));
        }
        let named = Reached::of(Some("https://pkgs.example".to_owned()), &[here]);
        assert_eq!((named.url.as_str(), named.only_here), ("https://pkgs.example", false));
    }
}
