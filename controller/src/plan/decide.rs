//! What to do about one record. The only place where it is decided.

use std::sync::Arc;
use std::time::Instant;

use podgate_api::{AssignedState, ObjectRef};
use podgate_azure::arm::ComputeId;

use super::Plan;
use super::notice::Notice;
use super::writes::{Intent, Patch, Removal, Write};
use crate::matching::Assignment;
use crate::record::{self, Hold, Record};

impl Plan {
    /// The next write of a record, or what it waits for.
    pub(super) fn decide(&mut self, record: &ObjectRef, now: Instant) -> Option<Write> {
        self.wait_no_longer(record);
        // Each of the two comes back here: by its outcome, and by a timer.
        let failing = self
            .failing
            .get(record)
            .is_some_and(|(_, until)| *until > now);
        if self.writing.contains_key(record) || failing {
            return None;
        }
        let wanted = self.desired.winner(record).cloned();
        let there = self.index.record(record).cloned();
        self.tell_outbid(record);
        self.keep_time(record, wanted.as_ref(), there.as_deref(), now);
        let before = there.clone();
        let write = match (wanted, there) {
            (None, None) => {
                self.failing.remove(record);
                None
            }
            (Some(wanted), None) => Some(self.create(&wanted)),
            (None, Some(there)) => self.release(&there, now),
            // It ends with somebody else's finalizer, and then another one is made.
            (Some(_), Some(there)) if there.deleting && !there.finalized => None,
            (Some(wanted), Some(there)) if there.says(&wanted) => {
                self.advance(&wanted, &there, now)
            }
            (Some(wanted), Some(there)) => Some(self.replace(&wanted, &there)),
        };
        if let Some(write) = &write {
            self.writing
                .insert(record.clone(), Intent::of(write, before));
        }
        write
    }

    /// Since when something of it is not wanted, and since when something is missing.
    fn keep_time(
        &mut self,
        record: &ObjectRef,
        wanted: Option<&Assignment>,
        there: Option<&Record>,
        now: Instant,
    ) {
        let holds = there.map_or_else(Vec::new, |there| self.holds(there));
        if let Some(unwanted) = self.unwanted.get_mut(record) {
            let wanted = wanted.and_then(|wanted| wanted.hold.as_ref());
            unwanted.retain(|hold, _| holds.contains(hold) && wanted != Some(hold));
            if unwanted.is_empty() {
                self.unwanted.remove(record);
            }
        }
        let assigned = there.is_some_and(|there| there.state == AssignedState::Assigned);
        self.waiting.set(record, wanted.is_some() && !assigned, now);
    }

    fn create(&self, wanted: &Assignment) -> Write {
        let state = self.state(wanted, None);
        Write::Create(Box::new(record::write(wanted, state, None)))
    }

    /// The same object with another content: what it held is noted in it before anything is done about that.
    fn replace(&self, wanted: &Assignment, there: &Record) -> Write {
        let state = self.state(wanted, Some(there));
        let mut releases = self.holds(there);
        releases.retain(|hold| wanted.hold.as_ref() != Some(hold));
        Write::Replace(Box::new(record::write(
            wanted,
            state,
            Some((there, &releases)),
        )))
    }

    /// The state that a record is to say. Where the machine holds what is needed, nothing has to be waited for; what was
    /// Assigned stays so until it is known to be gone, or on its way.
    fn state(&self, wanted: &Assignment, there: Option<&Record>) -> AssignedState {
        let Some(hold) = &wanted.hold else {
            return AssignedState::Assigned;
        };
        let was = there.is_some_and(|there| {
            there.state == AssignedState::Assigned && self.may_hold(there, hold)
        });
        let machine = self.machines.get(&hold.compute);
        let going = machine.is_some_and(|machine| {
            machine.is_absent(&hold.resource) || machine.is_being_taken(&hold.resource)
        });
        match self.is_present(hold) || was && !going {
            true => AssignedState::Assigned,
            false => AssignedState::Created,
        }
    }

    /// A record that says what is wanted: is it so yet? Azure is asked once the record says Created and cannot vanish: until
    /// then nothing would speak of what the machine holds.
    fn advance(&mut self, wanted: &Assignment, there: &Arc<Record>, now: Instant) -> Option<Write> {
        let mut patch = Patch::of(there);
        let state = self.state(wanted, Some(there));
        if state != there.state {
            self.tell_drifted(wanted, there);
            patch.state = Some(state);
        } else if let Some(hold) = &wanted.hold
            && state == AssignedState::Created
            && there.finalized
        {
            self.wait_for(hold, &there.object, now);
        }
        let left = self.unsettled(&there.releases, &there.object);
        for hold in &left {
            let due = self.due(there, hold, Some(wanted), now);
            self.wait_for_end_of(hold, &there.object, due);
        }
        patch.releases = (left.len() < there.releases.len()).then_some(left);
        (!patch.is_empty()).then_some(Write::Patch(patch))
    }

    fn tell_drifted(&mut self, wanted: &Assignment, there: &Record) {
        let was = there.state == AssignedState::Assigned;
        if let Some(hold) = wanted.hold.as_ref().filter(|_| was)
            && self.is_absent(hold)
        {
            self.tell([Notice::drifted(wanted, &hold.compute)]);
        }
    }

    /// A record that nobody wants: it goes when nothing is held for its sake any more. One that is wanted stays even where
    /// somebody deleted it: without it nothing would speak of what the machine holds.
    fn release(&mut self, there: &Arc<Record>, now: Instant) -> Option<Write> {
        let left = self.unsettled(&self.holds(there), &there.object);
        if left.is_empty() {
            return Self::end(there);
        }
        let patch = Self::note(there, &left);
        for hold in &left {
            let due = self.due(there, hold, None, now);
            if patch.is_empty() {
                self.wait_for_end_of(hold, &there.object, due);
            }
        }
        (!patch.is_empty()).then_some(Write::Patch(patch))
    }

    /// One that only other people's finalizers keep can but say that it holds nothing.
    fn end(there: &Record) -> Option<Write> {
        if !there.deleting || there.finalized {
            return Some(Write::Remove(Removal::of(there)));
        }
        let mut patch = Patch::of(there);
        patch.state = Some(AssignedState::Unassigned);
        (there.state != AssignedState::Unassigned).then_some(Write::Patch(patch))
    }

    /// Where only the node tells what a record holds, the record is to tell it before the node is gone: the old
    /// controller's records have no note, and those that it changed have an old one.
    fn note(there: &Record, left: &[Hold]) -> Patch {
        let mut patch = Patch::of(there);
        let is_new = |hold: &&Hold| {
            there.compute.as_ref() != Some(&hold.compute) && !there.releases.contains(hold)
        };
        let new: Vec<Hold> = left.iter().filter(is_new).cloned().collect();
        if !new.is_empty() {
            patch.releases = Some([&there.releases[..], &new].concat());
        }
        patch
    }

    /// When something that is not wanted goes. What a pod lost that is still there, by an edit of its binding or its
    /// identity, goes at once. That of a pod that is gone, or has moved, lingers: its successor may need it in a moment. So
    /// does that of a node that is gone, which may be back in a moment.
    fn due(
        &mut self,
        there: &Record,
        hold: &Hold,
        wanted: Option<&Assignment>,
        now: Instant,
    ) -> Instant {
        let unwanted = self.unwanted.entry(there.object.clone()).or_default();
        let since = *unwanted.entry(hold.clone()).or_insert(now);
        let was_edited = match wanted {
            Some(wanted) => self.index.compute(&wanted.node) == Some(&hold.compute),
            None => self.index.pod(&there.pod).is_some() && self.index.node(&there.node).is_some(),
        };
        match was_edited {
            true => since + self.settings.coalesce,
            false => since + self.settings.linger,
        }
    }

    /// All that a record may hold: what it notes, and what its node tells.
    fn holds(&self, there: &Record) -> Vec<Hold> {
        let mut holds = there.releases.clone();
        let resource = there.resource.as_ref();
        let resource = resource.filter(|_| there.state != AssignedState::Unassigned);
        let computes = there.compute.iter().chain(self.index.compute(&there.node));
        for (compute, resource) in computes.zip(resource.into_iter().cycle()) {
            let (compute, resource) = (compute.clone(), resource.clone());
            let hold = Hold { compute, resource };
            if !holds.contains(&hold) {
                holds.push(hold);
            }
        }
        holds
    }

    /// Whether one of them is this, without what it is about to let go.
    fn may_hold(&self, there: &Record, hold: &Hold) -> bool {
        let is_there = |compute: &ComputeId| *compute == hold.compute;
        there.state != AssignedState::Unassigned
            && there.resource.as_ref() == Some(&hold.resource)
            && (there.compute.as_ref().is_some_and(is_there)
                || self.index.compute(&there.node).is_some_and(is_there))
    }

    /// Whether a record makes sure that somebody will care for it.
    pub(super) fn speaks(&self, there: &Record, hold: &Hold) -> bool {
        there.finalized && self.may_hold(there, hold)
    }

    fn unsettled(&self, holds: &[Hold], record: &ObjectRef) -> Vec<Hold> {
        let open = |hold: &&Hold| !self.is_settled(hold, record);
        holds.iter().filter(open).cloned().collect()
    }

    /// Whether this record need not care for it: it is gone, or must stay, or it is wanted and a record is there that speaks
    /// of it.
    fn is_settled(&self, hold: &Hold, record: &ObjectRef) -> bool {
        let must_stay = || {
            let there = self.index.record(record);
            there.is_some_and(|there| self.is_immutable(hold, there))
        };
        self.is_absent(hold) || must_stay() || self.is_spoken_for(hold)
    }

    fn is_spoken_for(&self, hold: &Hold) -> bool {
        let machine = self.machines.get(&hold.compute);
        let wanted = machine.and_then(|machine| machine.wanted.get(&hold.resource));
        let speaks = |other: &ObjectRef| {
            let there = self.index.record(other);
            there.is_some_and(|there| self.speaks(there, hold))
        };
        wanted.is_some_and(|wanted| wanted.iter().any(speaks))
    }

    fn is_present(&self, hold: &Hold) -> bool {
        let machine = self.machines.get(&hold.compute);
        machine.is_some_and(|machine| machine.is_present(&hold.resource))
    }

    fn is_absent(&self, hold: &Hold) -> bool {
        let machine = self.machines.get(&hold.compute);
        machine.is_some_and(|machine| machine.is_absent(&hold.resource))
    }

    fn wait_for(&mut self, hold: &Hold, record: &ObjectRef, now: Instant) {
        let machine = self.machines.entry(hold.compute.clone()).or_default();
        machine.add(&hold.resource, record, now);
        self.waits
            .entry(record.clone())
            .or_default()
            .push(hold.clone());
        self.stirred.insert(hold.compute.clone());
    }

    fn wait_for_end_of(&mut self, hold: &Hold, record: &ObjectRef, due: Instant) {
        let machine = self.machines.entry(hold.compute.clone()).or_default();
        machine.remove(&hold.resource, record, due);
        self.waits
            .entry(record.clone())
            .or_default()
            .push(hold.clone());
        self.stirred.insert(hold.compute.clone());
    }

    fn wait_no_longer(&mut self, record: &ObjectRef) {
        for hold in self.waits.remove(record).unwrap_or_default() {
            let machine = self.machines.get_mut(&hold.compute);
            if machine.is_some_and(|machine| machine.withdraw(&hold.resource, record)) {
                self.stirred.insert(hold.compute);
            }
        }
    }

    fn tell_outbid(&mut self, record: &ObjectRef) {
        let Some(winner) = self.desired.winner(record) else {
            return;
        };
        let losers = self.desired.losers(record).iter();
        let notices: Vec<Notice> = losers.map(|loser| Notice::outbid(loser, winner)).collect();
        self.tell(notices);
    }
}
