//! Settings gathered from all sources, each checked alone, the highest source of each path kept. Used by `load.rs`.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnose::{Place, Problem, suggest};
use super::flags::Flags;
use super::{Config, DEFAULT_PORT, check, schema, syntax};

/// A value and where it stands.
type Setting<'i> = (Place, Spanned<DeValue<'i>>);

/// What was gathered so far: the highest value of each path, and everything that is wrong.
#[derive(Default)]
pub(super) struct Gathered<'i> {
    settings: BTreeMap<String, Setting<'i>>,
    problems: Vec<Problem>,
}

impl<'i> Gathered<'i> {
    /// Everything in the text of a file.
    pub(super) fn add_file(&mut self, text: &'i str) {
        let (table, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            self.problems
                .extend(errors.iter().map(|error| syntax::problem(error, text)));
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
                schema::nearest_path(&path).map(suggest_below),
            )
        };
        self.problems.push(Problem {
            place: Place::File(key),
            message,
            help,
        });
    }

    pub(super) fn add_problems(&mut self, problems: &[Problem]) {
        self.problems.extend_from_slice(problems);
    }

    /// What flags or variables set; `place` says which one sets a path.
    pub(super) fn add_flags(&mut self, flags: &'i Flags, place: impl Fn(String) -> Place) {
        for (path, texts) in &flags.0 {
            if schema::SETTINGS.contains_key(path) {
                self.add(path.clone(), place(path.clone()), typed(path, texts));
            } else {
                self.problems.push(Problem {
                    place: place(path.clone()),
                    message: "no such setting".to_owned(),
                    help: schema::nearest_path(path)
                        .filter(|near| !schema::is_section(near))
                        .map(suggest),
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
                message: in_plain_words(error.message()),
                help: usage(&place, &path).map(|usage| format!("for example `{usage}`{}", and_nothing(&place, &path))),
            });
        }
        self.settings.insert(path, (place, value));
    }

    /// The configuration, or everything that is wrong with it.
    pub(super) fn finish(self) -> Result<Config, Vec<Problem>> {
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        let values = self
            .settings
            .iter()
            .map(|(path, (_, value))| (path.as_str(), value.clone()));
        let config = deserialize(values).expect("each setting was checked alone");
        let blame = |(path, message): check::Contradiction| Problem {
            place: self.place_of(path),
            message,
            help: None,
        };
        let problems: Vec<_> = check::contradictions(&config).into_iter().map(blame).collect();
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }

    /// Where a setting stands; of a missing one, where its section is begun.
    fn place_of(&self, path: &str) -> Place {
        let section = path.split_once('.').map(|(section, _)| format!("{section}."));
        let sibling = |other: &&String| section.as_ref().is_some_and(|section| other.starts_with(section));
        let known = self.settings.get_key_value(path).map(|(path, _)| path);
        match known.or_else(|| self.settings.keys().find(sibling)) {
            Some(path) => self.settings[path].0.clone(),
            None => Place::Default(path.to_owned()),
        }
    }
}

/// How a user would write the setting at this place.
fn usage(place: &Place, path: &str) -> Option<String> {
    match place {
        Place::Flag(_) if path == "listen" => Some(format!("--listen '[::]:{DEFAULT_PORT}'")),
        // Others have flags of other names, and in pypiserver's command line again others.
        Place::Flag(_) => schema::usage_as_text(path),
        Place::Variable(name) => Some(format!("{name}={}", schema::usage_as_text(path)?)),
        Place::File(_) | Place::Default(_) => schema::usage(path),
    }
}

/// How rights are written when there are none, which no list of them shows.
fn and_nothing(place: &Place, path: &str) -> &'static str {
    match place {
        _ if path != "auth.protect" => "",
        Place::Flag(_) | Place::Variable(_) => "; `none` protects nothing",
        Place::File(_) | Place::Default(_) => "; `[]` protects nothing",
    }
}

/// The help for an unknown key of the file.
fn suggest_below(path: &str) -> String {
    match path.split_once('.') {
        Some((section, key)) => format!("did you mean `{key}` below `[{section}]`?"),
        None => suggest(path),
    }
}

/// serde, std and ipnet name what they want as programmers do.
fn in_plain_words(message: &str) -> String {
    const PLAIN: [(&str, &str); 9] = [
        ("expected u32", "expected a whole number"),
        ("expected u64", "expected a whole number"),
        ("expected usize", "expected a whole number"),
        ("expected a sequence", "expected a list in brackets"),
        ("expected a boolean", "expected true or false"),
        ("expected socket address", "expected an IP address and a port"),
        ("invalid socket address syntax", "this is not an IP address and a port"),
        (
            "invalid IP address syntax",
            "this is not an IP address and /BITS, which is /32 for one address of IPv4",
        ),
        ("unknown variant", "unknown value"),
    ];
    let replace = |message: String, (jargon, plain): &(&str, &str)| message.replace(jargon, plain);
    PLAIN.iter().fold(message.to_owned(), replace)
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
