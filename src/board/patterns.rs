//! Include and exclude patterns: from `[boards]` of the configuration and `[tool.micropypi]` of a project.
//! Called by `view.rs` and the layouts.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::project::{strings, table};

/// A glob pattern that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the pattern {pattern:?} cannot be read")]
pub struct PatternError {
    pattern: String,
    source: globset::Error,
}

/// Which members a board gets beyond, or short of, what the package installs.
///
/// Patterns match a file's path on the board and read as lines of a `.gitignore`: without a slash they match at any
/// depth, with one they start at the root, and a directory's name stands for all that is in it. Exclusion wins.
#[derive(Debug, Clone, Default)]
pub struct Patterns {
    include: Globs,
    exclude: Globs,
}

impl Patterns {
    /// From `[boards] include` and `exclude`.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self, PatternError> {
        Ok(Self {
            include: Globs::new(include)?,
            exclude: Globs::new(exclude)?,
        })
    }

    /// These patterns and those of `[tool.micropypi]` in a project's `pyproject.toml`.
    pub fn with_project(&self, pyproject: &toml::Table) -> Result<Self, PatternError> {
        let own = table(pyproject, &["tool", "micropypi"]);
        let patterns = |key| own.map(|own| strings(own, key)).unwrap_or_default();
        Ok(Self {
            include: self.include.and(Globs::new(&patterns("include"))?),
            exclude: self.exclude.and(Globs::new(&patterns("exclude"))?),
        })
    }

    pub(super) fn includes(&self, path: &str) -> bool {
        self.include.matches(path)
    }

    pub(super) fn excludes(&self, path: &str) -> bool {
        self.exclude.matches(path)
    }
}

/// Patterns that read as lines of a `.gitignore`, without negation.
#[derive(Debug, Clone, Default)]
pub(super) struct Globs(Vec<GlobSet>);

impl Globs {
    pub(super) fn new<P: AsRef<str>>(patterns: &[P]) -> Result<Self, PatternError> {
        if patterns.is_empty() {
            return Ok(Self::default());
        }
        let mut set = GlobSetBuilder::new();
        for pattern in patterns {
            add(&mut set, pattern.as_ref()).map_err(|source| PatternError {
                pattern: pattern.as_ref().to_owned(),
                source,
            })?;
        }
        let set = set.build().map_err(|source| PatternError {
            pattern: source.glob().unwrap_or_default().to_owned(),
            source,
        })?;
        Ok(Self(vec![set]))
    }

    /// Patterns that all start at the root, as the build backends write them.
    pub(super) fn anchored<P: AsRef<str>>(patterns: &[P]) -> Result<Self, PatternError> {
        let rooted = |pattern: &P| format!("/{}", pattern.as_ref().trim_start_matches("./").trim_start_matches('/'));
        Self::new(&patterns.iter().map(rooted).collect::<Vec<_>>())
    }

    pub(super) fn matches(&self, path: &str) -> bool {
        self.0.iter().any(|set| set.is_match(path))
    }

    fn and(&self, other: Self) -> Self {
        Self(self.0.iter().cloned().chain(other.0).collect())
    }
}

fn add(set: &mut GlobSetBuilder, pattern: &str) -> Result<(), globset::Error> {
    let name = pattern.trim_end_matches('/');
    let rooted = match name.contains('/') {
        true => name.trim_start_matches('/').to_owned(),
        false => format!("**/{name}"),
    };
    for glob in [format!("{rooted}/**"), rooted] {
        set.add(GlobBuilder::new(&glob).literal_separator(true).build()?);
    }
    Ok(())
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
    fn a_project_adds_its_own_patterns() {
        let pyproject = "[tool.micropypi]\nexclude = ['*.md']".parse().unwrap();
        let patterns = Patterns::new(&[], &["*.bin".to_owned()]).unwrap();
        let patterns = patterns.with_project(&pyproject).unwrap();
        assert!(patterns.excludes("a.bin") && patterns.excludes("foo/a.md") && !patterns.excludes("foo/a.py"));
    }
}
