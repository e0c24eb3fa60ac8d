//! What to do next: a state machine between what the API server says, what Azure says, and what is wanted of both.
//!
//! ```text
//! objects ─▶ index ─▶ matching ─▶ desired ─┐
//!                        records ─────────┼─▶ decide ─▶ writes of records, a request per machine
//!                        answers of Azure ─┘
//! ```
//! No I/O and no clock: time is passed in, and what is to be done comes out as [`Effect`]s, whose outcomes come back.
//! Nothing that matters is remembered here only. A record is written before Azure is asked for what it says, and goes
//! after Azure has let go of it; so whoever begins anew, after any step, comes to the same end.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use podgate_api::{ClientId, ObjectRef, ResourceId};
use podgate_azure::arm::ComputeId;

use crate::index::{Dirty, Index, Key, Object};
use crate::matching::{Rules, matched};
use crate::record::{Hold, Record};
use desired::Desired;
use holdings::{Holdings, Tally};
use queue::{Lane, Queue, Timers, Wake};
use waiting::Waiting;

mod decide;
mod desired;
mod holdings;
mod machines;
mod notice;
mod queue;
mod waiting;
mod writes;

pub use holdings::Ask;
pub use notice::{Notice, Subject};
use writes::Intent;
pub use writes::{NotWritten, Patch, Removal, Write, Written};

/// What the plan keeps to.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which bindings count.
    pub rules: Rules,
    /// How long an identity stays after the last pod that used it is gone: a pod that comes in that time costs nothing.
    pub linger: Duration,
    /// How long it has to be quiet before new identities are asked for together.
    pub coalesce: Duration,
    /// How often is looked whether somebody took an identity away.
    pub drift: Duration,
    /// Identities that are never taken away.
    pub immutable: BTreeSet<ClientId>,
}

/// Something to be done. Its outcome must come back.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Write a record, and say so to [`Plan::wrote`].
    Write(Write),
    /// Ask Azure, and say what it answered to [`Plan::answered`].
    Azure(ComputeId, Ask),
}

/// How much there is to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Records that wait for a decision.
    pub records: usize,
    /// Writes under way.
    pub writes: usize,
    /// Identities that Azure refuses.
    pub quarantined: usize,
    /// Identities on the machines that no record speaks of, without those that are never taken.
    pub foreign: usize,
    /// Since when the pod waits that has waited longest.
    pub oldest: Option<Instant>,
}

/// The plan.
#[derive(Debug)]
pub struct Plan {
    settings: Settings,
    index: Index,
    desired: Desired,
    machines: BTreeMap<ComputeId, Holdings>,
    /// Machines that something may be asked of.
    stirred: BTreeSet<ComputeId>,
    /// What each wanted record needs, as `machines` has it.
    needs: HashMap<ObjectRef, Hold>,
    /// What each record waits for, as `machines` has it.
    waits: HashMap<ObjectRef, Vec<Hold>>,
    queue: Queue,
    timers: Timers,
    /// Records that are being written, and what for.
    writing: HashMap<ObjectRef, Intent>,
    /// Writes that failed: how often in a row, and until when nothing is tried.
    failing: HashMap<ObjectRef, (u32, Instant)>,
    /// What records hold and nobody wants, and when that was first found.
    unwanted: HashMap<ObjectRef, BTreeMap<Hold, Instant>>,
    waiting: Waiting,
    tally: Tally,
    /// Records that we deleted and whose end the watch has yet to tell: their uids.
    buried: HashMap<ObjectRef, String>,
    /// Records whose end the watch told while they were being written: the answer may speak of one that is gone.
    ended: HashMap<ObjectRef, String>,
    notices: Vec<Notice>,
    leads: bool,
}

impl Plan {
    /// An empty one, which watches and does nothing until it [leads](Self::lead).
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            index: Index::default(),
            desired: Desired::default(),
            machines: BTreeMap::new(),
            stirred: BTreeSet::new(),
            needs: HashMap::new(),
            waits: HashMap::new(),
            queue: Queue::default(),
            timers: Timers::default(),
            writing: HashMap::new(),
            failing: HashMap::new(),
            unwanted: HashMap::new(),
            waiting: Waiting::default(),
            tally: Tally::default(),
            buried: HashMap::new(),
            ended: HashMap::new(),
            notices: Vec::new(),
            leads: false,
        }
    }

    /// From now on this controller is the one that writes. There is no way back: who has lost the lease ends.
    pub fn lead(&mut self, now: Instant) {
        self.leads = true;
        let drift = self.settings.drift;
        let share = drift
            / u32::try_from(self.machines.len())
                .unwrap_or(u32::MAX)
                .max(1);
        for (number, machine) in (0..).zip(self.machines.values_mut()) {
            // Not all at once: each costs a call.
            machine.look_at(now + share * number, drift);
        }
        self.look_at_everything();
    }

    /// Looks at everything again, for whatever may have been missed. Costs no call where nothing was.
    pub fn look_at_everything(&mut self) {
        let pods: Vec<ObjectRef> = self.index.pods().map(|pod| pod.object.clone()).collect();
        for pod in pods {
            self.match_pod(&pod);
        }
        let invalid: Vec<Notice> = self.index.invalid().map(Notice::invalid).collect();
        self.tell(invalid);
        let wanted = self.desired.records().cloned();
        let there = self.index.records().map(|record| record.object.clone());
        let records: BTreeSet<ObjectRef> = wanted.chain(there).collect();
        for record in records {
            self.look(&record);
        }
        self.stirred.extend(self.machines.keys().cloned());
    }

    /// The API server says that an object is there, or has a new edition.
    pub fn apply(&mut self, object: Object) {
        if let Object::Record(record) = &object
            && let Some(uid) = self.buried.get(&record.object)
        {
            if *uid == record.uid {
                return;
            }
            // A list has passed over its end.
            self.buried.remove(&record.object);
        }
        self.take_in(object);
    }

    fn take_in(&mut self, object: Object) {
        if let Object::Identity(Err(invalid)) = &object {
            self.tell([Notice::invalid(invalid)]);
        }
        let dirty = self.index.apply(object);
        self.look_again(dirty);
    }

    /// The API server says that an object is gone.
    pub fn remove(&mut self, key: &Key) {
        if let Key::Record(record) = key
            && self.is_of_an_earlier_one(record)
        {
            return;
        }
        let dirty = self.index.remove(key);
        self.look_again(dirty);
    }

    /// Whether the end of a record that is told is that of one we buried, and another of its name is there by now.
    fn is_of_an_earlier_one(&mut self, record: &ObjectRef) -> bool {
        let buried = self.buried.remove(record);
        let Some(there) = self.index.record(record) else {
            return false;
        };
        if buried.is_some_and(|uid| uid != there.uid) {
            return true;
        }
        if self.writing.contains_key(record) {
            self.ended.insert(record.clone(), there.uid.clone());
        }
        false
    }

    fn look_again(&mut self, dirty: Dirty) {
        for pod in &dirty.pods {
            self.match_pod(pod);
        }
        for record in &dirty.records {
            self.look(record);
        }
    }

    fn match_pod(&mut self, pod: &ObjectRef) {
        let pod_there = self.index.pod(pod);
        let matched = pod_there.map(|pod| matched(&self.index, self.settings.rules, pod));
        let matched = matched.unwrap_or_default();
        for problem in matched.problems {
            self.tell([Notice::unusable(problem)]);
        }
        for record in self.desired.set(pod, matched.assignments) {
            self.look(&record);
        }
    }

    /// A record is to be decided on.
    fn look(&mut self, record: &ObjectRef) {
        self.count_need(record);
        // A standby decides nothing; when it leads, it looks at everything.
        if self.leads {
            self.let_others_go(record);
            self.queue.push(record.clone(), self.lane(record));
        }
    }

    fn lane(&self, record: &ObjectRef) -> Lane {
        let first = |hold: &Hold| {
            let machine = &self.machines[&hold.compute];
            let wanted = &machine.wanted[&hold.resource];
            !machine.is_present(&hold.resource) && wanted.first() == Some(record)
        };
        match (self.desired.winner(record), self.needs.get(record)) {
            (None, _) => Lane::Taking,
            (_, Some(hold)) if first(hold) => Lane::First,
            _ => Lane::Giving,
        }
    }

    /// Records of the same identity on the same machine may go once this one is there to speak of it.
    fn let_others_go(&mut self, record: &ObjectRef) {
        let Some(hold) = self.needs.get(record) else {
            return;
        };
        let there = self.index.record(record);
        if !there.is_some_and(|there| self.speaks(there, hold)) {
            return;
        }
        let machine = self.machines.get_mut(&hold.compute);
        let leaving = machine.map(|machine| machine.let_go(&hold.resource));
        for other in leaving.unwrap_or_default() {
            self.queue.push(other, Lane::Taking);
        }
    }

    /// Keeps the count of who needs what.
    fn count_need(&mut self, record: &ObjectRef) {
        let need = self
            .desired
            .winner(record)
            .and_then(|wanted| wanted.hold.clone());
        if self.needs.get(record) == need.as_ref() {
            return;
        }
        if let Some(before) = self.needs.remove(record) {
            self.need_no_longer(record, &before);
        }
        if let Some(need) = need {
            let machine = self.machines.entry(need.compute.clone()).or_default();
            let records = machine.wanted.entry(need.resource.clone()).or_default();
            records.insert(record.clone());
            if self.leads {
                self.stirred.insert(need.compute.clone());
            }
            self.needs.insert(record.clone(), need);
        }
    }

    fn need_no_longer(&mut self, record: &ObjectRef, before: &Hold) {
        let Some(machine) = self.machines.get_mut(&before.compute) else {
            return;
        };
        if let Some(records) = machine.wanted.get_mut(&before.resource) {
            records.remove(record);
            if records.is_empty() {
                machine.wanted.remove(&before.resource);
            }
        }
        match self.leads || !machine.wanted.is_empty() {
            true => drop(self.stirred.insert(before.compute.clone())),
            false => self.forget(&before.compute),
        }
    }

    /// What to do now, at most `room` writes of records. Empty until it [leads](Self::lead).
    pub fn effects(&mut self, now: Instant, room: usize) -> Vec<Effect> {
        if !self.leads {
            return Vec::new();
        }
        self.wake(now);
        let mut effects = Vec::new();
        while effects.len() < room
            && let Some(record) = self.queue.pop()
        {
            effects.extend(self.decide(&record, now).map(Effect::Write));
        }
        let machines = std::mem::take(&mut self.stirred);
        effects.extend(machines.into_iter().filter_map(|id| self.ask(id, now)));
        effects
    }

    fn wake(&mut self, now: Instant) {
        for wake in self.timers.due(now) {
            match wake {
                Wake::Record(record) => self.look(&record),
                Wake::Compute(id) => {
                    self.stirred.insert(id);
                }
            }
        }
    }

    fn tell(&mut self, notices: impl IntoIterator<Item = Notice>) {
        if self.leads {
            self.notices.extend(notices);
        }
    }

    /// What people are to be told since the last call.
    pub fn notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// When [`effects`](Self::effects) may have something again without anything having happened.
    pub fn wakes_at(&self) -> Option<Instant> {
        self.timers.first()
    }

    /// What is known.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// How much there is to do.
    pub fn backlog(&self) -> Backlog {
        Backlog {
            records: self.queue.len(),
            writes: self.writing.len(),
            quarantined: self.tally.quarantined,
            foreign: self.tally.foreign,
            oldest: self.waiting.oldest(),
        }
    }

    /// Identities on the machines that no record speaks of, and that are not among those that are never taken.
    pub fn foreign(&self) -> impl Iterator<Item = (&ComputeId, &ResourceId)> {
        let machines = self.machines.iter();
        machines.flat_map(|(id, machine)| machine.foreign().map(move |foreign| (id, foreign)))
    }

    /// Whether an identity may never be taken away.
    fn is_immutable(&self, hold: &Hold, record: &Record) -> bool {
        let said = self
            .machines
            .get(&hold.compute)
            .and_then(|machine| machine.client_id(&hold.resource));
        let own = record
            .client_id
            .as_ref()
            .filter(|_| record.resource.as_ref() == Some(&hold.resource));
        [said, own]
            .into_iter()
            .flatten()
            .any(|id| self.settings.immutable.contains(id))
    }
}

#[cfg(test)]
mod tests;
