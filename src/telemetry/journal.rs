//! Events as entries of systemd's journal, by tracing-journald. Used by `mod.rs`.
//!
//! An entry's message is the whole line that stderr would get: `journalctl` shows nothing else, and tracing-journald's
//! own, which is the event's message alone, tells of no file and no cause. The fields stand beside it, for `journalctl
//! PROJECT=foo`.

use std::fmt::Debug;
use std::io;

use tracing::field::{Field, Value, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::text;

/// Sends a datagram for each event, from the thread that logs, which waits only when journald has some hundred entries yet
/// to read.
pub(super) struct Journal(tracing_journald::Layer);

impl Journal {
    /// # Errors
    /// When nobody listens at journald's socket.
    pub(super) fn open() -> io::Result<Self> {
        let priorities = PriorityMappings {
            info: Priority::Informational,
            debug: Priority::Debug,
            ..PriorityMappings::new()
        };
        let layer = tracing_journald::layer()?
            .with_field_prefix(None)
            .with_priority_mappings(priorities);
        Ok(Self(layer))
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let fields = event.metadata().fields();
        let mut said = Said {
            line: text::without_time(event),
            values: vec![None; fields.len()],
        };
        event.record(&mut said);
        let values: Vec<_> = said
            .values
            .iter()
            .map(|value| Some(value.as_ref()? as &dyn Value))
            .collect();
        // As tracing's macros make them, and tracing-log.
        let values = fields.value_set_all(&values);
        self.0.on_event(&Event::new(event.metadata(), &values), context);
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        self.0.on_new_span(attributes, id, context);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        self.0.on_record(id, values, context);
    }
}

/// The values of an event's fields, in the order of its fields, with the line in the message's place.
struct Said {
    line: String,
    values: Vec<Option<String>>,
}

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        let value = match field.name() {
            "message" => std::mem::take(&mut self.line),
            _ => value.to_owned(),
        };
        self.values[field.index()] = Some(value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}
