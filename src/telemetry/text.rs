//! Log lines for people: time, level, message, then the fields that the message does not say already. Used by `mod.rs`.
//!
//! Every request writes one, and formatting it is a good part of what a request costs. So the frequent parts go around
//! `fmt`, which is several times slower.

use std::cell::{Cell, RefCell};
use std::fmt::{self, Debug, Write};
use std::sync::Arc;

use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::writer::Queue;

/// Events as lines on stderr or in a file: `2026-11-23T10:00:00.123456Z  INFO GET /simple/foo/ 200 bytes=512`.
pub(super) struct Lines {
    queue: Arc<Queue>,
    colour: bool,
}

thread_local! {
    /// A line's memory, used again for the next.
    static LINE: Cell<String> = const { Cell::new(String::new()) };
    /// The second that this thread wrote last, since 1970, and as text without the `Z`.
    static SECOND: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
}

impl Lines {
    /// They go into this queue, their levels coloured or not.
    pub(super) fn new(queue: Arc<Queue>, colour: bool) -> Self {
        Self { queue, colour }
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        // Taken and not borrowed: what is formatted may log, too.
        let mut line = LINE.take();
        line.clear();
        push_time(&mut line, Timestamp::now());
        push_level(&mut line, *event.metadata().level(), self.colour);
        push_event(&mut line, event);
        line.push('\n');
        self.queue.push(line.as_bytes());
        LINE.set(line);
    }
}

/// What a line says after time and level.
pub(super) fn without_time(event: &Event<'_>) -> String {
    let mut line = String::with_capacity(256);
    push_event(&mut line, event);
    line.get(1..).unwrap_or_default().to_owned()
}

fn push_event(line: &mut String, event: &Event<'_>) {
    let is_request = event.metadata().target() == "http";
    event.record(&mut Fields { line, is_request });
}

/// In UTC, to the microsecond (RFC 3339).
fn push_time(line: &mut String, now: Timestamp) {
    SECOND.with_borrow_mut(|(second, text)| {
        if *second != now.as_second() {
            *second = now.as_second();
            *text = format!("{now:.0}");
            text.pop();
        }
        line.push_str(text);
    });
    let mut digits = itoa::Buffer::new();
    let fraction = digits.format(1_000_000 + now.subsec_microsecond());
    line.push('.');
    line.push_str(&fraction[1..]);
    line.push('Z');
}

fn push_level(line: &mut String, level: Level, colour: bool) {
    let (plain, coloured) = match level {
        Level::ERROR => (" ERROR", " \x1b[31mERROR\x1b[0m"),
        Level::WARN => ("  WARN", " \x1b[33m WARN\x1b[0m"),
        Level::INFO => ("  INFO", " \x1b[32m INFO\x1b[0m"),
        Level::DEBUG => (" DEBUG", " \x1b[2mDEBUG\x1b[0m"),
        Level::TRACE => (" TRACE", " \x1b[2mTRACE\x1b[0m"),
    };
    line.push_str(if colour { coloured } else { plain });
}

/// Writes the message as it stands and each field as `name=value`.
struct Fields<'a> {
    line: &'a mut String,
    /// Its message is what three of its fields say; those are written in its place, since they need no formatting.
    is_request: bool,
}

impl Fields<'_> {
    /// Writes the field's name, and gives where its value goes; None: it is said already.
    fn begin(&mut self, field: &Field) -> Option<Escape<'_>> {
        let name = field.name();
        if self.is_request && name == "message" {
            return None;
        }
        self.line.push(' ');
        if !self.is_bare(name) {
            self.line.push_str(name);
            self.line.push('=');
        }
        Some(Escape(self.line))
    }

    fn is_bare(&self, name: &str) -> bool {
        name == "message" || (self.is_request && matches!(name, "method" | "path" | "status"))
    }

    fn put(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        if let Some(mut out) = self.begin(field) {
            // A line takes every character; a value that cannot be formatted ends where it fails.
            out.write_fmt(value).ok();
        }
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        let is_word = || !value.is_empty() && !value.bytes().any(|byte| matches!(byte, b' ' | b'"' | b'='));
        if !self.is_bare(field.name()) && !is_word() {
            self.put(field, format_args!("{value:?}"));
        } else if let Some(mut out) = self.begin(field) {
            out.push_str(value);
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if let Some(Escape(line)) = self.begin(field) {
            line.push_str(itoa::Buffer::new().format(value));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, format_args!("{value:?}"));
    }
}

/// Keeps a line one line, whatever a client put into a name: control characters are written as `\u{1b}`.
struct Escape<'a>(&'a mut String);

impl Escape<'_> {
    fn push_str(&mut self, text: &str) {
        // Nearly every text. A fold looks at many bytes at once, where `all` would stop at each.
        let is_plain = |plain, byte| plain & matches!(byte, b' '..=b'~');
        if text.bytes().fold(true, is_plain) {
            return self.0.push_str(text);
        }
        for character in text.chars() {
            if character.is_control() {
                self.0.extend(character.escape_default());
            } else {
                self.0.push(character);
            }
        }
    }
}

impl Write for Escape<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::mpsc;

    use tracing_subscriber::layer::SubscriberExt;

    use super::super::writer::Writer;
    use super::*;

    /// Hands what is written to whoever listens.
    struct Sink(mpsc::Sender<Vec<u8>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(colour: bool, say: impl FnOnce()) -> String {
        let (sink, written) = mpsc::channel();
        let writer = Writer::start(Sink(sink)).unwrap();
        let lines = Lines::new(writer.queue(), colour);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), say);
        drop(writer);
        let line = String::from_utf8(written.iter().flatten().collect()).unwrap();
        line.split_once(' ').unwrap().1.to_owned()
    }

    #[test]
    fn a_request_is_said_once() {
        let line = logged(false, || {
            tracing::info!(target: "http", method = "GET", path = "/a=b", status = 200, bytes = 7, user = "m e", "GET /a=b 200");
        });
        assert_eq!(line, " INFO GET /a=b 200 bytes=7 user=\"m e\"\n");
    }

    #[test]
    fn control_characters_cannot_forge_a_line() {
        let line = logged(false, || {
            tracing::warn!(file = "a\nERROR b", "bad\x1b[31m {}\u{85}", "x\ry");
        });
        assert_eq!(line, " WARN bad\\u{1b}[31m x\\ry\\u{85} file=\"a\\nERROR b\"\n");
    }

    #[test]
    fn the_time_is_told_to_the_microsecond() {
        let written = |time: &str| {
            let mut line = String::new();
            push_time(&mut line, time.parse().unwrap());
            line
        };
        for time in [
            "2026-11-23T10:00:00.000007Z",
            "2026-11-23T10:00:00.123456Z",
            "2026-12-31T23:59:59.999999Z",
            "1970-01-01T00:00:00.000000Z",
        ] {
            assert_eq!(written(time), time);
        }
    }

    #[test]
    fn colour_only_where_it_is_wanted() {
        assert_eq!(logged(true, || tracing::info!("x")), "\x1b[32m INFO\x1b[0m x\n");
    }
}
