//! What could not be undone, and why.

use std::collections::BTreeMap;
use std::fmt;

use podgate_api::ObjectRef;
use podgate_azure::arm::ComputeId;

use super::census::Census;
use crate::index::Index;
use crate::record::Record;

/// What to do about it.
pub(super) const ADVICE: &str = "mend what Azure or the API server say and run it again, or run it with --force: the \
    records go then, and the identities stay on these machines, where any pod reaches them once podgate's rules are gone";

/// Records that are told by name.
const TOLD: usize = 20;

/// The records that are still there, each with the reason.
#[derive(Debug)]
pub(super) struct Left(Vec<String>);

/// What failed last, of everything that something was tried of.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    all: Option<String>,
    machines: BTreeMap<ComputeId, String>,
    records: BTreeMap<ObjectRef, String>,
}

impl Troubles {
    /// One that concerns everything.
    pub(super) fn of_all(problem: &anyhow::Error) -> Self {
        Self {
            all: Some(format!("{problem:#}")),
            ..Self::default()
        }
    }

    /// What became of a request to Azure.
    pub(super) fn answered(&mut self, machine: &ComputeId, problem: Option<String>) {
        match problem {
            Some(problem) => drop(self.machines.insert(machine.clone(), problem)),
            None => drop(self.machines.remove(machine)),
        }
    }

    /// What became of a write.
    pub(super) fn wrote(&mut self, record: &ObjectRef, problem: Option<String>) {
        match problem {
            Some(problem) => drop(self.records.insert(record.clone(), problem)),
            None => drop(self.records.remove(record)),
        }
    }

    fn of(&self, record: &Record, machine: Option<&ComputeId>) -> &str {
        let of_machine = || machine.and_then(|machine| self.machines.get(machine));
        let known = self.records.get(&record.object).or_else(of_machine);
        let known = known.or(self.all.as_ref());
        known.map_or("there was not enough time", String::as_str)
    }
}

impl Left {
    /// Of everything that is known to be there.
    pub(super) fn of(index: &Index, census: &Census, troubles: &Troubles) -> Self {
        let readable = index.records().map(|record| line(index, record, troubles));
        let unreadable = census.unreadable().iter();
        let unreadable = unreadable.map(|(name, why)| format!("{name} cannot be read: {why}"));
        let mut lines: Vec<String> = readable.chain(unreadable).collect();
        lines.sort_unstable();
        Self(lines)
    }

    /// Nothing is.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn line(index: &Index, record: &Record, troubles: &Troubles) -> String {
    let of_node = || index.node(&record.node)?.compute.as_ref().ok();
    let machine = record.compute.as_ref().or_else(of_node);
    let name = &record.object;
    let why = troubles.of(record, machine);
    match (&record.resource, machine) {
        (Some(identity), Some(machine)) => {
            format!("{name} ({identity} on {}): {why}", machine.as_str())
        }
        (Some(identity), None) => format!("{name} ({identity} on node {}): {why}", record.node),
        (None, _) => format!("{name}: {why}"),
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "AzureAssignedIdentities are left, {} of them:",
            self.0.len()
        )?;
        for line in self.0.iter().take(TOLD) {
            write!(f, "\n  {line}")?;
        }
        match self.0.len().saturating_sub(TOLD) {
            0 => Ok(()),
            more => write!(f, "\n  {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_much_is_left_twenty_are_named_and_all_are_counted() {
        let left = Left(
            (0..1_000)
                .map(|number| format!("shop/{number}: no"))
                .collect(),
        );
        let told = left.to_string();
        assert!(told.contains("1000 of them") && told.ends_with("\n  980 more"));
        assert_eq!(told.matches(": no").count(), TOLD);
        assert!(!Left(vec![String::new()]).to_string().contains("more"));
    }

    #[test]
    fn what_was_mended_is_no_trouble_any_more() {
        let mut troubles = Troubles::default();
        let machine: ComputeId =
            "azure:///subscriptions/5ab50000-0000-4000-8000-000000000001/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/m"
                .parse()
                .unwrap();
        troubles.answered(&machine, Some("throttled".to_owned()));
        assert_eq!(troubles.machines.len(), 1);
        troubles.answered(&machine, None);
        assert!(troubles.machines.is_empty());
    }
}
