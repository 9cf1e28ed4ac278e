//! The four sources laid over each other: flag, `MICROPYPI_*` environment, file, default. Called by the commands.
//!
//! Each source becomes settings by path (`store.overwrite`). A setting is checked alone first, so that every mistake of
//! every source is reported at once and at its own place; then the highest source of each path makes the `Config`.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnose::{Place, Problem, Report};
use super::{Config, check, places, schema};

/// Read when no other file is named and this one is there.
const SYSTEM_FILE: &str = "/etc/micropypi/config.toml";

/// Names the file.
const FILE_VARIABLE: &str = "MICROPYPI_CONFIG";

/// Why there is no configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Settings are wrong.
    #[error("{0}")]
    Invalid(Report),
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
    pub fn with_default(&self, path: &str, value: &str) -> Result<Self, ConfigError> {
        let mut layers = self.layers.clone();
        layers.defaults.set(path, [value]);
        layers.resolve()
    }
}

/// Settings as text, by their paths, as flags give them: `store.packages` → `["/srv/a", "/srv/b"]`.
#[derive(Debug, Clone, Default)]
pub struct Flags(pub(super) BTreeMap<String, Vec<String>>);

impl Flags {
    /// Sets the setting of this path; a list takes all the values, everything else the last.
    pub fn set<V: Into<String>>(&mut self, path: &str, values: impl IntoIterator<Item = V>) {
        self.0
            .insert(path.to_owned(), values.into_iter().map(Into::into).collect());
    }

    /// Sets the setting of this path by one text: a list is comma separated, or TOML where an entry holds a comma.
    pub fn set_text(&mut self, path: &str, text: &str) {
        if !schema::is_list(path) {
            return self.set(path, [text]);
        }
        match toml::de::ValueDeserializer::parse(text).and_then(toml::Value::deserialize) {
            Ok(toml::Value::Array(entries)) => self.set(path, entries.iter().map(plain)),
            _ => self.set(path, text.split(',').map(str::trim)),
        }
    }

    /// The fields of a struct that name their paths by `#[serde(rename)]`. `None` and empty lists set nothing.
    ///
    /// # Errors
    /// When a path is not UTF-8.
    pub fn of(fields: &impl Serialize) -> Result<Self, toml::ser::Error> {
        let mut flags = Self::default();
        for (path, value) in toml::Table::try_from(fields)? {
            match value {
                toml::Value::Array(values) if values.is_empty() => {}
                toml::Value::Array(values) => flags.set(&path, values.iter().map(plain)),
                value => flags.set(&path, [plain(&value)]),
            }
        }
        Ok(flags)
    }
}

fn plain(value: &toml::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The configuration of `serve`: flag, then environment, then file (`file`, `MICROPYPI_CONFIG`, else
/// `/etc/micropypi/config.toml` if it is there), then default. Under systemd the defaults are below the service's own
/// directories; the password file's is `htpasswd` beside the configuration file, if it is there.
///
/// # Errors
/// [`ConfigError::Read`] when the named file cannot be read; [`ConfigError::Invalid`] with everything that is wrong:
/// unknown keys and variables, illegal values, settings that contradict each other.
pub fn load(
    file: Option<&Path>,
    flags: Flags,
    env: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Loaded, ConfigError> {
    let variables: HashMap<_, _> = env.collect();
    let environment = Environment::read(variables.clone().into_iter());
    let system = || Some(PathBuf::from(SYSTEM_FILE)).filter(|path| path.exists());
    let file = file
        .map(Path::to_owned)
        .or_else(|| environment.file.clone())
        .or_else(system);
    let layers = Layers {
        defaults: places::defaults(file.as_deref(), &variables),
        source: file.map_or(Source::None, Source::File),
        environment,
        flags,
    };
    layers.resolve()
}

/// The configuration of `run`: its flags, then the environment, then `defaults`. No file is read.
///
/// # Errors
/// [`ConfigError::Invalid`] as for [`load`].
pub fn load_pypiserver(
    flags: Flags,
    env: impl Iterator<Item = (OsString, OsString)>,
    defaults: Flags,
) -> Result<Loaded, ConfigError> {
    let layers = Layers {
        source: Source::Pypiserver,
        defaults,
        environment: Environment::read(env),
        flags,
    };
    layers.resolve()
}

/// What the `MICROPYPI_*` variables say.
#[derive(Debug, Clone, Default)]
struct Environment {
    /// `MICROPYPI_CONFIG`.
    file: Option<PathBuf>,
    settings: Flags,
    /// Names that are no setting's.
    unknown: Vec<String>,
}

impl Environment {
    /// An empty variable is an unset one, as compose files leave them.
    fn read(env: impl Iterator<Item = (OsString, OsString)>) -> Self {
        let mut environment = Self::default();
        for (name, value) in env.filter(|(_, value)| !value.is_empty()) {
            let Some(name) = name.to_str().filter(|name| name.starts_with(schema::PREFIX)) else {
                continue;
            };
            if name == FILE_VARIABLE {
                environment.file = Some(PathBuf::from(value));
            } else if let Some(path) = schema::path_of_variable(name) {
                environment.settings.set_text(path, &value.to_string_lossy());
            } else if !is_service_link(name) {
                environment.unknown.push(name.to_owned());
            }
        }
        environment
    }
}

/// Kubernetes and Docker links set such variables beside every service that is called `micropypi`.
fn is_service_link(name: &str) -> bool {
    name == "MICROPYPI_PORT" || name.starts_with("MICROPYPI_PORT_") || name.starts_with("MICROPYPI_SERVICE_")
}

/// The sources, kept so that they can be laid over each other again.
#[derive(Debug, Clone)]
struct Layers {
    source: Source,
    defaults: Flags,
    environment: Environment,
    flags: Flags,
}

/// A value and where it stands.
type Setting<'i> = (Place, Spanned<DeValue<'i>>);

/// What was gathered so far: the highest value of each path, and everything that is wrong.
#[derive(Default)]
struct Gathered<'i> {
    settings: BTreeMap<String, Setting<'i>>,
    problems: Vec<Problem>,
}

impl Layers {
    fn resolve(self) -> Result<Loaded, ConfigError> {
        let file = self.read_file()?;
        let mut gathered = Gathered::default();
        gathered.add_flags(&self.defaults, Place::Default);
        if let Some((_, text)) = &file {
            gathered.add_file(text);
        }
        gathered.add_flags(&self.environment.settings, |path| {
            Place::Variable(schema::variable(&path))
        });
        gathered.add_unknown_variables(&self.environment.unknown);
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

    fn read_file(&self) -> Result<Option<(PathBuf, String)>, ConfigError> {
        let Source::File(path) = &self.source else {
            return Ok(None);
        };
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.clone(),
            source,
        })?;
        Ok(Some((path.clone(), text)))
    }
}

impl<'i> Gathered<'i> {
    fn add_file(&mut self, text: &'i str) {
        let (table, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            self.problems.extend(errors.iter().map(syntax_problem));
            return;
        }
        for (key, value) in table.into_inner() {
            let name = key.get_ref().to_string();
            let span = value.span();
            match value.into_inner() {
                DeValue::Table(entries) if schema::is_section(&name) => self.add_section(&name, entries),
                value => self.add_entry(name, key.span(), Spanned::new(span, value)),
            }
        }
    }

    fn add_section(&mut self, section: &str, entries: DeTable<'i>) {
        for (key, value) in entries {
            self.add_entry(format!("{section}.{}", key.get_ref()), key.span(), value);
        }
    }

    /// An entry of the file, with the span of its key.
    fn add_entry(&mut self, path: String, key: Range<usize>, value: Spanned<DeValue<'i>>) {
        if schema::SETTINGS.contains_key(&path) {
            let place = Place::File(value.span());
            return self.add(path, place, value);
        }
        let (message, help) = if schema::is_section(&path) {
            (
                format!("`{path}` is a section"),
                Some(format!("write `[{path}]`, and its settings below")),
            )
        } else {
            (
                format!("unknown key `{path}`"),
                schema::nearest_path(&path).map(suggest),
            )
        };
        self.problems.push(Problem {
            place: Place::File(key),
            message,
            help,
        });
    }

    fn add_unknown_variables(&mut self, names: &[String]) {
        self.problems.extend(names.iter().map(|name| Problem {
            place: Place::Variable(name.clone()),
            message: "no such setting".to_owned(),
            help: schema::nearest_variable(name).map(|nearest| suggest(&nearest)),
        }));
    }

    fn add_flags(&mut self, flags: &'i Flags, place: impl Fn(String) -> Place) {
        for (path, texts) in &flags.0 {
            if schema::SETTINGS.contains_key(path) {
                self.add(path.clone(), place(path.clone()), typed(path, texts));
            } else {
                self.problems.push(Problem {
                    place: place(path.clone()),
                    message: "no such setting".to_owned(),
                    help: schema::nearest_path(path).map(suggest),
                });
            }
        }
    }

    /// Checks one setting alone, and puts it over what lower sources say.
    fn add(&mut self, path: String, place: Place, value: Spanned<DeValue<'i>>) {
        if let Err(error) = deserialize([(path.as_str(), value.clone())]) {
            let exact = error.span().filter(|span| !span.is_empty());
            self.problems.push(Problem {
                place: match (&place, exact) {
                    (Place::File(_), Some(span)) => Place::File(span),
                    _ => place.clone(),
                },
                message: error.message().to_owned(),
                help: schema::usage(&path).map(|usage| format!("for example `{usage}`")),
            });
        }
        self.settings.insert(path, (place, value));
    }

    fn finish(self) -> Result<Config, Vec<Problem>> {
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        let values = self
            .settings
            .iter()
            .map(|(path, (_, value))| (path.as_str(), value.clone()));
        let config = deserialize(values).expect("each setting was checked alone");
        let blame = |(path, message): check::Contradiction| Problem {
            place: self
                .settings
                .get(path)
                .map_or_else(|| Place::Default(path.to_owned()), |(place, _)| place.clone()),
            message,
            help: None,
        };
        let problems: Vec<_> = check::contradictions(&config).into_iter().map(blame).collect();
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }
}

fn suggest(name: &str) -> String {
    format!("did you mean `{name}`?")
}

fn syntax_problem(error: &toml::de::Error) -> Problem {
    Problem {
        place: Place::File(error.span().unwrap_or(0..0)),
        message: error.message().to_owned(),
        help: None,
    }
}

/// Text as the setting's type has it; what does not look like that type stays text, for serde to refuse in its words.
fn typed<'i>(path: &str, texts: &'i [String]) -> Spanned<DeValue<'i>> {
    let string = |text: &'i String| Spanned::new(0..0, DeValue::String(text.as_str().into()));
    let Some(last) = texts.last().filter(|_| !schema::is_list(path)) else {
        return Spanned::new(0..0, DeValue::Array(texts.iter().map(string).collect()));
    };
    match &schema::SETTINGS[path] {
        toml::Value::Boolean(_) | toml::Value::Integer(_) => DeValue::parse(last).unwrap_or_else(|_| string(last)),
        _ => string(last),
    }
}

/// The configuration that has these settings, by path, and defaults for all others.
fn deserialize<'p, 'i: 'p>(
    settings: impl IntoIterator<Item = (&'p str, Spanned<DeValue<'i>>)>,
) -> Result<Config, toml::de::Error> {
    let mut top = DeTable::new();
    let mut sections: BTreeMap<&str, DeTable<'i>> = BTreeMap::new();
    for (path, value) in settings {
        match path.split_once('.') {
            Some((section, key)) => insert(sections.entry(section).or_default(), key, value),
            None => insert(&mut top, path, value),
        }
    }
    for (section, entries) in sections {
        insert(&mut top, section, Spanned::new(0..0, DeValue::Table(entries)));
    }
    Config::deserialize(toml::Deserializer::from(Spanned::new(0..0, top)))
}

fn insert<'i>(table: &mut DeTable<'i>, key: &str, value: Spanned<DeValue<'i>>) {
    table.insert(Spanned::new(0..0, key.to_owned().into()), value);
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENTED: &str = include_str!("../../packaging/config.toml");

    /// The file with every setting and section active.
    fn uncommented() -> String {
        let active = |line: &str| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => rest.to_owned(),
            _ => line.to_owned(),
        };
        DOCUMENTED.lines().map(|line| active(line) + "\n").collect()
    }

    fn load_text(text: &str, env: &[(&str, &str)], flags: Flags) -> Result<Loaded, ConfigError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        let env = env.iter().map(|(name, value)| (name.into(), value.into()));
        load(Some(&path), flags, env)
    }

    fn errors(text: &str, env: &[(&str, &str)]) -> String {
        load_text(text, env, Flags::default()).unwrap_err().to_string()
    }

    #[test]
    fn the_documented_file_changes_nothing() {
        let loaded = load_text(DOCUMENTED, &[], Flags::default()).unwrap();
        assert_eq!(loaded.config, Config::default());
    }

    #[test]
    fn the_documented_file_shows_every_setting_with_its_default() {
        let documented: Config = toml::from_str(&uncommented()).unwrap();
        assert_eq!(documented, schema::example(), "the values in packaging/config.toml");
        let keys = toml::Table::from_iter(toml::from_str::<toml::Table>(&uncommented()).unwrap());
        let count = |value: &toml::Value| value.as_table().map_or(1, toml::Table::len);
        assert_eq!(
            keys.values().map(count).sum::<usize>(),
            schema::SETTINGS.len(),
            "the keys in packaging/config.toml"
        );
    }

    #[test]
    fn a_setting_without_a_default_says_so() {
        let defaults = toml::Table::try_from(Config::default()).unwrap();
        let has_default = |path: &str| match path.split_once('.') {
            Some((section, key)) => defaults.get(section).is_some_and(|table| table.get(key).is_some()),
            None => defaults.contains_key(path),
        };
        let unset = schema::SETTINGS.keys().filter(|path| !has_default(path)).count();
        // The three settings of [tls] share one remark.
        assert_eq!(DOCUMENTED.matches("\n# Not set: ").count(), unset - 2);
    }

    #[test]
    fn a_flag_goes_before_the_environment_and_that_before_the_file() {
        let text = "[log]\nlevel = 'error'\n[mdns]\nname = 'file'\n[store]\ncache = '/file'";
        let env = [("MICROPYPI_MDNS_NAME", "env"), ("MICROPYPI_STORE_CACHE", "/env")];
        let mut flags = Flags::default();
        flags.set("store.cache", ["/flag"]);
        let config = load_text(text, &env, flags).unwrap().config;
        assert_eq!(config.log.level, crate::config::Level::Error);
        assert_eq!(config.mdns.name, "env");
        assert_eq!(config.store.cache, Path::new("/flag"));
    }

    #[test]
    fn the_environment_has_every_type() {
        let env = [
            ("MICROPYPI_LISTEN", "[::1]:1, 127.0.0.1:2"),
            ("MICROPYPI_STORE_PACKAGES", "['/a,b']"),
            ("MICROPYPI_STORE_OVERWRITE", "true"),
            ("MICROPYPI_LIMITS_UPLOAD_BYTES", "2 GiB"),
            ("MICROPYPI_LIMITS_CONNECTIONS", "7"),
            ("MICROPYPI_AUTH_PROTECT", "[]"),
            ("MICROPYPI_INDEX_CACHE_CONTROL", "60"),
            ("MICROPYPI_MDNS_NAME", ""),
            ("MICROPYPI_PORT_8089_TCP", "tcp://10.0.0.1:8089"),
        ];
        let config = load_text("", &env, Flags::default()).unwrap().config;
        assert_eq!(
            config.listen,
            ["[::1]:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap()]
        );
        assert_eq!(config.store.packages, [Path::new("/a,b")]);
        assert!(config.store.overwrite && config.auth.protect.is_empty());
        assert_eq!((config.limits.upload_bytes, config.limits.connections), (2 << 30, 7));
        assert_eq!(config.index.cache_control, Some(60));
        assert_eq!(config.mdns.name, "micropypi");
    }

    #[test]
    fn all_mistakes_are_told_at_once_and_in_place() {
        let text = "lisen = 1\n[store]\noverwrite = 'yes'\npackges = []\n[mdns]\nname = 'a.b'";
        let told = errors(
            text,
            &[
                ("MICROPYPI_STORE_CASHE", "/x"),
                ("MICROPYPI_LIMITS_CONNECTIONS", "many"),
            ],
        );
        for expected in [
            "6 settings are wrong",
            "config.toml:1:1: unknown key `lisen`",
            "  | ^^^^^ did you mean `listen`?",
            "config.toml:3:13: invalid type: string \"yes\", expected a boolean",
            "^^^^^ for example `overwrite = false`",
            "config.toml:4:1: unknown key `store.packges`",
            "config.toml:6:8: `a.b` is not a host name",
            "MICROPYPI_STORE_CASHE in the environment: no such setting\n  = did you mean `MICROPYPI_STORE_CACHE`?",
            "MICROPYPI_LIMITS_CONNECTIONS in the environment: invalid type: string \"many\"",
        ] {
            assert!(told.contains(expected), "{expected:?} is not in\n{told}");
        }
    }

    #[test]
    fn the_wrong_entry_of_a_list_is_pointed_at() {
        let told = errors("listen = [\n  '[::]:8089',\n  'here',\n]", &[]);
        assert!(
            told.contains("config.toml:3:3: invalid socket address syntax"),
            "{told}"
        );
    }

    #[test]
    fn contradictions_point_at_the_setting_that_made_them() {
        let told = errors("listen = ['[::]:1', '[::]:1']", &[]);
        assert!(told.contains("config.toml:1:10: [::]:1 is there twice"), "{told}");
        let told = errors("", &[("MICROPYPI_STORE_CACHE", "data/packages")]);
        assert!(
            told.contains("MICROPYPI_STORE_CACHE in the environment: data/packages holds packages"),
            "{told}"
        );
    }

    #[test]
    fn broken_toml_has_a_caret() {
        let told = errors("[store\noverwrite = true", &[]);
        assert!(told.contains("config.toml:1:7: ") && told.contains('^'), "{told}");
    }

    #[test]
    fn a_section_is_not_a_setting() {
        let told = errors("store = true", &[]);
        assert!(
            told.contains("`store` is a section") && told.contains("write `[store]`"),
            "{told}"
        );
    }

    #[test]
    fn a_reload_keeps_flags_and_reads_the_file_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.toml");
        std::fs::write(&path, "[mdns]\nname = 'one'").unwrap();
        let mut flags = Flags::default();
        flags.set("store.cache", ["/flag"]);
        let loaded = load(Some(&path), flags, std::iter::empty()).unwrap();
        std::fs::write(&path, "[mdns]\nname = 'two'\n[store]\ncache = '/file'").unwrap();
        let config = loaded.reload().unwrap().config;
        assert_eq!(
            (config.mdns.name.as_str(), config.store.cache.as_path()),
            ("two", Path::new("/flag"))
        );
    }

    #[test]
    fn a_named_file_must_be_there() {
        let error = load(Some(Path::new("/nowhere/c.toml")), Flags::default(), std::iter::empty()).unwrap_err();
        assert_eq!(error.to_string(), "cannot read the configuration file /nowhere/c.toml");
    }
}
