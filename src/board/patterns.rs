//! Include and exclude patterns: from `[boards]` of the configuration and `[tool.micropypi]` of a project.
//! Called by the view and the layouts; made by `serve/` and `index/`, and tried by `config/`.

use std::collections::BTreeSet;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use toml::{Table, Value};

use super::declared::{strings, table};

/// Most bytes of a list of patterns: projects write their own, and each byte is a state to be in at each byte of a path.
const MAX_BYTES: usize = 4096;

/// Most opening braces of a pattern: globset goes as deep as they are nested.
const MAX_BRACES: usize = 32;

/// What `[tool.micropypi]` may hold: lists of patterns.
const KEYS: [&str; 2] = ["include", "exclude"];

/// Glob patterns that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PatternError {
    /// One is malformed.
    #[error("the pattern {pattern:?} cannot be read")]
    Syntax {
        /// The pattern, as it is written.
        pattern: String,
        /// What is wrong with it.
        source: globset::Error,
    },
    /// One has so many braces that they may be nested without end.
    #[error("a pattern has more than {MAX_BRACES} braces")]
    Braces,
    /// There are too many of them.
    #[error("the patterns are longer than {MAX_BYTES} bytes together")]
    Length,
}

/// Which members a board gets beyond, or short of, what the package installs.
///
/// Patterns match a file's path on the board and read as lines of a `.gitignore`: without a slash they match at any
/// depth, with one they start at the root, a directory's name stands for all that is in it, and `!` takes back what an
/// earlier pattern of the list matches. Exclusion wins.
#[derive(Debug, Clone, Default)]
pub struct Patterns {
    general: Lists,
    own: Lists,
    /// The texts of `own.include`.
    own_includes: Vec<String>,
    /// What the project wrote that has no effect.
    mistakes: Vec<String>,
}

#[derive(Debug, Clone, Default)]
struct Lists {
    include: Globs,
    exclude: Globs,
}

impl Patterns {
    /// From `[boards] include` and `exclude`.
    ///
    /// # Errors
    /// [`PatternError`], when they cannot be used.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self, PatternError> {
        Ok(Self {
            general: Lists::new(include, exclude)?,
            ..Self::default()
        })
    }

    /// These patterns and those of `[tool.micropypi]` in a project's `pyproject.toml`, where it has such a table.
    ///
    /// # Errors
    /// [`PatternError`], when the project's cannot be used.
    pub fn with_project(&self, pyproject: &Table) -> Result<Self, PatternError> {
        let Some(own) = table(pyproject, &["tool", "micropypi"]) else {
            return Ok(self.clone());
        };
        let [include, exclude] = KEYS.map(|key| strings(own, key));
        Ok(Self {
            general: self.general.clone(),
            own: Lists::new(&include, &exclude)?,
            own_includes: include,
            mistakes: mistakes(own),
        })
    }

    /// What the project wrote in its table that has no effect, in words for the uploader.
    pub(super) fn mistakes(&self) -> &[String] {
        &self.mistakes
    }

    pub(super) fn includes(&self, path: &str) -> bool {
        self.general.include.matches(path) || self.own.include.matches(path)
    }

    pub(super) fn excludes(&self, path: &str) -> bool {
        self.general.exclude.matches(path) || self.own.exclude.matches(path)
    }

    /// The project's own include patterns that match none of the paths.
    pub(super) fn idle<'a>(&self, paths: impl Iterator<Item = &'a str>) -> impl Iterator<Item = &str> {
        let busy: BTreeSet<usize> = paths.flat_map(|path| self.own.include.matching(path)).collect();
        let patterns = self.own_includes.iter().enumerate();
        patterns
            .filter(move |(at, _)| !busy.contains(at))
            .map(|(_, pattern)| &**pattern)
    }
}

fn mistakes(own: &Table) -> Vec<String> {
    let is_pattern_list = |value: &Value| value.as_array().is_some_and(|list| list.iter().all(Value::is_str));
    let mistake = |(key, value): (&String, &Value)| match KEYS.contains(&key.as_str()) {
        true if is_pattern_list(value) => None,
        true => Some(format!(
            "{key} in [tool.micropypi] is no list of patterns, such as {key} = [\"*.bin\"]"
        )),
        false => Some(format!(
            "{key} in [tool.micropypi] does not count: the keys are {}",
            KEYS.join(" and ")
        )),
    };
    own.iter().filter_map(mistake).collect()
}

impl Lists {
    fn new(include: &[String], exclude: &[String]) -> Result<Self, PatternError> {
        Ok(Self {
            include: Globs::new(include)?,
            exclude: Globs::new(exclude)?,
        })
    }
}

/// A list of patterns; an empty one matches nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct Globs {
    set: GlobSet,
    /// The pattern that each glob of the set comes from.
    origins: Vec<usize>,
    /// Patterns that take back what those before them match.
    negated: BTreeSet<usize>,
}

impl Globs {
    /// Lines of a `.gitignore`.
    pub(super) fn new<P: AsRef<str>>(patterns: &[P]) -> Result<Self, PatternError> {
        let is_negated = |pattern: &P| pattern.as_ref().starts_with('!');
        let negated = patterns.iter().enumerate().filter(|(_, pattern)| is_negated(pattern));
        Ok(Self {
            negated: negated.map(|(at, _)| at).collect(),
            ..Self::build(patterns, true, |pattern| {
                let name = pattern.strip_prefix('!').unwrap_or(pattern).trim_end_matches('/');
                let rooted = if name.contains('/') {
                    name.trim_start_matches('/').to_owned()
                } else {
                    format!("**/{name}")
                };
                vec![format!("{rooted}/**"), rooted]
            })?
        })
    }

    /// Patterns that all start at the root, as the build backends write them; a directory's name stands for all in it.
    pub(super) fn anchored<P: AsRef<str>>(patterns: &[P]) -> Result<Self, PatternError> {
        Self::build(patterns, true, |pattern| {
            let rooted = pattern.trim_start_matches("./").trim_matches('/');
            vec![format!("{rooted}/**"), rooted.to_owned()]
        })
    }

    /// Patterns of files, as Python's `glob` reads them.
    pub(super) fn files<P: AsRef<str>>(patterns: &[P]) -> Result<Self, PatternError> {
        Self::build(patterns, true, |pattern| {
            vec![pattern.trim_start_matches("./").to_owned()]
        })
    }

    /// Patterns of names in which `*` is any text, as Python's `fnmatch` reads them.
    pub(super) fn names<P: AsRef<str>>(patterns: &[P]) -> Result<Self, PatternError> {
        Self::build(patterns, false, |pattern| vec![pattern.to_owned()])
    }

    fn build<P: AsRef<str>>(
        patterns: &[P],
        literal_separator: bool,
        globs: impl Fn(&str) -> Vec<String>,
    ) -> Result<Self, PatternError> {
        check_length(patterns.iter().map(AsRef::as_ref))?;
        let (mut set, mut origins) = (GlobSetBuilder::new(), Vec::new());
        for (at, pattern) in patterns.iter().map(AsRef::as_ref).enumerate() {
            if pattern.matches('{').count() > MAX_BRACES {
                return Err(PatternError::Braces);
            }
            for glob in globs(pattern) {
                let glob = GlobBuilder::new(&glob).literal_separator(literal_separator).build();
                set.add(glob.map_err(|source| PatternError::Syntax {
                    pattern: pattern.to_owned(),
                    source,
                })?);
                origins.push(at);
            }
        }
        let set = set.build().map_err(|source| PatternError::Syntax {
            pattern: source.glob().unwrap_or_default().to_owned(),
            source,
        })?;
        Ok(Self {
            set,
            origins,
            negated: BTreeSet::new(),
        })
    }

    pub(super) fn matches(&self, path: &str) -> bool {
        if self.negated.is_empty() {
            self.set.is_match(path)
        } else {
            self.matching(path)
                .max()
                .is_some_and(|last| !self.negated.contains(&last))
        }
    }

    /// The patterns that match, by their place in the list.
    fn matching(&self, path: &str) -> impl Iterator<Item = usize> {
        self.set.matches(path).into_iter().map(|glob| self.origins[glob])
    }
}

/// Whether lists of patterns are short enough together to be used.
pub(super) fn check_length<'a>(patterns: impl Iterator<Item = &'a str>) -> Result<(), PatternError> {
    // Each costs a little, the empty one too.
    match patterns.map(|pattern| pattern.len() + 1).sum() {
        ..=MAX_BYTES => Ok(()),
        _ => Err(PatternError::Length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        Globs::new(&[pattern]).unwrap().matches(path)
    }

    #[test]
    fn patterns_read_as_lines_of_a_gitignore() {
        assert!(matches("*.bin", "foo/deep/a.bin"));
        assert!(matches("tests/", "foo/tests/test_a.py"));
        assert!(!matches("/tests", "foo/tests/test_a.py"));
        assert!(matches("foo/*.json", "foo/a.json"));
        assert!(!matches("foo/*.json", "foo/deep/a.json"));
        assert!(matches("foo/**/*.json", "foo/deep/a.json"));
    }

    #[test]
    fn a_broken_pattern_is_named() {
        let error = Patterns::new(&["a[".to_owned()], &[]).unwrap_err();
        assert_eq!(error.to_string(), r#"the pattern "a[" cannot be read"#);
    }

    #[test]
    fn an_exclamation_mark_takes_back() {
        let globs = Globs::new(&["*.md", "!keep.md", "docs/"]).unwrap();
        assert!(globs.matches("foo/a.md") && !globs.matches("foo/keep.md") && globs.matches("docs/keep.md"));
    }

    #[test]
    fn pythons_globs_keep_to_a_folder_and_fnmatch_does_not() {
        let files = Globs::files(&["data/*", "./a/**/*.bin"]).unwrap();
        assert!(files.matches("data/a") && !files.matches("data/deep/b") && files.matches("a/b/c.bin"));
        assert!(Globs::names(&["data/*"]).unwrap().matches("data/deep/b"));
    }

    #[test]
    fn patterns_beyond_all_measure_are_not_looked_at() {
        let nested = |open: &str| open.repeat(1_000) + &"}".repeat(1_000);
        for pattern in ["{", "{\\}", "{a,"].map(nested) {
            let error = Globs::new(&[pattern]).unwrap_err();
            assert_eq!(error.to_string(), "a pattern has more than 32 braces");
        }
        assert!(
            Globs::new(&["a".repeat(9_000)])
                .unwrap_err()
                .to_string()
                .starts_with("the patterns are longer")
        );
        assert!(Globs::new(&vec![""; 9_000]).is_err());
        assert!(matches("{a,{b,c}}.py", "c.py"));
    }

    #[test]
    fn a_project_adds_its_own_patterns() {
        let pyproject = "[tool.micropypi]\nexclude = ['*.md']".parse().unwrap();
        let patterns = Patterns::new(&[], &["*.bin".to_owned()]).unwrap();
        let patterns = patterns.with_project(&pyproject).unwrap();
        assert!(patterns.excludes("a.bin") && patterns.excludes("foo/a.md") && !patterns.excludes("foo/a.py"));
    }
}
