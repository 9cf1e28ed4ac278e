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
    let newcomer = is_needed.then(|| Newcomer::make(&file, &base_url(&loaded.config)));
    Ok((
        loaded.with_default("auth.passwords", &[file.to_string_lossy()])?,
        newcomer.transpose()?,
    ))
}

/// The user that was made up. One whose password was not shown, because the start failed or was killed, or standard output
/// is closed, gets another from the next.
pub(super) struct Newcomer {
    secret: Unseen,
    welcome: String,
}

impl Newcomer {
    fn make(file: &Path, url: &str) -> Result<Self, CommandError> {
        let secret = Unseen::set(file, USER).map_err(in_trial)?;
        let password = &secret.password;
        let welcome = Welcome { file, url, password }.to_string();
        Ok(Self { secret, welcome })
    }

    /// Shows the password.
    pub(super) fn introduce(self) {
        let shown = show(&self.welcome).map_err(CommandError::Output);
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

/// The URL that other machines reach this one by, as far as the configuration tells. No trailing slash.
fn base_url(config: &Config) -> String {
    if let Some(url) = &config.base_url {
        return url.clone();
    }
    let plain = config.tls.as_ref().is_none_or(|tls| !tls.listen.is_empty());
    let scheme = if plain { "http" } else { "https" };
    let reaches_others = |address: &&SocketAddr| !address.ip().is_loopback();
    let mut address = *config.listen.iter().find(reaches_others).unwrap_or(&config.listen[0]);
    if address.ip().is_unspecified() {
        address.set_ip(lan_address().unwrap_or(IpAddr::from([127, 0, 0, 1])));
    }
    format!("{scheme}://{}", SocketAddr::new(address.ip(), address.port()))
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

/// Whether no other machine reaches anything by the URL.
fn leads_here(url: &str) -> bool {
    ["://127.", "://[::1]"].iter().any(|loopback| url.contains(loopback))
}

/// This program as the user called it, which may be no word that their shell finds.
fn program() -> String {
    let called = std::env::args_os().next();
    called.map_or_else(|| "micropypi".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// What a new user needs, ready to paste.
struct Welcome<'a> {
    file: &'a Path,
    url: &'a str,
    password: &'a str,
}

impl fmt::Display for Welcome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, password, .. } = self;
        let file = self.file.display();
        let program = program();
        let place = if leads_here(url) {
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
        let mut config = Config::default();
        let url = base_url(&config);
        assert!(
            url.starts_with("http://") && url.ends_with(":8089") && !url.contains("[::]"),
            "{url}"
        );
        config.listen = vec!["192.0.2.7:80".parse().unwrap()];
        assert_eq!(base_url(&config), "http://192.0.2.7:80");
        config.listen.insert(0, "127.0.0.1:80".parse().unwrap());
        assert_eq!(base_url(&config), "http://192.0.2.7:80");
        config.listen.pop();
        assert_eq!(base_url(&config), "http://127.0.0.1:80");
        config.base_url = Some("https://pkgs.example".to_owned());
        assert_eq!(base_url(&config), "https://pkgs.example");
    }
}
