//! The four sources laid over each other: flag, `MICROPYPI_*` environment, file, default. Called by the commands.
//!
//! Each source becomes settings by path (`store.overwrite`). A setting is checked alone first, so that every mistake of
//! every source is reported at once and at its own place; then the highest source of each path makes the `Config`.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use super::diagnose::{Place, Report};
use super::environment::Environment;
use super::flags::Flags;
use super::gather::Gathered;
use super::{Config, places, schema};

/// Read when no other file is named and this one is there.
const SYSTEM_FILE: &str = "/etc/micropypi/config.toml";

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is in another encoding.
    #[error("the configuration file {path} is not UTF-8 in line {line}: save it as UTF-8")]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// The first line that is not, from 1.
        line: usize,
    },
    /// Settings are wrong.
    #[error("{0}")]
    Invalid(Report),
}

impl ConfigError {
    /// With its cause, and without the text of the file: for the log.
    pub fn in_one_line(&self) -> String {
        match self {
            Self::Read { source, .. } => format!("{self}: {source}"),
            Self::NotUtf8 { .. } => self.to_string(),
            Self::Invalid(report) => report.in_one_line(),
        }
    }

    /// Whether it stays wrong until somebody mends it. A file that is not there may come with its disk.
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::Read { source, .. } => source.kind() != io::ErrorKind::NotFound,
            Self::NotUtf8 { .. } | Self::Invalid(_) => true,
        }
    }
}

/// Where the configuration comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// No file at all: the quick trial.
    None,
    /// pypiserver's command line: `micropypi run`.
    Pypiserver,
}

/// A configuration with its source.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What is set.
    pub config: Config,
    /// Where it comes from.
    pub source: Source,
    layers: Layers,
}

impl Loaded {
    /// Reads the file again; environment, flags and defaults are those of the start.
    ///
    /// # Errors
    /// As [`load`].
    pub fn reload(&self) -> Result<Self, ConfigError> {
        self.layers.clone().resolve()
    }

    /// The same with another default for one setting, which a reload keeps.
    ///
    /// # Errors
    /// As [`load`]; `path` is a setting's, such as `auth.passwords`.
    pub fn with_default(&self, path: &str, values: &[impl AsRef<str>]) -> Result<Self, ConfigError> {
        let mut layers = self.layers.clone();
        layers.defaults.set(path, values.iter().map(AsRef::as_ref));
        layers.resolve()
    }
}

/// The configuration of `serve`: flag, then environment, then file (`file`, `MICROPYPI_CONFIG`, else
/// `/etc/micropypi/config.toml` if it is there), then default. Under systemd the defaults are below the service's own
/// directories; the password file's is `htpasswd` beside the configuration file, if it is there.
///
/// # Errors
/// [`ConfigError::Read`] when the named file cannot be read, [`ConfigError::NotUtf8`]; [`ConfigError::Invalid`] with
/// everything that is wrong: unknown keys and variables, illegal values, settings that contradict each other.
pub fn load(
    file: Option<&Path>,
    flags: Flags,
    env: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Loaded, ConfigError> {
    let environment = Environment::read(env);
    let system = || Some(PathBuf::from(SYSTEM_FILE)).filter(|path| path.exists());
    let file = file
        .map(Path::to_owned)
        .or_else(|| environment.file.clone())
        .or_else(system);
    let layers = Layers {
        source: file.map_or(Source::None, Source::File),
        defaults: Flags::default(),
        environment,
        flags,
    };
    layers.resolve()
}

/// The configuration of `run`: its flags, then the environment, then `defaults`, and the cache that goes with the first
/// packages directory. No file is read.
///
/// # Errors
/// [`ConfigError::Invalid`] as for [`load`].
pub fn load_pypiserver(
    flags: Flags,
    env: impl Iterator<Item = (OsString, OsString)>,
    mut defaults: Flags,
    cache_of: impl Fn(&Path) -> Option<PathBuf>,
) -> Result<Loaded, ConfigError> {
    let environment = Environment::read(env);
    let sources = [&flags, &environment.settings, &defaults];
    let packages = sources
        .iter()
        .find_map(|source| source.0.get("store.packages")?.first());
    if let Some(cache) = packages.and_then(|packages| cache_of(packages.as_ref())) {
        defaults.set("store.cache", [cache.to_string_lossy()]);
    }
    let layers = Layers {
        source: Source::Pypiserver,
        defaults,
        environment,
        flags,
    };
    layers.resolve()
}

/// The sources, kept so that they can be laid over each other again.
#[derive(Debug, Clone)]
struct Layers {
    source: Source,
    defaults: Flags,
    environment: Environment,
    flags: Flags,
}

impl Layers {
    fn resolve(self) -> Result<Loaded, ConfigError> {
        let file = self.read_file()?;
        let mut gathered = Gathered::default();
        let places = self.places();
        gathered.add_flags(&places, Place::Default);
        gathered.add_flags(&self.defaults, Place::Default);
        if let Some((_, text)) = &file {
            gathered.add_file(text);
        }
        gathered.add_flags(&self.environment.settings, |path| {
            Place::Variable(schema::variable(&path))
        });
        gathered.add_problems(&self.environment.problems);
        gathered.add_flags(&self.flags, Place::Flag);
        match gathered.finish() {
            Ok(config) => Ok(Loaded {
                config,
                source: self.source.clone(),
                layers: self,
            }),
            Err(problems) => Err(ConfigError::Invalid(Report::new(file, problems))),
        }
    }

    /// Looked up again at each reload: a password file may have been made meanwhile.
    fn places(&self) -> Flags {
        match &self.source {
            Source::File(path) => places::defaults(Some(path), &self.environment.directories),
            Source::None => places::defaults(None, &self.environment.directories),
            Source::Pypiserver => Flags::default(),
        }
    }

    fn read_file(&self) -> Result<Option<(PathBuf, String)>, ConfigError> {
        let Source::File(path) = &self.source else {
            return Ok(None);
        };
        let bytes = std::fs::read(path).map_err(|source| ConfigError::Read {
            path: path.clone(),
            source,
        })?;
        let text = String::from_utf8(bytes).map_err(|error| ConfigError::NotUtf8 {
            path: path.clone(),
            line: line_of(error.as_bytes(), error.utf8_error().valid_up_to()),
        })?;
        Ok(Some((path.clone(), text)))
    }
}

/// The line, from 1, of the byte at `offset`.
fn line_of(text: &[u8], offset: usize) -> usize {
    text[..offset].iter().filter(|&&byte| byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests;
