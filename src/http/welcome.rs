//! A page of the administrator's at `/`. pypiserver takes such a file for a template, so its five names are replaced here,
//! too: `{{NAME}}` by the value as HTML has it, `{{!NAME}}` by the bare value. Called by `pages.rs`; read by `serve/`.

use std::path::Path;

use maud::html;

/// A longer remark on what is foreign tells nobody more.
const SHOWN_CHARS: usize = 60;

/// The page, taken apart once.
#[derive(Debug, Clone)]
pub struct Welcome {
    pieces: Vec<Piece>,
    /// Sorted, each once.
    foreign: Vec<String>,
}

#[derive(Debug, Clone)]
enum Piece {
    Text(String),
    Value { name: Name, is_escaped: bool },
}

/// What pypiserver hands to the template.
#[derive(Debug, Clone, Copy)]
enum Name {
    Url,
    Version,
    Numpkgs,
    Packages,
    Simple,
}

impl Welcome {
    /// Takes a page apart. What is not known stays as it stands.
    pub fn parse(page: &str) -> Self {
        let code = page.lines().map(str::trim).filter(|line| is_code(line));
        let mut welcome = Self {
            pieces: Vec::new(),
            foreign: code.map(shown).collect(),
        };
        let mut rest = page;
        while let Some((before, placeholder, after)) = next_placeholder(rest) {
            welcome.pieces.push(Piece::Text(before.to_owned()));
            welcome.take(placeholder);
            rest = after;
        }
        welcome.pieces.push(Piece::Text(rest.to_owned()));
        welcome.foreign.sort();
        welcome.foreign.dedup();
        welcome
    }

    fn take(&mut self, placeholder: &str) {
        let piece = value(placeholder).unwrap_or_else(|| {
            self.foreign.push(shown(placeholder));
            Piece::Text(placeholder.to_owned())
        });
        self.pieces.push(piece);
    }

    /// What works, but is unlikely to be meant by this page, which lies there: a template would do something with other
    /// placeholders and with lines of code.
    pub fn doubt(&self, path: &Path) -> Option<String> {
        let foreign = Some(self.foreign.join(", ")).filter(|foreign| !foreign.is_empty())?;
        Some(format!(
            "the page {} shows as it stands: {foreign}; only {{{{URL}}}}, {{{{VERSION}}}}, {{{{NUMPKGS}}}}, {{{{PACKAGES}}}} \
             and {{{{SIMPLE}}}} are replaced",
            path.display()
        ))
    }

    /// The page for a client that knows the server by this base URL (no slash at its end), with so many files here.
    pub(super) fn fill(&self, base: &str, files: usize) -> String {
        let filled = self.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Value {
                name,
                is_escaped: false,
            } => name.value(base, files),
            Piece::Value { name, is_escaped: true } => html! { (name.value(base, files)) }.into_string(),
        });
        filled.collect()
    }
}

impl Name {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "URL" => Some(Self::Url),
            "VERSION" => Some(Self::Version),
            "NUMPKGS" => Some(Self::Numpkgs),
            "PACKAGES" => Some(Self::Packages),
            "SIMPLE" => Some(Self::Simple),
            _ => None,
        }
    }

    /// As there, the URL ends with a slash (`{{URL}}simple/`), and the two others are paths.
    fn value(self, base: &str, files: usize) -> String {
        match self {
            Self::Url => format!("{base}/"),
            Self::Version => env!("CARGO_PKG_VERSION").to_owned(),
            Self::Numpkgs => files.to_string(),
            Self::Packages => format!("{}/packages/", path(base)),
            Self::Simple => format!("{}/simple/", path(base)),
        }
    }
}

/// `http://HOST:PORT/prefix` → `/prefix`
fn path(base: &str) -> &str {
    let slash = base.match_indices('/').nth(2);
    slash.map_or("", |(at, _)| &base[at..])
}

/// What stands before the first `{{...}}` of the text, this, and what comes after it. It lies on one line.
fn next_placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let mut openings = text.match_indices("{{");
    let (start, end) = openings.find_map(|(start, _)| {
        let line = text[start..].lines().next()?;
        Some((start, start + line.find("}}")? + 2))
    })?;
    Some((&text[..start], &text[start..end], &text[end..]))
}

fn value(placeholder: &str) -> Option<Piece> {
    let inner = placeholder.strip_prefix("{{")?.strip_suffix("}}")?;
    let bare = inner.strip_prefix('!');
    Some(Piece::Value {
        name: Name::parse(bare.unwrap_or(inner).trim())?,
        is_escaped: bare.is_none(),
    })
}

/// `% for ...`, or a block of such lines.
fn is_code(line: &str) -> bool {
    line.starts_with('%') || line.starts_with("<%")
}

fn shown(foreign: &str) -> String {
    foreign.chars().take(SHOWN_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(page: &str) -> String {
        Welcome::parse(page).fill("http://pi:8089/pkg", 7)
    }

    #[test]
    fn the_five_names_are_replaced() {
        assert_eq!(filled("pip -i {{URL}}simple/ x"), "pip -i http://pi:8089/pkg/simple/ x");
        assert_eq!(filled("{{ NUMPKGS }} of {{NUMPKGS}}"), "7 of 7");
        assert_eq!(filled("{{SIMPLE}} {{! PACKAGES }}"), "/pkg/simple/ /pkg/packages/");
        assert_eq!(filled("{{VERSION}}"), env!("CARGO_PKG_VERSION"));
        assert_eq!(Welcome::parse("{{SIMPLE}}").fill("http://pi:8089", 0), "/simple/");
    }

    #[test]
    fn a_value_is_html_unless_the_page_wants_it_bare() {
        let fill = |page: &str| Welcome::parse(page).fill("http://a&b", 0);
        assert_eq!(fill("{{URL}} {{!URL}}"), "http://a&amp;b/ http://a&b/");
    }

    #[test]
    fn what_is_not_known_stays_and_is_told_once() {
        let page = "{{URL\n{{name}} é}} {{name}}\n  % for p in x:\nb{c:d}}100%\n";
        assert_eq!(filled(page), page);
        let doubt = |page| Welcome::parse(page).doubt(Path::new("page.html"));
        let told = "the page page.html shows as it stands: % for p in x:, {{name}}; only {{URL}}, {{VERSION}}, {{NUMPKGS}}, \
                    {{PACKAGES}} and {{SIMPLE}} are replaced";
        assert_eq!(doubt(page).as_deref(), Some(told));
        assert_eq!(doubt("<p>{{URL}} is 100% {ours}</p>"), None);
    }
}
