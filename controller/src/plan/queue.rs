//! What is to be looked at, now or at a time.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Instant;

use podgate_api::ObjectRef;
use podgate_azure::arm::ComputeId;

/// Records to be decided on.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Whoever changed lanes still stands in the old one, and is passed over there.
    lanes: [VecDeque<ObjectRef>; 3],
    queued: HashMap<ObjectRef, Lane>,
}

/// Who goes before whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    /// The first record of an identity that its machine lacks. Azure takes by far the longest, and is asked when it is written.
    First,
    /// Any other that gives.
    Giving,
    /// What takes: no pod waits for another one's end.
    Taking,
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
    /// Puts a record in, once: where it is already, it may only go to a faster lane.
    pub(super) fn push(&mut self, record: ObjectRef, lane: Lane) {
        let before = self.queued.get(&record);
        if before.is_none_or(|before| lane < *before) {
            self.queued.insert(record.clone(), lane);
            self.lanes[lane as usize].push_back(record);
        }
    }

    /// The next one.
    pub(super) fn pop(&mut self) -> Option<ObjectRef> {
        for lane in [Lane::First, Lane::Giving, Lane::Taking] {
            while let Some(record) = self.lanes[lane as usize].pop_front() {
                if self.queued.get(&record) == Some(&lane) {
                    self.queued.remove(&record);
                    return Some(record);
                }
            }
        }
        // Room for a whole cluster is needed once.
        *self = Self::default();
        None
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
