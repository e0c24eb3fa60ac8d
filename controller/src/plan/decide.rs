//! What to do about one record. The only place where it is decided.

use std::sync::Arc;
use std::time::Instant;

use podgate_api::{AssignedState, ObjectRef};
use podgate_azure::arm::ComputeKind;

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
        if wanted.is_some() || there.is_none() {
            self.unwanted.remove(record);
        }
        let before = there.clone();
        let write = match (wanted, there) {
            (None, None) => {
                self.failing.remove(record);
                None
            }
            (Some(wanted), None) => Some(self.create(&wanted)),
            // It ends with somebody else's finalizer, and then another one is made.
            (_, Some(there)) if there.deleting && !there.finalized => None,
            (None, Some(there)) => self.release(&there, now),
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

    fn create(&self, wanted: &Assignment) -> Write {
        let state = self.first_state(wanted, None);
        Write::Create(Box::new(record::write(wanted, state, None)))
    }

    /// The same object with another content: what it held is noted in it before anything is done about that.
    fn replace(&self, wanted: &Assignment, there: &Record) -> Write {
        let state = self.first_state(wanted, Some(there));
        let holds = self.holds(there).into_iter();
        let releases: Vec<Hold> = holds
            .filter(|hold| wanted.hold.as_ref() != Some(hold))
            .collect();
        Write::Replace(Box::new(record::write(
            wanted,
            state,
            Some((there, &releases)),
        )))
    }

    /// Where the machine holds what is needed, nothing has to be waited for.
    fn first_state(&self, wanted: &Assignment, before: Option<&Record>) -> AssignedState {
        let same = |before: &Record| {
            before.state == AssignedState::Assigned && self.own_hold(before) == wanted.hold
        };
        match &wanted.hold {
            None => AssignedState::Assigned,
            Some(hold) if self.is_present(hold) || before.is_some_and(same) => {
                AssignedState::Assigned
            }
            Some(_) => AssignedState::Created,
        }
    }

    /// A record that says what is wanted: is it so yet?
    fn advance(&mut self, wanted: &Assignment, there: &Arc<Record>, now: Instant) -> Option<Write> {
        let mut patch = Patch::of(there);
        let held = wanted
            .hold
            .as_ref()
            .is_none_or(|hold| self.is_present(hold));
        match (&there.state, &wanted.hold) {
            (AssignedState::Assigned, None) => {}
            (AssignedState::Assigned, Some(hold)) if !self.is_absent(hold) => {}
            (AssignedState::Assigned, Some(hold)) => {
                self.tell([Notice::drifted(wanted, &hold.compute)]);
                self.wait_for(hold, &there.object, now);
            }
            _ if held => patch.state = Some(AssignedState::Assigned),
            (_, Some(hold)) => self.wait_for(hold, &there.object, now),
            (_, None) => unreachable!("what needs nothing is held"),
        }
        let left = self.unsettled(&there.releases, &there.object);
        for hold in &left {
            self.wait_for_end_of(hold, &there.object, now);
        }
        patch.releases = (left.len() < there.releases.len()).then_some(left);
        (!patch.is_empty()).then_some(Write::Patch(patch))
    }

    /// A record that nobody wants: it goes when nothing is held for its sake any more. One that is wanted stays even where
    /// somebody deleted it: without it nothing would speak of what the machine holds.
    fn release(&mut self, there: &Arc<Record>, now: Instant) -> Option<Write> {
        let left = self.unsettled(&self.holds(there), &there.object);
        if left.is_empty() {
            return Some(Write::Remove(Removal::of(there)));
        }
        let due = self.due(there, now);
        for hold in &left {
            self.wait_for_end_of(hold, &there.object, due);
        }
        None
    }

    /// A pod that is there and no longer bound loses its identity at once. That of a pod that is gone lingers: its
    /// successor may need it in a moment.
    fn due(&mut self, there: &Record, now: Instant) -> Instant {
        let since = *self.unwanted.entry(there.object.clone()).or_insert(now);
        match self.index.pod(&there.pod) {
            Some(_) => since,
            None => since + self.settings.linger,
        }
    }

    /// All that a record may hold.
    fn holds(&self, there: &Record) -> Vec<Hold> {
        let own = self
            .own_hold(there)
            .filter(|_| there.state != AssignedState::Unassigned);
        let mut holds = there.releases.clone();
        holds.extend(own.filter(|own| !there.releases.contains(own)));
        holds
    }

    fn own_hold(&self, there: &Record) -> Option<Hold> {
        let of_node = || self.index.node(&there.node)?.compute.clone().ok();
        Some(Hold {
            resource: there.resource.clone()?,
            compute: there.compute.clone().or_else(of_node)?,
        })
    }

    fn unsettled(&self, holds: &[Hold], record: &ObjectRef) -> Vec<Hold> {
        let open = |hold: &&Hold| !self.is_settled(hold, record);
        holds.iter().filter(open).cloned().collect()
    }

    /// Whether this record need not care for it: it is gone, or went with its machine, or must stay, or another record is
    /// there that speaks of it.
    fn is_settled(&self, hold: &Hold, record: &ObjectRef) -> bool {
        let went = hold.compute.kind() == ComputeKind::VirtualMachine
            && !self.index.has_nodes(&hold.compute);
        let must_stay = || {
            let there = self.index.record(record);
            there.is_some_and(|there| self.is_immutable(hold, there))
        };
        went || self.is_absent(hold) || must_stay() || self.is_spoken_for(hold)
    }

    /// What is wanted of a machine is never what the asking record has to let go, so every one of these is another.
    fn is_spoken_for(&self, hold: &Hold) -> bool {
        let machine = self.machines.get(&hold.compute);
        let wanted = machine.and_then(|machine| machine.wanted.get(&hold.resource));
        let speaks = |other: &ObjectRef| {
            let there = self.index.record(other);
            there.is_some_and(|there| self.own_hold(there).as_ref() == Some(hold))
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
            if let Some(machine) = self.machines.get_mut(&hold.compute) {
                machine.withdraw(&hold.resource, record);
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
