//! Log lines for people: time, level, message, then the fields. Used by `mod.rs`.
//!
//! Every request writes one, and formatting it is a good part of what a request costs. So the frequent parts go around
//! `fmt`, which is several times slower.

use std::cell::{Cell, RefCell};
use std::fmt::{self, Debug, Write};
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::writer::Queue;

/// Events as lines on stderr or in a file: `2026-11-23T10:00:00.123456Z  INFO added in the packages directory project=foo`.
#[derive(Clone)]
pub(super) struct Lines {
    queue: Arc<Queue>,
    colour: bool,
}

/// Where requests find them.
static IN_USE: OnceLock<Lines> = OnceLock::new();

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

    /// Makes these the log's, for the rest of the process.
    pub(super) fn put_in_use(&self) {
        IN_USE.get_or_init(|| self.clone());
    }

    /// Those of the log; None: it goes elsewhere.
    pub(super) fn in_use() -> Option<&'static Self> {
        IN_USE.get()
    }

    /// Writes a line; `push` adds what it says after time and level, with a space before it.
    pub(super) fn write(&self, level: Level, push: impl FnOnce(&mut String)) {
        // Taken and not borrowed: what is formatted may log, too.
        let mut line = LINE.take();
        line.clear();
        push_time(&mut line, Timestamp::now());
        push_level(&mut line, level, self.colour);
        push(&mut line);
        line.push('\n');
        self.queue.push(line.as_bytes());
        LINE.set(line);
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.write(*event.metadata().level(), |line| push_event(line, event));
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

pub(super) fn push_number(line: &mut String, name: &str, value: u64) {
    line.push_str(name);
    line.push_str(itoa::Buffer::new().format(value));
}

/// In quotes where a reader could not tell where it ends.
pub(super) fn push_text(line: &mut String, value: &str) {
    match needs(value) {
        NOTHING if !value.is_empty() => line.push_str(value),
        ESCAPES => push_escaped(line, value),
        _ => push_arguments(line, format_args!("{value:?}")),
    }
}

const NOTHING: u8 = 0;
const ESCAPES: u8 = 1;
const QUOTES: u8 = 2;

/// What a text needs to stand in a line, one or both.
fn needs(text: &str) -> u8 {
    /// By byte: each request asks for several texts.
    const NEEDS: [u8; 256] = {
        let mut needs = [ESCAPES; 256];
        let mut byte = b' ';
        while byte <= b'~' {
            needs[byte as usize] = if matches!(byte, b' ' | b'"' | b'=') {
                QUOTES
            } else {
                NOTHING
            };
            byte += 1;
        }
        needs
    };
    text.bytes()
        .fold(NOTHING, |needs, byte| needs | NEEDS[usize::from(byte)])
}

fn push_arguments(line: &mut String, value: fmt::Arguments<'_>) {
    // A line takes every character; a value that cannot be formatted ends where it fails.
    Escape(line).write_fmt(value).ok();
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
    /// Its message says all its fields.
    is_request: bool,
}

impl Fields<'_> {
    /// Writes what comes before the field's value, and gives where that goes; None: it is said already.
    fn begin(&mut self, field: &Field) -> Option<&mut String> {
        let is_message = field.name() == "message";
        if self.is_request && !is_message {
            return None;
        }
        self.line.push(' ');
        if !is_message {
            self.line.push_str(field.name());
            self.line.push('=');
        }
        Some(self.line)
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        match self.begin(field) {
            Some(line) if field.name() == "message" => push_escaped(line, value),
            Some(line) => push_text(line, value),
            None => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if let Some(line) = self.begin(field) {
            push_arguments(line, format_args!("{value:?}"));
        }
    }
}

/// Keeps a line one line, whatever a client put into a name: control characters are written as `\u{1b}`.
pub(super) fn push_escaped(line: &mut String, text: &str) {
    // Nearly every text.
    if needs(text) & ESCAPES == 0 {
        return line.push_str(text);
    }
    for character in text.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
}

/// Writes by [`push_escaped`].
struct Escape<'a>(&'a mut String);

impl Write for Escape<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        push_escaped(self.0, text);
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
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

    /// A line without its time.
    pub(in crate::telemetry) fn logged(colour: bool, say: impl FnOnce()) -> String {
        let (sink, written) = mpsc::channel();
        let writer = Writer::start(Sink(sink)).unwrap();
        let lines = Lines::new(writer.queue(), colour);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), say);
        drop(writer);
        let line = String::from_utf8(written.iter().flatten().collect()).unwrap();
        line.split_once(' ').unwrap().1.to_owned()
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
