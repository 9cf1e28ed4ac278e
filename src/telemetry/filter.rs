//! Which events are logged, which a reload can change. Used by `mod.rs`.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Metadata, Subscriber, callsite};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer};

use crate::config::Level;

/// The filter in force. tracing asks once for each place in the code and remembers the answer, so an event costs nothing
/// here; tracing-subscriber's own layer for this takes a lock three times an event.
#[derive(Clone)]
pub(super) struct Filter(Arc<ArcSwap<Targets>>);

impl Filter {
    pub(super) fn new(level: Level) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(targets(level))))
    }

    /// Changes the least important level that is logged.
    pub(super) fn set_level(&self, level: Level) {
        self.0.store(Arc::new(targets(level)));
        callsite::rebuild_interest_cache();
    }

    fn passes(&self, metadata: &Metadata<'_>) -> bool {
        self.0.load().would_enable(metadata.target(), metadata.level())
    }
}

impl<S: Subscriber> Layer<S> for Filter {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.passes(metadata) {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        // Asked only where several subscribers disagree, as in tests.
        self.passes(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        self.0.load().iter().map(|(_, level)| level).max()
    }
}

/// Of other crates, only warnings and errors.
fn targets(level: Level) -> Targets {
    let level = match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
    };
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("micropypi", level)
        .with_target("http", level)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tracing::Event;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// The levels that were heard, and where from.
    #[derive(Clone, Default)]
    struct Ear(Arc<Mutex<Vec<String>>>);

    impl<S: Subscriber> Layer<S> for Ear {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            let (target, level) = (event.metadata().target(), event.metadata().level());
            self.0.lock().unwrap().push(format!("{target} {level}"));
        }
    }

    #[test]
    fn a_new_level_counts_at_once() {
        let (filter, ear) = (Filter::new(Level::Warn), Ear::default());
        let say = || {
            tracing::debug!(target: "micropypi::x", "a");
            tracing::info!(target: "http", "b");
            tracing::info!(target: "elsewhere", "c");
            tracing::warn!(target: "elsewhere", "d");
        };
        let subscriber = tracing_subscriber::registry().with(filter.clone()).with(ear.clone());
        let heard = |level| {
            filter.set_level(level);
            say();
            std::mem::take(&mut *ear.0.lock().unwrap())
        };
        tracing::subscriber::with_default(subscriber, || {
            assert_eq!(heard(Level::Error), [""; 0]);
            assert_eq!(
                heard(Level::Debug),
                ["micropypi::x DEBUG", "http INFO", "elsewhere WARN"]
            );
            assert_eq!(heard(Level::Warn), ["elsewhere WARN"]);
        });
    }
}
