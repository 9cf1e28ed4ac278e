//! Which settings there are, read off the types: their paths (`store.overwrite`), an example of each, the name of each in
//! the environment, and the nearest known name of an unknown one. Used by all that read
//! settings as text.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::LazyLock;

use strsim::damerau_levenshtein;
use toml::Value;

use super::{AuthConfig, BoardsConfig, Config, DEFAULT_PORT, IndexConfig, LogConfig, TlsConfig};

/// The prefix of every variable that is read.
pub(super) const PREFIX: &str = "MICROPYPI_";

/// Every setting by its path, with an example of a legal value: the default where there is one.
pub(super) static SETTINGS: LazyLock<BTreeMap<String, Value>> = LazyLock::new(settings);

fn settings() -> BTreeMap<String, Value> {
    let table = toml::Table::try_from(example()).expect("every field is a TOML type");
    let mut settings = BTreeMap::new();
    for (name, value) in table {
        match value {
            Value::Table(section) => {
                settings.extend(section.into_iter().map(|(key, value)| (format!("{name}.{key}"), value)));
            }
            value => {
                settings.insert(name, value);
            }
        }
    }
    settings
}

/// The defaults, with an example for each setting that has none: the shape of the whole.
pub(super) fn example() -> Config {
    Config {
        base_url: Some("https://packages.example.org/pypi".to_owned()),
        welcome: Some(PathBuf::from("/etc/micropypi/welcome.html")),
        health_endpoint: Some("/healthz".to_owned()),
        auth: AuthConfig {
            passwords: Some(PathBuf::from("/etc/micropypi/htpasswd")),
            ..AuthConfig::default()
        },
        index: IndexConfig {
            fallback_url: Some("https://index.example.org/simple".to_owned()),
            cache_control: Some(86_400),
            ..IndexConfig::default()
        },
        boards: BoardsConfig {
            mpy_cross: Some(PathBuf::from("/usr/bin/mpy-cross")),
            ..BoardsConfig::default()
        },
        tls: Some(TlsConfig {
            certificate: PathBuf::from("/etc/micropypi/tls/fullchain.pem"),
            key: PathBuf::from("/etc/micropypi/tls/key.pem"),
            listen: Vec::new(),
        }),
        log: LogConfig {
            file: Some(PathBuf::from("/var/log/micropypi/micropypi.log")),
            ..LogConfig::default()
        },
        ..Config::default()
    }
}

/// How a user would write the setting in the file: `overwrite = false`.
pub(super) fn usage(path: &str) -> Option<String> {
    let key = path.rsplit('.').next().unwrap_or(path);
    Some(format!("{key} = {}", legal_value(path)?))
}

/// How a user would write the setting's value as text, in the environment or in a flag: `false`.
pub(super) fn usage_as_text(path: &str) -> Option<String> {
    let words = match legal_value(path)? {
        Value::Array(entries) => entries.iter().map(plain).collect(),
        value => vec![plain(&value)],
    };
    Some(words.join(","))
}

/// An example of a legal value. Lists that are empty by default show an entry.
fn legal_value(path: &str) -> Option<Value> {
    let entry = match path {
        "trusted_proxies" => Some("10.0.0.0/8".to_owned()),
        "tls.listen" => Some(format!("[::]:{}", DEFAULT_PORT + 1)),
        "boards.include" | "boards.exclude" => Some("*/examples/*".to_owned()),
        "mdns.interfaces" => Some("eth0".to_owned()),
        _ => None,
    };
    match entry {
        Some(entry) => Some(Value::Array(vec![Value::String(entry)])),
        None => SETTINGS.get(path).cloned(),
    }
}

/// A value as text: no quotes around a string.
pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Whether `name` is a section: `store`.
pub(super) fn is_section(name: &str) -> bool {
    SETTINGS
        .keys()
        .any(|path| path.split_once('.').is_some_and(|(section, _)| section == name))
}

/// `store.overwrite` → `MICROPYPI_STORE_OVERWRITE`.
pub(super) fn variable(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', "_").to_ascii_uppercase())
}

/// `MICROPYPI_STORE_OVERWRITE` → `store.overwrite`.
pub(super) fn path_of_variable(name: &str) -> Option<&'static str> {
    SETTINGS.keys().map(String::as_str).find(|path| variable(path) == name)
}

/// Whether the setting of this path takes several values.
pub(super) fn is_list(path: &str) -> bool {
    SETTINGS.get(path).is_some_and(Value::is_array)
}

/// What other servers call `listen`.
const LISTEN: [&str; 4] = ["port", "bind", "host", "interface"];

/// The setting or section that an unknown path most likely means: a typo, a word cut short, the wrong section,
/// or what it is called elsewhere.
pub(super) fn nearest_path(unknown: &str) -> Option<&'static str> {
    if LISTEN.contains(&unknown) {
        return Some("listen");
    }
    let key = |path: &'static str| path.rsplit('.').next().unwrap_or(path);
    let unknown_key = unknown.rsplit('.').next().unwrap_or(unknown);
    let sections = SETTINGS
        .keys()
        .filter_map(|path| path.split_once('.'))
        .map(|(section, _)| section);
    let paths = SETTINGS.keys().map(String::as_str).chain(sections);
    let is_cut_short = |path| unknown_key.len() >= 3 && key(path).starts_with(unknown_key);
    let in_key = |path| {
        if is_cut_short(path) {
            1
        } else {
            damerau_levenshtein(unknown_key, key(path))
        }
    };
    let distance = |path| damerau_levenshtein(unknown, path).min(in_key(path) + 1);
    near_enough(paths.map(|path| (distance(path), path)), unknown_key.len())
}

/// The variable that an unknown one most likely means.
pub(super) fn nearest_variable(unknown: &str) -> Option<String> {
    let distances = SETTINGS.keys().map(|path| variable(path));
    let typo = near_enough(
        distances.map(|name| (damerau_levenshtein(unknown, &name), name)),
        unknown.len() - PREFIX.len(),
    );
    let key = unknown[PREFIX.len()..].to_ascii_lowercase();
    let without_section = || nearest_path(&key).filter(|path| !is_section(path)).map(variable);
    typo.or_else(without_section)
}

/// The candidate with the least distance, unless that is more than a third of the word.
fn near_enough<T: Ord>(candidates: impl Iterator<Item = (usize, T)>, length: usize) -> Option<T> {
    let (distance, nearest) = candidates.min()?;
    (distance <= (length / 3).max(2)).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_has_an_example() {
        let shape = serde_json::to_string(&example()).unwrap();
        assert!(
            !shape.contains("null"),
            "an option without an example is unknown to the environment: {shape}"
        );
    }

    #[test]
    fn variables_are_unambiguous() {
        let names: std::collections::BTreeSet<_> = SETTINGS.keys().map(|path| variable(path)).collect();
        assert_eq!(names.len(), SETTINGS.len());
    }

    #[test]
    fn slips_and_wrong_sections_are_understood() {
        assert_eq!(nearest_path("lisen"), Some("listen"));
        assert_eq!(nearest_path("store.overwite"), Some("store.overwrite"));
        assert_eq!(nearest_path("packages"), Some("store.packages"));
        assert_eq!(nearest_path("sotre"), Some("store"));
        assert_eq!(nearest_path("colour"), None);
        for listen in ["port", "bind", "host", "interface"] {
            assert_eq!(nearest_path(listen), Some("listen"));
        }
        assert_eq!(nearest_path("mdns.interface"), Some("mdns.interfaces"));
        assert_eq!(nearest_path("tls.cert"), Some("tls.certificate"));
        assert_eq!(nearest_path("auth.pass"), Some("auth.passwords"));
        assert_eq!(nearest_path("fallback"), Some("index.fallback_url"));
        assert_eq!(
            nearest_variable("MICROPYPI_STORE_OVERWRIT").as_deref(),
            Some("MICROPYPI_STORE_OVERWRITE")
        );
        assert_eq!(
            nearest_variable("MICROPYPI_OVERWRITE").as_deref(),
            Some("MICROPYPI_STORE_OVERWRITE")
        );
        assert_eq!(nearest_variable("MICROPYPI_HOST").as_deref(), Some("MICROPYPI_LISTEN"));
        assert_eq!(nearest_variable("MICROPYPI_STORE"), None);
    }
}
