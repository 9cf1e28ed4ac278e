//! Commands that a person is to paste: a name with a space or an apostrophe stays one word. Used wherever a path is part
//! of such a line.

use std::fmt;
use std::path::Path;

/// A path, or other text, as one word of a POSIX shell's command line: in quotes where it needs them (POSIX XCU 2.2.2).
#[derive(Debug, Clone, Copy)]
pub struct Word<T>(pub T);

impl<T: AsRef<Path>> fmt::Display for Word<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.as_ref().to_string_lossy();
        if !text.is_empty() && text.chars().all(is_plain) {
            return f.write_str(&text);
        }
        // Between two apostrophes nothing is special, and an apostrophe cannot be.
        write!(f, "'{}'", text.replace('\'', r"'\''"))
    }
}

/// Whether a shell takes the character for no more than itself, wherever it stands in a word.
fn is_plain(character: char) -> bool {
    character.is_alphanumeric() || "/._-+,:@%".contains(character)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_shell_reads_the_text_and_nothing_else() {
        for (text, word) in [
            ("/srv/päckchen/x-1.0+a:b,c@d%e_f", "/srv/päckchen/x-1.0+a:b,c@d%e_f"),
            ("USB STICK", "'USB STICK'"),
            ("it's", r"'it'\''s'"),
            ("'", r"''\'''"),
            ("", "''"),
            (
                "~/$(id)`id`\\\"*;&|<>#!{a,b}\t=\n",
                "'~/$(id)`id`\\\"*;&|<>#!{a,b}\t=\n'",
            ),
        ] {
            assert_eq!(Word(text).to_string(), word);
            let script = format!("printf %s {}", Word(text));
            let read = Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(read.stdout, text.as_bytes(), "{script}");
        }
    }
}
