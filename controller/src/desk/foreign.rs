//! Which identities of others were told of.

use std::collections::{BTreeMap, BTreeSet};

use podgate_api::ResourceId;
use podgate_azure::arm::ComputeId;

/// Identities of one machine that a log line names.
const NAMED: usize = 20;

/// What was on each machine when it was last told.
#[derive(Debug, Default)]
pub(super) struct Foreign(BTreeMap<ComputeId, BTreeSet<ResourceId>>);

impl Foreign {
    /// Azure answered about a machine, and this is what is foreign on all of them. What there is to tell about it: nothing
    /// where all is as it was, or where nothing is left.
    pub(super) fn answered<'a>(
        &mut self,
        machine: &ComputeId,
        foreign: impl Iterator<Item = (&'a ComputeId, &'a ResourceId)>,
    ) -> Option<String> {
        let (mut known, mut now) = (BTreeSet::new(), BTreeSet::new());
        for (id, identity) in foreign {
            known.insert(id);
            if id == machine {
                now.insert(identity.clone());
            }
        }
        // Machines go, and new ones come under new names.
        self.0.retain(|id, _| known.contains(id));
        if now.is_empty() || self.0.get(machine) == Some(&now) {
            return None;
        }
        let told = told(&now);
        self.0.insert(machine.clone(), now);
        Some(told)
    }
}

fn told(identities: &BTreeSet<ResourceId>) -> String {
    let named: Vec<&str> = identities
        .iter()
        .take(NAMED)
        .map(ResourceId::as_str)
        .collect();
    let named = named.join(", ");
    match identities.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(name: &str) -> ComputeId {
        format!(
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/{name}"
        )
        .parse()
        .unwrap()
    }

    fn identity(number: usize) -> ResourceId {
        let path = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities";
        format!("{path}/id-{number:02}").parse().unwrap()
    }

    #[test]
    fn what_is_foreign_is_told_when_it_changes_and_only_then() {
        let (a, b) = (machine("a"), machine("b"));
        let (one, two) = (identity(1), identity(2));
        let mut foreign = Foreign::default();
        assert_eq!(foreign.answered(&a, [].into_iter()), None);
        let told = foreign.answered(&a, [(&a, &one), (&b, &two)].into_iter());
        assert_eq!(told.as_deref(), Some(one.as_str()), "of this machine alone");
        assert_eq!(foreign.answered(&a, [(&a, &one)].into_iter()), None);
        let told = foreign.answered(&a, [(&a, &one), (&a, &two)].into_iter());
        assert!(told.is_some_and(|told| told.contains("id-01, ") && told.contains("id-02")));
        assert_eq!(
            foreign.answered(&a, [].into_iter()),
            None,
            "no news is left"
        );
        assert!(
            foreign.0.is_empty(),
            "a machine that has none costs nothing"
        );
        assert!(foreign.answered(&a, [(&a, &one)].into_iter()).is_some());
    }

    #[test]
    fn a_line_names_twenty_and_counts_the_rest() {
        let a = machine("a");
        let identities: Vec<ResourceId> = (0..25).map(identity).collect();
        let all = identities.iter().map(|identity| (&a, identity));
        let told = Foreign::default().answered(&a, all).unwrap();
        assert!(told.ends_with("id-19 and 5 more"), "{told}");
    }
}
