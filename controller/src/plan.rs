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

use podgate_api::{ClientId, ObjectRef};
use podgate_azure::arm::{ArmError, Compute, ComputeId};

use crate::index::{Dirty, Index, Key, Object};
use crate::matching::{Rules, matched};
use crate::record::{Hold, Record};
use desired::Desired;
use holdings::{Holdings, Next};
use queue::{Queue, Timers, Wake};

mod decide;
mod desired;
mod holdings;
mod notice;
mod queue;
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
    /// Identities on the machines that no record speaks of.
    pub foreign: usize,
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
    /// When a record was first found to be unwanted.
    unwanted: HashMap<ObjectRef, Instant>,
    /// Records that we deleted and whose end the watch has yet to tell: their uids.
    buried: HashMap<ObjectRef, String>,
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
            buried: HashMap::new(),
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
            && self.buried.get(&record.object) == Some(&record.uid)
        {
            return;
        }
        if let Object::Identity(Err(invalid)) = &object {
            self.tell([Notice::invalid(invalid)]);
        }
        let dirty = self.index.apply(object);
        self.look_again(dirty);
    }

    /// The API server says that an object is gone.
    pub fn remove(&mut self, key: &Key) {
        if let Key::Record(record) = key {
            self.buried.remove(record);
        }
        let dirty = self.index.remove(key);
        self.look_again(dirty);
    }

    fn look_again(&mut self, dirty: Dirty) {
        for pod in &dirty.pods {
            self.match_pod(pod);
        }
        for record in &dirty.records {
            self.look(record);
            self.look_at_leaving(record);
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
        if self.count_need(record) {
            self.look_at_leaving(record);
        }
        // A standby decides nothing; when it leads, it looks at everything.
        if self.leads {
            let gives = self.desired.winner(record).is_some();
            self.queue.push(record.clone(), gives);
        }
    }

    /// Records of the same identity on the same machine may go once another one is there to speak of it.
    fn look_at_leaving(&mut self, record: &ObjectRef) {
        let Some(hold) = self.needs.get(record) else {
            return;
        };
        let machine = self.machines.get(&hold.compute);
        let leaving = machine.map(|machine| machine.leaving(&hold.resource).cloned().collect());
        let leaving: Vec<ObjectRef> = leaving.unwrap_or_default();
        for other in leaving {
            self.queue.push(other, false);
        }
    }

    /// Keeps the count of who needs what. Whether this record needs something that it did not.
    fn count_need(&mut self, record: &ObjectRef) -> bool {
        let need = self
            .desired
            .winner(record)
            .and_then(|wanted| wanted.hold.clone());
        if self.needs.get(record) == need.as_ref() {
            return false;
        }
        if let Some(before) = self.needs.remove(record)
            && let Some(machine) = self.machines.get_mut(&before.compute)
            && let Some(records) = machine.wanted.get_mut(&before.resource)
        {
            records.remove(record);
            if records.is_empty() {
                machine.wanted.remove(&before.resource);
            }
            match self.leads || !machine.wanted.is_empty() {
                true => drop(self.stirred.insert(before.compute)),
                false => drop(self.machines.remove(&before.compute)),
            }
        }
        let gained = need.is_some();
        if let Some(need) = need {
            let machine = self.machines.entry(need.compute.clone()).or_default();
            let records = machine.wanted.entry(need.resource.clone()).or_default();
            records.insert(record.clone());
            if self.leads {
                self.stirred.insert(need.compute.clone());
            }
            self.needs.insert(record.clone(), need);
        }
        gained
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

    fn ask(&mut self, id: ComputeId, now: Instant) -> Option<Effect> {
        let machine = self.machines.get_mut(&id)?;
        match machine.next(&self.settings, now) {
            Next::Ask(ask) => return Some(Effect::Azure(id, ask)),
            Next::Wait(at) => self.timers.set(at, Wake::Compute(id)),
            Next::Idle => match machine.forgettable_at(&self.settings, now) {
                Some(at) if at > now => self.timers.set(at, Wake::Compute(id)),
                Some(_) => drop(self.machines.remove(&id)),
                None => {}
            },
        }
        None
    }

    /// Azure's answer to an [`Ask`]: what is there now, or why it could not be done.
    pub fn answered(&mut self, id: &ComputeId, answer: Result<Compute, ArmError>, now: Instant) {
        let Some(machine) = self.machines.get_mut(id) else {
            return;
        };
        let outcome = match &answer {
            Ok(compute) => machine.answered(compute, now),
            Err(error) => machine.failed(error, now),
        };
        if let Err(error) = &answer {
            self.tell_refused(id, &outcome.refused, error);
        }
        for record in &outcome.records {
            self.look(record);
        }
        self.stirred.insert(id.clone());
    }

    /// Once for each binding, however many pods wait.
    fn tell_refused(
        &mut self,
        id: &ComputeId,
        refused: &[podgate_api::ResourceId],
        error: &ArmError,
    ) {
        let machine = &self.machines[id];
        let records = refused.iter().flat_map(|resource| machine.coming(resource));
        let wanted = records.filter_map(|record| self.desired.winner(record));
        let mut told = BTreeSet::new();
        let notices: Vec<Notice> = wanted
            .filter(|wanted| told.insert(&wanted.binding.object))
            .flat_map(|wanted| Notice::not_assigned(wanted, error))
            .collect();
        self.tell(notices);
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
        let machines = self.machines.values();
        Backlog {
            records: self.queue.len(),
            writes: self.writing.len(),
            quarantined: machines.clone().map(Holdings::barred).sum(),
            foreign: machines.map(|machine| machine.foreign).sum(),
        }
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
