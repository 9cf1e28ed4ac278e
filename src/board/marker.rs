//! Environment markers, read once and evaluated for boards. (Source: PyPA's dependency specifiers, "Environment Markers".)
//! Called by `requires.rs`.
//!
//! Of our own because uploads are anyone's: what reads a marker must neither recurse as deep as the text nests nor bring it
//! to a normal form, which grows exponentially. Here a comparison is a few bytes, and evaluating looks at each once.

use std::str::FromStr;

use pep440_rs::{Operator, Version, VersionPattern, VersionSpecifier};

/// Most parentheses around a comparison.
const MAX_DEPTH: usize = 32;

/// A marker; comparisons that mean nothing, as of two literals, are not in it.
#[derive(Debug)]
pub(super) enum Marker {
    All(Vec<Marker>),
    Any(Vec<Marker>),
    /// A version is in a range.
    Range(VersionOf, VersionSpecifier),
    /// A version is in a list, or is not.
    List(VersionOf, Vec<Version>, bool),
    Text(TextOf, Test, String),
    /// What holds on every board or on none.
    Always(bool),
}

/// What markers ask of a board.
#[derive(Debug)]
pub(super) struct Environment {
    pub(super) sys_platform: &'static str,
    pub(super) python: Version,
    pub(super) implementation: Version,
}

/// A marker that cannot be read, or is nested too deep to be meant.
#[derive(Debug)]
pub(super) struct Unreadable;

#[derive(Debug, Clone, Copy)]
pub(super) enum VersionOf {
    Python,
    Implementation,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum TextOf {
    SysPlatform,
    /// What all boards say.
    Fixed(&'static str),
}

/// How the text of a variable, on the left, is held against a literal, on the right.
#[derive(Debug, Clone, Copy)]
pub(super) enum Test {
    Compare(Operator),
    In,
    NotIn,
    Contains,
    NotContains,
}

enum Operand<'a> {
    Version(VersionOf),
    Text(TextOf),
    Extra,
    Literal(&'a str),
}

impl Marker {
    pub(super) fn parse(text: &str) -> Result<Self, Unreadable> {
        let mut parser = Parser { rest: text };
        let marker = parser.any(0)?;
        match parser.rest.trim_start() {
            "" => Ok(marker.unwrap_or(Self::Always(true))),
            _ => Err(Unreadable),
        }
    }

    pub(super) fn holds(&self, on: &Environment) -> bool {
        match self {
            Self::All(markers) => markers.iter().all(|marker| marker.holds(on)),
            Self::Any(markers) => markers.iter().any(|marker| marker.holds(on)),
            Self::Range(variable, range) => range.contains(on.version(*variable)),
            Self::List(variable, versions, is_in) => versions.contains(on.version(*variable)) == *is_in,
            Self::Text(variable, test, literal) => test.holds(on.text(*variable), literal),
            Self::Always(holds) => *holds,
        }
    }

    /// Several markers as one; none where there are none.
    fn gather(mut markers: Vec<Self>, make: fn(Vec<Self>) -> Self) -> Option<Self> {
        match markers.len() {
            0 | 1 => markers.pop(),
            _ => Some(make(markers)),
        }
    }
}

impl Environment {
    fn version(&self, variable: VersionOf) -> &Version {
        match variable {
            VersionOf::Python => &self.python,
            VersionOf::Implementation => &self.implementation,
        }
    }

    fn text(&self, variable: TextOf) -> &'static str {
        match variable {
            TextOf::SysPlatform => self.sys_platform,
            TextOf::Fixed(text) => text,
        }
    }
}

impl Test {
    fn parse(operator: &str) -> Result<Self, Unreadable> {
        Operator::from_str(operator).map(Self::Compare).map_err(|_| Unreadable)
    }

    /// The same with left and right exchanged.
    fn mirrored(self) -> Self {
        match self {
            Self::Compare(Operator::LessThan) => Self::Compare(Operator::GreaterThan),
            Self::Compare(Operator::LessThanEqual) => Self::Compare(Operator::GreaterThanEqual),
            Self::Compare(Operator::GreaterThan) => Self::Compare(Operator::LessThan),
            Self::Compare(Operator::GreaterThanEqual) => Self::Compare(Operator::LessThanEqual),
            Self::Compare(same) => Self::Compare(same),
            Self::In => Self::Contains,
            Self::NotIn => Self::NotContains,
            Self::Contains => Self::In,
            Self::NotContains => Self::NotIn,
        }
    }

    fn holds(self, text: &str, literal: &str) -> bool {
        match self {
            Self::In => literal.contains(text),
            Self::NotIn => !literal.contains(text),
            Self::Contains => text.contains(literal),
            Self::NotContains => !text.contains(literal),
            Self::Compare(operator) => match operator {
                Operator::LessThan => text < literal,
                Operator::LessThanEqual => text <= literal,
                Operator::GreaterThan => text > literal,
                Operator::GreaterThanEqual => text >= literal,
                Operator::NotEqual | Operator::NotEqualStar => text != literal,
                Operator::Equal | Operator::EqualStar | Operator::ExactEqual | Operator::TildeEqual => text == literal,
            },
        }
    }
}

impl<'a> Operand<'a> {
    /// A variable by its name; those with a dot, and `python_implementation`, are of old. (Source: PEP 345.)
    fn variable(name: &str) -> Option<Self> {
        Some(match name {
            "python_version" | "python_full_version" => Self::Version(VersionOf::Python),
            "implementation_version" => Self::Version(VersionOf::Implementation),
            "sys_platform" | "sys.platform" => Self::Text(TextOf::SysPlatform),
            "implementation_name" => Self::Text(TextOf::Fixed("micropython")),
            "platform_python_implementation" | "platform.python_implementation" | "python_implementation" => {
                Self::Text(TextOf::Fixed("MicroPython"))
            }
            "os_name" | "os.name" | "platform_machine" | "platform.machine" | "platform_release"
            | "platform_system" | "platform_version" | "platform.version" => Self::Text(TextOf::Fixed("")),
            "extra" => Self::Extra,
            _ => return None,
        })
    }

    fn compare(self, test: Test, other: Self) -> Option<Marker> {
        match (self, other) {
            (Self::Literal(_), Self::Literal(_)) => None,
            (variable, Self::Literal(literal)) => variable.against(test, literal),
            (Self::Literal(literal), variable) => variable.against(test.mirrored(), literal),
            _ => None,
        }
    }

    fn against(self, test: Test, literal: &str) -> Option<Marker> {
        match (self, test) {
            (Self::Version(variable), Test::Compare(operator)) => {
                let range = VersionSpecifier::from_pattern(operator, VersionPattern::from_str(literal).ok()?).ok()?;
                Some(Marker::Range(variable, range))
            }
            // By the letter a search in a text, in which 3.1 would be in "3.10 3.11".
            (Self::Version(variable), Test::In | Test::NotIn) => {
                let words = literal.split(|c: char| c == ',' || c.is_whitespace());
                let versions = words.filter_map(|word| Version::from_str(word).ok()).collect();
                Some(Marker::List(variable, versions, matches!(test, Test::In)))
            }
            (Self::Text(_), Test::Compare(Operator::TildeEqual)) => None,
            (Self::Text(variable), test) => Some(Marker::Text(variable, test, literal.to_owned())),
            // No extra is ever asked for.
            (Self::Extra, Test::Compare(Operator::Equal)) => Some(Marker::Always(false)),
            (Self::Extra, Test::Compare(Operator::NotEqual)) => Some(Marker::Always(true)),
            _ => None,
        }
    }
}

/// The rest of the text; each method takes what it reads.
struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn any(&mut self, depth: usize) -> Result<Option<Marker>, Unreadable> {
        let mut markers = Vec::new();
        loop {
            markers.extend(self.all(depth)?);
            if !self.eat_word("or") {
                return Ok(Marker::gather(markers, Marker::Any));
            }
        }
    }

    fn all(&mut self, depth: usize) -> Result<Option<Marker>, Unreadable> {
        let mut markers = Vec::new();
        loop {
            markers.extend(self.one(depth)?);
            if !self.eat_word("and") {
                return Ok(Marker::gather(markers, Marker::All));
            }
        }
    }

    fn one(&mut self, depth: usize) -> Result<Option<Marker>, Unreadable> {
        if !self.eat("(") {
            let (left, test, right) = (self.operand()?, self.test()?, self.operand()?);
            return Ok(left.compare(test, right));
        }
        if depth == MAX_DEPTH {
            return Err(Unreadable);
        }
        let marker = self.any(depth + 1)?;
        self.eat(")").then_some(marker).ok_or(Unreadable)
    }

    fn operand(&mut self) -> Result<Operand<'a>, Unreadable> {
        for quote in ["'", "\""] {
            if self.eat(quote) {
                let (literal, rest) = self.rest.split_once(quote).ok_or(Unreadable)?;
                self.rest = rest;
                return Ok(Operand::Literal(literal));
            }
        }
        let name = self.take(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
        Operand::variable(name).ok_or(Unreadable)
    }

    fn test(&mut self) -> Result<Test, Unreadable> {
        if self.eat_word("in") {
            return Ok(Test::In);
        }
        if self.eat_word("not") {
            return self.eat_word("in").then_some(Test::NotIn).ok_or(Unreadable);
        }
        Test::parse(self.take(|c| "<>=!~".contains(c)))
    }

    fn eat(&mut self, text: &str) -> bool {
        let rest = self.rest.trim_start().strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let rest = self.rest.trim_start().strip_prefix(word);
        let rest = rest.filter(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_'));
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn take(&mut self, is_part: impl Fn(char) -> bool) -> &'a str {
        let text = self.rest.trim_start();
        let (taken, rest) = text.split_at(text.find(|c| !is_part(c)).unwrap_or(text.len()));
        self.rest = rest;
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(marker: &str) -> bool {
        let board = Environment {
            sys_platform: "rp2",
            python: Version::new([3, 13]),
            implementation: Version::new([1, 26, 0]),
        };
        Marker::parse(marker).unwrap().holds(&board)
    }

    /// PEP 508's examples, and those of the specification that follows it.
    #[test]
    fn the_specifications_examples_are_read() {
        for marker in [
            "python_version>'2.7'",
            "os_name!='a' or os_name=='b' and os_name=='c'",
            "os_name!='a' or (os_name=='b' and os_name=='c')",
            "python_version not in '2.7 3.4'",
            "'2.7' not in python_version",
            "\"rp\" in sys_platform",
        ] {
            assert!(holds(marker), "{marker}");
        }
        for marker in [
            "python_version<'2.7'",
            "sys_platform == 'win32'",
            "os_name=='a' and os_name=='b'",
            "os_name=='a' or os_name=='b' and os_name==''",
            "os_name=='a' and os_name=='b' or os_name=='c'",
            "os_name=='' and (os_name=='a' or os_name=='b')",
            "(os_name=='' or os_name=='a') and os_name=='b'",
            "extra == 'test'",
            "'linux' in sys_platform",
        ] {
            assert!(!holds(marker), "{marker}");
        }
    }

    #[test]
    fn versions_are_compared_as_such() {
        for marker in [
            "python_version >= '3.8'",
            "'3.8' <= python_version",
            "python_full_version < '3.13.1'",
            "python_version == '3.*'",
            "python_version ~= '3.4'",
            "python_version in '3.12 3.13'",
            "python_version in '3.12,3.13, 3.x'",
            "implementation_version >= '1.9'",
        ] {
            assert!(holds(marker), "{marker}");
        }
        assert!(!holds("python_version in '3.130 3.1'") && !holds("python_version < '3.13'"));
        assert!(!holds("python_version in '2.6, 2.7, 3.*'"));
    }

    #[test]
    fn comparisons_that_mean_nothing_are_passed_over() {
        for marker in [
            "'a' == 'b'",
            "os_name == sys_platform",
            "python_version == 'x'",
            "sys_platform ~= 'rp'",
        ] {
            assert!(holds(marker), "{marker}");
            assert!(!holds(&format!("{marker} and sys_platform == 'win32'")), "{marker}");
        }
    }

    #[test]
    fn words_need_no_space_around_them() {
        assert!(holds("(sys_platform=='rp2')and(os_name!='nt')") && holds("sys_platform not  in'linux'"));
    }

    #[test]
    fn what_is_no_marker_is_unreadable() {
        for marker in [
            "",
            "os_name",
            "os_name ==",
            "os_name == 'a",
            "(os_name == 'a'",
            "os_name == 'a')",
            "a == 'b'",
            "os_name not 'a'",
            "os_name <> 'a'",
        ] {
            assert!(Marker::parse(marker).is_err(), "{marker}");
        }
    }

    #[test]
    fn nesting_has_an_end() {
        let nested = |depth| format!("{}os_name == ''{}", "(".repeat(depth), ")".repeat(depth));
        assert!(holds(&nested(MAX_DEPTH)));
        assert!(Marker::parse(&nested(MAX_DEPTH + 1)).is_err());
        assert!(Marker::parse(&"(".repeat(1_000_000)).is_err());
    }

    /// Read into a decision diagram, the first takes seconds and a gigabyte, the second half a minute.
    #[test]
    fn a_marker_costs_what_its_text_costs() {
        let pairs: Vec<_> = (0..1_000)
            .map(|n| format!("(os_name == 'a{n}' and sys_platform == 'z{n}')"))
            .collect();
        let others: Vec<_> = (0..3_000).map(|n| format!("os_name != 'x{n}'")).collect();
        assert!(!holds(&pairs.join(" or ")) && holds(&others.join(" and ")));
    }
}
