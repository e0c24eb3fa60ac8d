//! A plugin's log lines: the host hands them to `tracing`, and this is who listens.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing::{Dispatch, Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// The target of plugins' lines.
const TARGET: &str = "plugin";

/// The lines of one case.
#[derive(Clone, Default)]
pub(super) struct Lines(Arc<Mutex<Vec<Value>>>);

#[derive(Default)]
struct Fields {
    message: String,
    dropped: Option<u64>,
}

// === impl Lines ===

impl Lines {
    /// Who listens, for as long as something runs under it.
    pub(super) fn listener(&self) -> Dispatch {
        Dispatch::new(tracing_subscriber::registry().with(self.clone()))
    }

    pub(super) fn take(&self) -> Vec<Value> {
        std::mem::take(&mut *self.0.lock())
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        if metadata.target() != TARGET {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let message = match fields.dropped {
            Some(dropped) => format!("{dropped} {}", fields.message),
            None => fields.message,
        };
        let level = metadata.level().as_str().to_ascii_lowercase();
        self.0
            .lock()
            .push(json!({"level": level, "message": message}));
    }
}

impl Visit for Fields {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "dropped" {
            self.dropped = Some(value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugins_lines_are_kept_with_their_level_and_others_are_not() {
        let lines = Lines::default();
        tracing::dispatcher::with_default(&lines.listener(), || {
            tracing::warn!(target: "plugin", plugin = "p", "{}", "look");
            tracing::info!("somebody else");
            tracing::warn!(target: "plugin", plugin = "p", dropped = 3_u64, "further lines");
        });
        let expected = [
            json!({"level": "warn", "message": "look"}),
            json!({"level": "warn", "message": "3 further lines"}),
        ];
        assert_eq!(lines.take(), expected);
    }
}
