//! What is no TOML, and how the line that it stands in would be right. Used by `gather.rs`.

use super::diagnose::{Place, Problem};
use super::schema;

/// The TOML crate's words for a key or a section that is there twice.
const DUPLICATE: &str = "duplicate key";

/// What the parser says of the file's text, with an example of the setting that was meant.
pub(super) fn problem(error: &toml::de::Error, text: &str) -> Problem {
    let span = error.span().unwrap_or(0..0);
    let at = text.floor_char_boundary(span.start);
    let line_start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[line_start..].lines().next().unwrap_or_default();
    let help = match section(line) {
        Some(name) if error.message() == DUPLICATE => Some(format!(
            "`[{name}]` is there already: move its settings below the first"
        )),
        _ => example(section_above(&text[..line_start]), line),
    };
    Problem {
        place: Place::File(span),
        message: error.message().to_owned(),
        help,
    }
}

/// How a user would write the setting that this line begins with.
fn example(section: Option<&str>, line: &str) -> Option<String> {
    let key = line.split(['=', ':']).next().unwrap_or_default().trim();
    let path = section.map_or_else(|| key.to_owned(), |section| format!("{section}.{key}"));
    schema::usage(&path).map(|usage| format!("for example `{usage}`"))
}

/// The section that a line below this text is in.
fn section_above(text: &str) -> Option<&str> {
    text.lines().rev().find_map(section)
}

/// `[store]` → `store`.
fn section(line: &str) -> Option<&str> {
    let name = line.trim_start().strip_prefix('[')?.split(']').next()?;
    Some(name.trim()).filter(|name| schema::is_section(name))
}
