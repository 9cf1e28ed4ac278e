//! The version of a release: PEP 440 where it can be, its bare text where an old file has something else.
//! Everybody may call it.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::iter::repeat_n;
use std::str::FromStr;
use std::sync::Arc;

use pep440_rs::{Operator, Version, VersionSpecifier, VersionSpecifiers};

/// Longest version, in bytes.
const MAX_BYTES: usize = 200;

/// A version as written, with its PEP 440 meaning where it has one. Cheap to clone.
///
/// Compared by meaning: `1.0` equals `1.0.0`. Legacy versions are compared by text and sort below all others.
#[derive(Debug, Clone)]
pub struct ReleaseVersion {
    text: Arc<str>,
    pep440: Option<Version>,
}

/// Why a text is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// No text at all.
    #[error("the version is empty")]
    Empty,
    /// More than 200 bytes.
    #[error("the version has {0} bytes, more than the {MAX_BYTES} that are allowed")]
    TooLong(usize),
    /// Characters that no version has, be it old or new.
    #[error("{0:?} is not a version: it takes ASCII letters, digits, '.', '-', '_', '+' and '!'")]
    Character(String),
    /// Not as PEP 440 has it.
    #[error("{0:?} is not a version as PEP 440 has it; 1.0.2, 1.1rc1 and 1.1rc1+dev42 are")]
    NotPep440(String),
}

impl ReleaseVersion {
    /// The door for uploads: PEP 440 only.
    ///
    /// # Errors
    /// [`VersionError`], a sentence that shows legal versions.
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        let version = Self::parse_lenient(text)?;
        match version.pep440 {
            Some(_) => Ok(version),
            None => Err(VersionError::NotPep440(text.to_owned())),
        }
    }

    /// The door for what lies in the folder: legacy versions, too.
    ///
    /// # Errors
    /// [`VersionError`], unless the text is 1 to 200 letters, digits, `.`, `-`, `_`, `+` and `!`.
    pub fn parse_lenient(text: &str) -> Result<Self, VersionError> {
        if text.is_empty() {
            return Err(VersionError::Empty);
        }
        if text.len() > MAX_BYTES {
            return Err(VersionError::TooLong(text.len()));
        }
        if !text.bytes().all(is_legal) {
            return Err(VersionError::Character(text.to_owned()));
        }
        Ok(Self {
            text: text.into(),
            pep440: Version::from_str(text).ok(),
        })
    }

    /// The version as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What PEP 440 makes of it; `None` for a legacy version.
    pub fn pep440(&self) -> Option<&Version> {
        self.pep440.as_ref()
    }

    /// Neither a pre-release nor a development release. A legacy version is not stable.
    pub fn is_stable(&self) -> bool {
        self.pep440.as_ref().is_some_and(|version| !version.any_prerelease())
    }

    /// Whether it is in a range. A legacy version is only in the one that takes any.
    pub fn is_in(&self, range: &VersionSpecifiers) -> bool {
        let is_held = |version: &Version| range.iter().all(|specifier| holds(specifier, version));
        range.is_empty() || self.pep440.as_ref().is_some_and(is_held)
    }

    fn legacy_text(&self) -> Option<&str> {
        self.pep440.is_none().then_some(&*self.text)
    }
}

/// As PEP 440 has it. To pep440_rs, `1` is in `==1.5.*`, as it compares no more numbers than both have, and `1.5rc1` is not in
/// `<1.5rc2`, as are none of the pre-releases of a limit.
fn holds(specifier: &VersionSpecifier, version: &Version) -> bool {
    let limit = specifier.version();
    match specifier.operator() {
        Operator::EqualStar | Operator::NotEqualStar => {
            let release = version.release();
            let missing = limit.release().len().saturating_sub(release.len());
            let padded = release.iter().copied().chain(repeat_n(0, missing));
            specifier.contains(&version.clone().with_release(padded))
        }
        Operator::LessThan if limit.any_prerelease() => version < limit,
        _ => specifier.contains(version),
    }
}

fn is_legal(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'+' | b'!')
}

impl PartialEq for ReleaseVersion {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for ReleaseVersion {}

impl PartialOrd for ReleaseVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ReleaseVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        // `None` sorts below `Some`: legacy below PEP 440.
        let by_meaning = self.pep440.cmp(&other.pep440);
        by_meaning.then_with(|| self.legacy_text().cmp(&other.legacy_text()))
    }
}

impl Hash for ReleaseVersion {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.pep440.hash(state);
        self.legacy_text().hash(state);
    }
}

impl fmt::Display for ReleaseVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::hash::DefaultHasher;

    fn version(text: &str) -> ReleaseVersion {
        ReleaseVersion::parse_lenient(text).unwrap()
    }

    fn hash(version: &ReleaseVersion) -> u64 {
        let mut hasher = DefaultHasher::new();
        version.hash(&mut hasher);
        hasher.finish()
    }

    #[test]
    fn meaning_decides_and_the_text_stays() {
        assert_eq!(version("1.0"), version("1.0.0"));
        assert_eq!(version("1.0-1"), version("1.0.post1"));
        assert_eq!(version("v1.0RC1"), version("1.0c1"));
        assert_eq!(version("0.2.0rc99+dev42").to_string(), "0.2.0rc99+dev42");
    }

    #[test]
    fn order_is_pep440s_above_legacy() {
        let ordered = [
            "1.0-dev-r123",
            "zzz",
            "0.1.0rc1",
            "0.1.0rc1+dev1",
            "0.1.0",
            "0.2.0rc99+dev42",
            "0.2.0",
            "0.10.0",
            "1!0.1",
        ];
        assert!(ordered.windows(2).all(|pair| version(pair[0]) < version(pair[1])));
    }

    #[test]
    fn uploads_are_pep440() {
        for text in [
            "1.0-dev-r123",
            "latest",
            "1.0.x",
            "1.0+",
            "",
            "1 0",
            " 1.0",
            "1.0\n",
            "1.0/2",
            "١.٠",
        ] {
            assert!(ReleaseVersion::parse(text).is_err(), "{text:?}");
        }
        assert!(ReleaseVersion::parse("99999999999999999999999999.0").is_err());
        assert_eq!(ReleaseVersion::parse(&"1".repeat(201)), Err(VersionError::TooLong(201)));
    }

    #[test]
    fn stable_is_neither_pre_nor_dev() {
        assert!(version("1.0").is_stable() && version("1.0.post1").is_stable() && version("1.0+local").is_stable());
        assert!(!version("1.0rc1").is_stable() && !version("1.0.dev1").is_stable() && !version("1.0.x").is_stable());
    }

    /// As `packaging` answers.
    #[test]
    fn ranges_hold_what_pep440_says() {
        let is_in = |text: &str, range: &str| version(text).is_in(&range.parse().unwrap());
        for (text, range) in [
            ("1.5", "==1.5.*"),
            ("1.5.2", "==1.5.*"),
            ("1", "==1.0.*"),
            ("1", "!=1.5.*"),
            ("1.5rc1+dev42", "<1.5rc2"),
            ("1.4", ">=1,<1.5"),
            ("1.0.x", ""),
        ] {
            assert!(is_in(text, range), "{text} in {range}");
        }
        for (text, range) in [
            ("1", "==1.5.*"),
            ("1+local", "==1.0.1.*"),
            ("1.5.0", "!=1.5.*"),
            ("1", "!=1.0.*"),
            ("1.5rc1", "<1.5"),
            ("1.5rc2", "<1.5rc2"),
            ("1.0.x", ">=0"),
        ] {
            assert!(!is_in(text, range), "{text} not in {range}");
        }
    }

    const PEP440: &str = "(v?)([1-9]!)?(0|[1-9][0-9]{0,5})(\\.(0|[1-9][0-9]{0,5})){0,4}((a|b|rc|alpha|c|pre)[0-9]{1,3})?(\\.post[0-9]{1,3}|-[0-9]{1,3})?(\\.dev[0-9]{1,3})?(\\+[a-z0-9]{1,5}(\\.[a-z0-9]{1,5})?)?";

    proptest! {
        #[test]
        fn parse_never_panics(text in any::<String>()) {
            let _ = ReleaseVersion::parse(&text);
        }

        #[test]
        fn versions_round_trip(text in PEP440) {
            let version = ReleaseVersion::parse(&text).unwrap();
            prop_assert_eq!(version.as_str(), &text);
            let canonical = ReleaseVersion::parse(&version.pep440().unwrap().to_string()).unwrap();
            prop_assert_eq!(hash(&canonical), hash(&version));
            prop_assert_eq!(canonical, version);
        }

        #[test]
        fn equal_and_hash_agree(a in "[0-2](\\.[0-1]){0,2}(-[0-1])?", b in "[0-2](\\.[0-1]){0,2}(-[0-1])?") {
            let (a, b) = (version(&a), version(&b));
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            prop_assert!(a != b || hash(&a) == hash(&b));
        }
    }
}
