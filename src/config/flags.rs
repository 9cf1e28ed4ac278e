//! Settings as text, by their paths: what flags and variables give. Made by the commands, `environment.rs`, `places.rs` and
//! `load.rs`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::schema::{self, plain};

/// Settings as text, by their paths, as flags give them: `store.packages` → `["/srv/a", "/srv/b"]`.
#[derive(Debug, Clone, Default)]
pub struct Flags(pub(super) BTreeMap<String, Vec<String>>);

impl Flags {
    /// Sets the setting of this path; a list takes all the values, everything else the last. An empty text is a value,
    /// and a wrong one for most: `protect` must not come to nothing because a shell's variable is empty.
    pub fn set<V: Into<String>>(&mut self, path: &str, values: impl IntoIterator<Item = V>) {
        let values = values.into_iter().map(Into::into).collect();
        self.0.insert(path.to_owned(), values);
    }

    /// Sets the setting of this path by one text: a list is comma separated, or TOML where an entry holds a comma.
    pub fn set_text(&mut self, path: &str, text: &str) {
        if !schema::is_list(path) {
            return self.set(path, [text]);
        }
        match toml::de::ValueDeserializer::parse(text).and_then(toml::Value::deserialize) {
            Ok(toml::Value::Array(entries)) => self.set(path, entries.iter().map(plain)),
            _ => self.set_words(path, text.split(',').map(|word| word.trim().to_owned()).collect()),
        }
    }

    /// Sets a list as people write it: `none` in place of rights is no right at all, which has no other words.
    fn set_words(&mut self, path: &str, words: Vec<String>) {
        if path == "auth.protect" && words == ["none"] {
            return self.set(path, [""; 0]);
        }
        self.set(path, words);
    }

    /// The fields of a struct that name their paths by `#[serde(rename)]`. `None` and empty lists set nothing.
    ///
    /// # Panics
    /// When a field is something else than text or a list of texts.
    pub fn of(fields: &impl Serialize) -> Self {
        let mut flags = Self::default();
        for (path, value) in toml::Table::try_from(fields).expect("flags are texts and lists of texts") {
            match value {
                toml::Value::Array(values) if values.is_empty() => {}
                toml::Value::Array(values) => flags.set_words(&path, values.iter().map(plain).collect()),
                value => flags.set(&path, [plain(&value)]),
            }
        }
        flags
    }
}
