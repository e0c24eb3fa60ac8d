//! What is asked of Azure for each machine, and what its answers mean for the records.

use std::collections::BTreeSet;
use std::time::Instant;

use podgate_api::{AssignedState, ObjectRef, ResourceId};
use podgate_azure::arm::{ArmError, Compute, ComputeId};

use super::holdings::{Holdings, Next, Tally};
use super::notice::Notice;
use super::queue::Wake;
use super::{Effect, Plan, Settings};
use crate::record::Record;

impl Plan {
    /// Does something with a machine, and counts again what is counted of it.
    fn with_machine<T>(
        &mut self,
        id: &ComputeId,
        act: impl FnOnce(&mut Holdings, &Settings) -> T,
    ) -> Option<T> {
        let machine = self.machines.get_mut(id)?;
        let before = machine.tally();
        let outcome = act(machine, &self.settings);
        self.tally.exchange(before, machine.tally());
        Some(outcome)
    }

    pub(super) fn forget(&mut self, id: &ComputeId) {
        if let Some(machine) = self.machines.remove(id) {
            self.tally.exchange(machine.tally(), Tally::default());
        }
    }

    pub(super) fn ask(&mut self, id: ComputeId, now: Instant) -> Option<Effect> {
        let (next, forgettable) = self.with_machine(&id, |machine, settings| {
            let next = machine.next(settings, now);
            (next, machine.forgettable_at(settings, now))
        })?;
        match (next, forgettable) {
            (Next::Ask(ask), _) => return Some(Effect::Azure(id, ask)),
            (Next::Wait(at), _) => self.timers.set(at, Wake::Compute(id)),
            (Next::Idle, Some(at)) if at > now => self.timers.set(at, Wake::Compute(id)),
            (Next::Idle, Some(_)) => self.forget(&id),
            (Next::Idle, None) => {}
        }
        None
    }

    /// Azure's answer to an [`Ask`](super::Ask): what is there now, or why it could not be done.
    pub fn answered(&mut self, id: &ComputeId, answer: Result<Compute, ArmError>, now: Instant) {
        let has_nodes = self.index.has_nodes(id);
        let vouched = self.vouched(id);
        let outcome = self.with_machine(id, |machine, settings| match &answer {
            Ok(compute) => machine.answered(compute, &vouched, settings, now),
            Err(error) => machine.failed(error, has_nodes, settings, now),
        });
        let Some(outcome) = outcome else { return };
        if let Err(error) = &answer {
            self.tell_refused(id, &outcome.refused, error);
            self.tell_stuck(id, &outcome.stuck, error);
        }
        for record in &outcome.records {
            self.look(record);
        }
        self.stirred.insert(id.clone());
    }

    /// Identities of a machine that a record says are there.
    fn vouched(&self, id: &ComputeId) -> BTreeSet<ResourceId> {
        let is_assigned = |record: &ObjectRef| {
            let there = self.index.record(record);
            there.is_some_and(|there| there.state == AssignedState::Assigned)
        };
        let wanted = self.machines.get(id).into_iter().flat_map(|m| &m.wanted);
        wanted
            .filter(|(_, records)| records.iter().any(is_assigned))
            .map(|(resource, _)| resource.clone())
            .collect()
    }

    /// Once for each binding, however many pods wait.
    fn tell_refused(&mut self, id: &ComputeId, refused: &[ResourceId], error: &ArmError) {
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

    /// Once for each identity, of the first record that waits for its end.
    fn tell_stuck(&mut self, id: &ComputeId, stuck: &[ResourceId], error: &ArmError) {
        let machine = &self.machines[id];
        let record = |resource| self.index.record(machine.leaving(resource).next()?);
        let records = stuck.iter().filter_map(record);
        let notices: Vec<Notice> = records
            .flat_map(|record| Notice::not_removed(record, self.uid_of_binding(record), id, error))
            .collect();
        self.tell(notices);
    }

    /// Of the binding that a record came by, where it is still there.
    pub(super) fn uid_of_binding(&self, record: &Record) -> &str {
        let binding = self.index.binding(&record.binding);
        binding.map_or("", |binding| &binding.uid)
    }
}
