//! A log line for people: time, level, message, then the fields that the message does not say already.

use std::error::Error;
use std::fmt::{self, Debug, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::Chain;

/// The form of a line on stderr and in a file: `2026-11-23T10:00:00.123456Z  INFO GET /simple/foo/ 200 bytes=512`.
pub(super) struct Line;

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        SystemTime.format_time(&mut writer)?;
        write_level(&mut writer, *event.metadata().level())?;
        let mut fields = Fields {
            request: event.metadata().target() == "http",
            out: Escape(&mut writer),
            result: Ok(()),
        };
        event.record(&mut fields);
        fields.result?;
        writeln!(writer)
    }
}

fn write_level(writer: &mut Writer<'_>, level: Level) -> fmt::Result {
    let colour = match level {
        Level::ERROR => 31,
        Level::WARN => 33,
        Level::INFO => 32,
        _ => 2,
    };
    match writer.has_ansi_escapes() {
        true => write!(writer, " \x1b[{colour}m{level:>5}\x1b[0m"),
        false => write!(writer, " {level:>5}"),
    }
}

/// Writes the message as it stands and each field as `name=value`.
struct Fields<'a, 'w> {
    /// The message of a request says method, path and status.
    request: bool,
    out: Escape<'a, 'w>,
    result: fmt::Result,
}

impl Fields<'_, '_> {
    /// Writes the field's name, unless the line says it already, and then its value.
    fn put(&mut self, field: &Field, value: impl FnOnce(&mut Escape<'_, '_>) -> fmt::Result) {
        let name = field.name();
        let said = self.request && matches!(name, "method" | "path" | "status");
        if said || self.result.is_err() {
            return;
        }
        self.result = write_name(self.out.0, name).and_then(|()| value(&mut self.out));
    }
}

fn write_name(writer: &mut Writer<'_>, name: &str) -> fmt::Result {
    writer.write_char(' ')?;
    if name == "message" {
        return Ok(());
    }
    writer.write_str(name)?;
    writer.write_char('=')
}

impl Visit for Fields<'_, '_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        let plain = !value.is_empty() && !value.contains([' ', '"', '=']);
        self.put(field, |out| match plain || field.name() == "message" {
            true => out.write_str(value),
            false => write!(out, "{value:?}"),
        });
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.put(field, |out| write!(out, "{}", Chain(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, |out| write!(out, "{value:?}"));
    }
}

/// Keeps a line one line, whatever a client put into a name: control characters are written as `\u{1b}`.
struct Escape<'a, 'w>(&'a mut Writer<'w>);

impl Write for Escape<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Nearly every line; looking at bytes costs a fraction of looking at characters.
        if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return self.0.write_str(text);
        }
        let mut rest = text;
        while let Some(at) = rest.find(char::is_control) {
            let (before, from) = rest.split_at(at);
            let control = from.chars().next().expect("find gave its place");
            write!(self.0, "{before}{}", control.escape_default())?;
            rest = &from[control.len_utf8()..];
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for &Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(ansi: bool, say: impl FnOnce()) -> String {
        let sink = Sink::default();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(ansi)
            .event_format(Line)
            .with_writer(Arc::new(sink.clone()))
            .finish();
        tracing::subscriber::with_default(subscriber, say);
        let bytes = sink.0.lock().unwrap().clone();
        let line = String::from_utf8(bytes).unwrap();
        line.split_once(' ').unwrap().1.to_owned()
    }

    #[test]
    fn a_request_is_said_once() {
        let line = logged(false, || {
            tracing::info!(target: "http", method = "GET", path = "/", status = 200, bytes = 7, user = "me", "GET / 200");
        });
        assert_eq!(line, " INFO GET / 200 bytes=7 user=me\n");
    }

    #[test]
    fn control_characters_cannot_forge_a_line() {
        let line = logged(false, || {
            tracing::warn!(file = "a\nERROR b", "bad\x1b[31m {}\u{85}", "x\ry");
        });
        assert_eq!(line, " WARN bad\\u{1b}[31m x\\ry\\u{85} file=\"a\\nERROR b\"\n");
    }

    #[test]
    fn errors_show_their_sources() {
        let error = super::super::TelemetryError::Thread(io::Error::other("no"));
        let line = logged(false, || {
            tracing::error!(error = &error as &dyn Error, "failed");
        });
        assert_eq!(line, "ERROR failed error=the log's thread cannot be started: no\n");
    }

    #[test]
    fn colour_only_where_it_is_wanted() {
        assert_eq!(logged(true, || tracing::info!("x")), "\x1b[32m INFO\x1b[0m x\n");
    }
}
