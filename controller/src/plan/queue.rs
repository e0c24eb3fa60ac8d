//! What is to be looked at, now or at a time.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::time::Instant;

use podgate_api::ObjectRef;
use podgate_azure::arm::ComputeId;

/// Records to be decided on. What gives goes before what takes, so that no pod waits for another one's end.
#[derive(Debug, Default)]
pub(super) struct Queue {
    giving: VecDeque<ObjectRef>,
    taking: VecDeque<ObjectRef>,
    queued: HashSet<ObjectRef>,
}

/// What wakes the plan at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wake {
    /// A record, to be decided on again.
    Record(ObjectRef),
    /// A virtual machine or scale set that something may be due for.
    Compute(ComputeId),
}

/// What is due when. One that is no longer needed does no harm.
#[derive(Debug, Default)]
pub(super) struct Timers(BTreeMap<Instant, BTreeSet<Wake>>);

impl Queue {
    /// Puts a record in, once.
    pub(super) fn push(&mut self, record: ObjectRef, gives: bool) {
        if self.queued.insert(record.clone()) {
            let queue = match gives {
                true => &mut self.giving,
                false => &mut self.taking,
            };
            queue.push_back(record);
        }
    }

    /// The next one.
    pub(super) fn pop(&mut self) -> Option<ObjectRef> {
        let record = self
            .giving
            .pop_front()
            .or_else(|| self.taking.pop_front())?;
        self.queued.remove(&record);
        Some(record)
    }

    pub(super) fn len(&self) -> usize {
        self.queued.len()
    }
}

impl Timers {
    pub(super) fn set(&mut self, at: Instant, wake: Wake) {
        self.0.entry(at).or_default().insert(wake);
    }

    /// When the first is due.
    pub(super) fn first(&self) -> Option<Instant> {
        self.0.keys().next().copied()
    }

    /// What is due by now.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Wake> {
        let mut due = Vec::new();
        while let Some(first) = self.0.first_entry().filter(|first| *first.key() <= now) {
            due.extend(first.remove());
        }
        due
    }
}
