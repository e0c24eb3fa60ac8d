//! What is wanted: for each record the assignment that has it.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use podgate_api::ObjectRef;

use crate::matching::Assignment;

/// The assignments of all pods, by the record that says each. Two pods can mean one record, since the old
/// controller's rule for names is ambiguous; the first by precedence has it, and the others are told.
#[derive(Debug, Default)]
pub(super) struct Desired {
    /// In order of precedence; never empty.
    claims: HashMap<ObjectRef, Vec<Assignment>>,
    records_of_pod: HashMap<ObjectRef, Vec<ObjectRef>>,
}

impl Desired {
    /// Says what a pod is to have from now on. Answers with the records that may be meant otherwise now.
    pub(super) fn set(
        &mut self,
        pod: &ObjectRef,
        assignments: Vec<Assignment>,
    ) -> BTreeSet<ObjectRef> {
        let before = self.records_of_pod.remove(pod).unwrap_or_default();
        for record in &before {
            self.withdraw(record, pod);
        }
        let records: Vec<ObjectRef> = assignments
            .iter()
            .map(|assignment| assignment.record.clone())
            .collect();
        for assignment in assignments {
            self.claim(assignment);
        }
        let touched = before.into_iter().chain(records.iter().cloned()).collect();
        if !records.is_empty() {
            self.records_of_pod.insert(pod.clone(), records);
        }
        touched
    }

    /// Who has a record.
    pub(super) fn winner(&self, record: &ObjectRef) -> Option<&Assignment> {
        self.claims.get(record).and_then(|claims| claims.first())
    }

    /// Who would have had it.
    pub(super) fn losers(&self, record: &ObjectRef) -> &[Assignment] {
        self.claims.get(record).map_or(&[], |claims| &claims[1..])
    }

    /// All records that are wanted.
    pub(super) fn records(&self) -> impl Iterator<Item = &ObjectRef> {
        self.claims.keys()
    }

    fn claim(&mut self, assignment: Assignment) {
        match self.claims.entry(assignment.record.clone()) {
            // Nearly always the only one: room for one.
            Entry::Vacant(vacant) => drop(vacant.insert(vec![assignment])),
            Entry::Occupied(mut claims) => {
                let claims = claims.get_mut();
                claims.push(assignment);
                claims.sort_by(|one, other| one.precedence().cmp(&other.precedence()));
            }
        }
    }

    fn withdraw(&mut self, record: &ObjectRef, pod: &ObjectRef) {
        if let Some(claims) = self.claims.get_mut(record) {
            claims.retain(|claim| claim.pod != *pod);
            if claims.is_empty() {
                self.claims.remove(record);
            }
        }
    }
}
