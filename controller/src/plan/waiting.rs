//! Since when pods wait for Azure.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use podgate_api::ObjectRef;

/// Records that are wanted and not yet Assigned, each with the time since when.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    since: HashMap<ObjectRef, Instant>,
    /// How many since when.
    times: BTreeMap<Instant, usize>,
}

impl Waiting {
    /// Says whether a record waits.
    pub(super) fn set(&mut self, record: &ObjectRef, waits: bool, now: Instant) {
        if !waits {
            self.end(record);
        } else if !self.since.contains_key(record) {
            self.since.insert(record.clone(), now);
            *self.times.entry(now).or_default() += 1;
        }
    }

    fn end(&mut self, record: &ObjectRef) {
        let Some(since) = self.since.remove(record) else {
            return;
        };
        if let Some(count) = self.times.get_mut(&since) {
            *count -= 1;
            if *count == 0 {
                self.times.remove(&since);
            }
        }
    }

    /// Since when the one waits that has waited longest.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.times.keys().next().copied()
    }
}
