//! What is wrong with a configuration, and where: file, line, column and a caret, or the name of the variable or flag.
//! Problems are found by `environment.rs` and `gather.rs`, put together by `load.rs`, and shown by `main.rs` as part of
//! `ConfigError`.

use std::fmt;
use std::iter;
use std::ops::Range;
use std::path::PathBuf;

/// Where a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Bytes of the file.
    File(Range<usize>),
    /// A variable of the environment.
    Variable(String),
    /// A flag that sets the setting of this path.
    Flag(String),
    /// A default, by the path of its setting.
    Default(String),
}

/// One thing that is wrong.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    pub(super) place: Place,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

/// The help for a name that nobody knows.
pub(super) fn suggest(name: &str) -> String {
    format!("did you mean `{name}`?")
}

/// Everything that is wrong with one configuration; at least one problem.
#[derive(Debug)]
pub struct Report {
    file: Option<(PathBuf, String)>,
    problems: Vec<Problem>,
}

impl Report {
    /// `file` is the path and the text that the spans of the problems point into.
    pub(super) fn new(file: Option<(PathBuf, String)>, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| match &problem.place {
            Place::File(span) => span.start,
            _ => usize::MAX,
        });
        Self { file, problems }
    }

    /// All of it in one line, without the text of the file: for the log.
    pub(super) fn in_one_line(&self) -> String {
        let in_one_line = |problem: &Problem| {
            let help = problem.help.iter().map(|help| format!(" ({help})"));
            iter::once(self.sentence(problem)).chain(help).collect::<String>()
        };
        self.problems.iter().map(in_one_line).collect::<Vec<_>>().join("; ")
    }

    /// Where it is, and what is wrong.
    fn sentence(&self, problem: &Problem) -> String {
        let message = &problem.message;
        match (&problem.place, &self.file) {
            (Place::File(span), Some((path, text))) => {
                let Spot { line, column, .. } = Spot::find(text, span);
                format!("{}:{line}:{column}: {message}", path.display())
            }
            (Place::Variable(name), _) => format!("{name} in the environment: {message}"),
            (Place::Flag(path), _) => format!("{path} on the command line: {message}"),
            (Place::Default(path), _) => format!("{path}: {message}"),
            (Place::File(_), None) => message.clone(),
        }
    }

    fn write_problem(&self, f: &mut fmt::Formatter<'_>, problem: &Problem) -> fmt::Result {
        f.write_str(&self.sentence(problem))?;
        if let (Place::File(span), Some((_, text))) = (&problem.place, &self.file) {
            f.write_str("\n")?;
            return Spot::find(text, span).write(f, problem.help.as_deref());
        }
        problem.help.iter().try_for_each(|help| write!(f, "\n  = {help}"))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.problems.len() > 1 {
            writeln!(f, "{} settings are wrong", self.problems.len())?;
        }
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            self.write_problem(f, problem)?;
        }
        Ok(())
    }
}

/// A span as people count: from 1, in lines and characters.
struct Spot<'t> {
    line: usize,
    column: usize,
    text: &'t str,
    width: usize,
}

impl<'t> Spot<'t> {
    fn find(text: &'t str, span: &Range<usize>) -> Self {
        let start = text.floor_char_boundary(span.start);
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
        let end = text.floor_char_boundary(span.end).clamp(start, line_end);
        Self {
            line: text[..line_start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            text: text[line_start..line_end].trim_end_matches('\r'),
            width: text[start..end].chars().count().max(1),
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, help: Option<&str>) -> fmt::Result {
        let margin = " ".repeat(self.line.to_string().len());
        // Tabs stay tabs, so that the caret stands where the terminal put the character.
        let before = self.text.chars().take(self.column - 1);
        let indent: String = before.map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        writeln!(f, "{margin} |")?;
        writeln!(f, "{} | {}", self.line, self.text)?;
        write!(f, "{margin} | {indent}{}", "^".repeat(self.width))?;
        help.iter().try_for_each(|help| write!(f, " {help}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(span: Range<usize>) -> Problem {
        Problem {
            place: Place::File(span),
            message: "unknown key `lisen`".to_owned(),
            help: Some("did you mean `listen`?".to_owned()),
        }
    }

    #[test]
    fn the_caret_stands_under_the_key() {
        let text = "# é\n\tlisen = 1\n".to_owned();
        let report = Report::new(Some((PathBuf::from("c.toml"), text)), vec![problem(6..11)]);
        let expected = "c.toml:2:2: unknown key `lisen`\n  |\n2 | \tlisen = 1\n  | \t^^^^^ did you mean `listen`?";
        assert_eq!(report.to_string(), expected);
    }

    #[test]
    fn a_span_at_the_end_of_the_file_still_has_a_caret() {
        let report = Report::new(Some((PathBuf::from("c.toml"), "a =".to_owned())), vec![problem(3..3)]);
        assert!(report.to_string().contains("1 | a =\n  |    ^"), "{report}");
    }
}
