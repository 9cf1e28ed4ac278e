//! The composition root: configuration → store, catalog, listeners, router, mDNS → readiness → wait → drain → goodbye.
//! Called by the commands `serve` and `run`; `check-config` tries the welcome page and the compiler.

mod announce;
mod assemble;
mod listen;
mod scan;
mod workers;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::{self, Handle};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle, spawn_blocking};
use tokio_util::sync::CancellationToken;

use crate::auth::{Action, AuthError};
use crate::board::PatternError;
use crate::chain::Chain;
use crate::config::{Config, ConfigError, Loaded};
use crate::http::{Connections, serve_connections};
use crate::index::{Index, Rescan, follow, keep, prepare};
use crate::mdns::Announcer;
use crate::store::{CacheError, StoreError};
use crate::systemd::{self, SystemdError};
use crate::telemetry::{self, TelemetryError};
use crate::tls::TlsError;
use announce::announce;
use assemble::Assembly;
pub(crate) use assemble::{compiler, welcome};
pub use listen::Place;
use workers::Workers;

/// How often systemd and the LAN learn of new numbers of projects.
const STATUS_INTERVAL: Duration = Duration::from_secs(2);

/// How long a thread waits for work. Every second there is some, which the idle ones do in turn: waiting longer, none of many
/// would ever end.
const KEEP_ALIVE: Duration = Duration::from_secs(2);

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum ServeError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    #[error(transparent)]
    Systemd(#[from] SystemdError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Cache(#[from] CacheError),
    #[error(transparent)]
    Auth(#[from] AuthError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("cannot listen on {address}{hint}")]
    Listen {
        address: SocketAddr,
        hint: &'static str,
        source: io::Error,
    },
    #[error("cannot read the page {path} (`welcome` in the configuration)")]
    Welcome { path: PathBuf, source: io::Error },
    #[error("cannot use mpy-cross at {path} ([boards] mpy_cross)")]
    Compiler { path: PathBuf, source: io::Error },
    #[error("[boards] include, exclude")]
    Patterns(#[from] PatternError),
    #[error("the runtime cannot be started")]
    Runtime(#[source] io::Error),
    #[error("a part of the start failed")]
    Worker(#[from] JoinError),
}

/// Serves until SIGTERM or SIGINT. `notes` are written to the log first; `greet` is called right before the first
/// answer, when nothing can keep the server from starting any more, with where it listens. Blocks.
///
/// # Errors
/// When the server cannot start.
pub fn run(loaded: Loaded, notes: Vec<String>, greet: impl FnOnce(&[Place])) -> Result<(), ServeError> {
    // Before there are threads: it takes variables out of the environment.
    let passed = systemd::listeners()?;
    let log = &loaded.config.log;
    let log = telemetry::init(log.level, log.file.as_deref())?;
    for note in notes {
        tracing::warn!("{note}");
    }
    allow_many_open_files();
    // This one starts, follows, announces and ends; the workers answer.
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .thread_keep_alive(KEEP_ALIVE)
        .build()
        .map_err(ServeError::Runtime)?;
    let workers = Workers::start().map_err(ServeError::Runtime)?;
    let outcome = runtime.block_on(async {
        let mut signals = Signals::new().map_err(ServeError::Runtime)?;
        let server = tokio::select! {
            server = Server::start(loaded, passed, log, workers.handles(), greet) => server?,
            // The first look at a large folder may take minutes; nobody has to wait for its end.
            () = signals.end() => return Ok(()),
        };
        server.until(signals).await;
        Ok(())
    });
    // What threads still do for boards is derived, and done again.
    runtime.shutdown_background();
    outcome
}

/// Each connection takes a file, and each download another; the usual soft limit of 1,024 is for programs that still
/// call select(2). Where it cannot be raised, further connections wait.
fn allow_many_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).ok();
}

/// The signals that end or reload the server.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for a signal, and tells whether it is the one to reload; the others are to end.
    async fn ask_for_reload(&mut self) -> bool {
        tokio::select! {
            _ = self.hangup.recv() => true,
            _ = self.terminate.recv() => false,
            _ = self.interrupt.recv() => false,
        }
    }

    /// Waits for a signal to end.
    async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// A server that answers.
struct Server {
    /// What it was started with, of which some holds until its end.
    started: Config,
    loaded: Loaded,
    log: telemetry::Guard,
    assembly: Assembly,
    connections: Connections,
    announcer: Option<Announcer>,
    addresses: String,
    rescan: mpsc::Sender<Rescan>,
    stop: CancellationToken,
    background: Vec<JoinHandle<()>>,
    serving: JoinHandle<()>,
}

impl Server {
    async fn start(
        loaded: Loaded,
        passed: Vec<std::net::TcpListener>,
        log: telemetry::Guard,
        workers: Vec<Handle>,
        greet: impl FnOnce(&[Place]),
    ) -> Result<Self, ServeError> {
        let (config, source) = (loaded.config.clone(), loaded.source.clone());
        // Sockets first: clients wait in their queue while the index is read, and a port that is taken is told at once.
        let bound = listen::bind(&config, passed)?;
        let assembled = spawn_blocking(move || {
            let assembly = Assembly::new(&config, &source)?;
            Ok::<_, ServeError>((assembly.service(&config)?, assembly, config))
        });
        let (service, assembly, config) = assembled.await??;
        let index = &assembly.index;
        let watcher = scan::first(Arc::clone(index), config.store.watch).await?;
        let places: Vec<_> = bound.iter().map(|bound| bound.place).collect();
        let addresses = listen::describe(&places);
        let announcer = announce(&config, &places, &assembly);
        let stop = CancellationToken::new();
        let limits = assemble::connection_limits(&config.limits);
        let connections = Connections::new(service, limits, stop.clone());
        greet(&places);
        let listeners = listen::listeners(bound, &assembly);
        let serving = serve_connections(&listeners, connections.clone(), &workers).map_err(ServeError::Runtime)?;
        let serving = tokio::spawn(serving);
        let (rescan, rescans) = mpsc::channel(1);
        let watched = Arc::clone(index);
        let background = vec![
            tokio::spawn(follow(Arc::clone(index), watcher, rescans)),
            tokio::spawn(keep(Arc::clone(index))),
            tokio::spawn(prepare(Arc::clone(index))),
            tokio::spawn(report(Arc::clone(index), announcer.clone(), addresses.clone())),
            tokio::spawn(systemd::watchdog(move || alive(Arc::clone(&watched), workers.clone()))),
        ];
        let status = status(index, &addresses);
        tracing::info!("{status}");
        systemd::ready(&status);
        Ok(Self {
            started: config,
            loaded,
            log,
            assembly,
            connections,
            announcer,
            addresses,
            rescan,
            stop,
            background,
            serving,
        })
    }

    async fn until(mut self, mut signals: Signals) {
        while signals.ask_for_reload().await {
            tokio::select! {
                () = self.reload() => {}
                // The look at a large folder may take minutes here, too.
                () = signals.end() => break,
            }
        }
        self.end(signals).await;
    }

    /// Reads again what can change while serving. What cannot be read leaves the old in force.
    async fn reload(&mut self) {
        systemd::reloading();
        if let Err(error) = self.log.reopen() {
            tracing::error!("{}", Chain(&error));
        }
        match self.loaded.reload() {
            Ok(loaded) => self.adopt(loaded).await,
            Err(error) => tracing::error!("the configuration is not reloaded: {}", error.in_one_line()),
        }
        scan::again(&self.rescan).await;
        systemd::ready(&status(&self.assembly.index, &self.addresses));
    }

    async fn adopt(&mut self, loaded: Loaded) {
        for setting in needs_restart(&self.started, &loaded.config) {
            tracing::warn!("{setting} has changed; restart the server for it to take effect");
        }
        self.log.set_level(loaded.config.log.level);
        let (assembly, config, source) = (self.assembly.clone(), loaded.config.clone(), loaded.source.clone());
        let reread = spawn_blocking(move || {
            let assembly = assembly.reread(&config, &source)?;
            Ok::<_, ServeError>((assembly.service(&config)?, assembly))
        });
        match reread.await.map_err(ServeError::from).flatten() {
            Ok((service, assembly)) => {
                self.connections.replace(service);
                if let Some(announcer) = &self.announcer {
                    announcer.update_uploads(assembly.auth.asks_for_password(Action::Upload));
                }
                self.assembly = assembly;
                self.loaded = loaded;
                tracing::info!("reloaded");
            }
            Err(error) => tracing::error!("not reloaded: {}", Chain(&error)),
        }
    }

    /// Lets requests end, unless a second signal says that nobody wants to wait.
    async fn end(self, mut signals: Signals) {
        systemd::stopping();
        tracing::info!("stopping");
        for task in self.background {
            task.abort();
        }
        let goodbye = self.announcer.map(|announcer| spawn_blocking(move || announcer.stop()));
        self.stop.cancel();
        tokio::select! {
            _ = self.serving => {}
            () = signals.end() => tracing::warn!("a second signal: open requests are cut off"),
        }
        if let Some(goodbye) = goodbye {
            goodbye.await.ok();
        }
        let index = self.assembly.index;
        spawn_blocking(move || index.flush()).await.ok();
    }
}

/// Keeps systemd and the LAN informed about the size of the index.
async fn report(index: Arc<Index>, announcer: Option<Announcer>, addresses: String) {
    let mut told = status(&index, &addresses);
    let mut ticks = tokio::time::interval(STATUS_INTERVAL);
    loop {
        ticks.tick().await;
        let now = status(&index, &addresses);
        if now == told {
            continue;
        }
        systemd::status(&now);
        if let Some(announcer) = &announcer {
            announcer.update_projects(index.catalog().project_count());
        }
        told = now;
    }
}

/// Whether every worker answers, and has a thread to spare that the packages directories answer to.
async fn alive(index: Arc<Index>, workers: Vec<Handle>) -> bool {
    for worker in workers {
        let index = Arc::clone(&index);
        let asked = worker.spawn(async { spawn_blocking(move || index.store().answers()).await });
        if !matches!(asked.await, Ok(Ok(true))) {
            return false;
        }
    }
    true
}

fn status(index: &Index, addresses: &str) -> String {
    format!("Serving {} on {addresses}", index.catalog().counted())
}

/// The settings that differ and take effect at the next start only.
fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let limits = |Config { limits, .. }: &Config| {
        let archives = assemble::archive_limits(limits);
        (limits.header_seconds, limits.connections, archives)
    };
    let changed = [
        ("listen", old.listen != new.listen),
        ("[store]", old.store != new.store),
        ("[index] latest", old.index.latest != new.index.latest),
        (
            "[limits] header_seconds, connections and those of archives",
            limits(old) != limits(new),
        ),
        ("[boards]", old.boards != new.boards),
        ("[mdns]", old.mdns != new.mdns),
        ("[tls]", old.tls != new.tls),
        ("[log] file", old.log.file != new.log.file),
    ];
    changed
        .into_iter()
        .filter_map(|(name, differs)| differs.then_some(name))
        .collect()
}
