//! What somebody else does: changes by hand, deletions, other people's operations.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::clock::{Due, settle, settle_at};
use super::operation::tell_imds;
use super::settings::SystemIdentity;
use super::state::Arm;
use crate::sim::World;

/// Identities that somebody adds and removes by hand, at once and without an operation.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct HandChange {
    /// The virtual machine or scale set.
    pub compute: String,
    /// Resource ids of user-assigned identities; they need not exist.
    #[serde(default)]
    pub add: Vec<String>,
    /// Likewise.
    #[serde(default)]
    pub remove: Vec<String>,
}

/// A provisioning state that somebody else's operation brings about.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct StateChange {
    /// The virtual machine or scale set.
    pub compute: String,
    /// `Deleting`: changes are refused. `Updating`: they are a conflict until `Succeeded` or `Failed` follows.
    pub state: String,
}

/// Whose operation it is that has no name of ours.
const FOREIGN: &str = "somebody else's";

/// What the operation says that gave way (reported by users of virtual machines).
pub(super) const PREEMPTED: (&str, &str) = (
    "OperationPreempted",
    "Operation execution has been preempted by a more recent operation.",
);

/// The same where the more recent operation is a deletion.
const PREEMPTED_BY_DELETE: (&str, &str) = (
    "OperationPreemptedByDelete",
    "Operation execution has been preempted by a delete operation.",
);

impl Arm {
    fn change_by_hand(&self, change: &HandChange) -> bool {
        let mut state = self.lock();
        let Some(resource) = state.resources.get_mut(&change.compute.to_lowercase()) else {
            return false;
        };
        resource
            .assigned
            .extend(change.add.iter().map(|id| (id.to_lowercase(), id.clone())));
        change.remove.iter().for_each(|id| {
            resource.assigned.remove(&id.to_lowercase());
        });
        resource.version += 1;
        true
    }

    fn enable_system(&self, compute: &str, identity: SystemIdentity) -> bool {
        let mut state = self.lock();
        let Some(resource) = state.resources.get_mut(&compute.to_lowercase()) else {
            return false;
        };
        resource.system = Some(identity);
        resource.version += 1;
        true
    }

    fn set_state(&self, change: &StateChange) -> bool {
        let mut state = self.lock();
        let Some(resource) = state.resources.get_mut(&change.compute.to_lowercase()) else {
            return false;
        };
        resource.state.clone_from(&change.state);
        resource.running = (change.state == "Updating").then(|| FOREIGN.to_owned());
        resource.version += 1;
        true
    }

    /// Gives up our operation in favour of somebody else's, which brings about this state.
    fn preempt(&self, id: &str, by: (&str, &str), state: &str) -> bool {
        self.lock().cancel(&id.to_lowercase(), by.0, by.1);
        let change = StateChange {
            compute: id.to_owned(),
            state: state.to_owned(),
        };
        self.set_state(&change)
    }
}

/// Returns whether the virtual machine or scale set is there.
pub(crate) fn change(world: &World, change: &HandChange) -> bool {
    let there = world.arm.change_by_hand(change);
    tell_imds(world);
    there
}

/// Likewise.
pub(crate) fn enable_system(world: &World, compute: &str, identity: SystemIdentity) -> bool {
    let there = world.arm.enable_system(compute, identity);
    tell_imds(world);
    there
}

/// Likewise.
pub(crate) fn set_state(world: &World, change: &StateChange) -> bool {
    world.arm.set_state(change)
}

/// Likewise.
pub(crate) fn preempt(world: &World, id: &str) -> bool {
    world.arm.preempt(id, PREEMPTED, "Updating")
}

/// Likewise. It is `Deleting` for this time, and then not there any more.
pub(crate) fn delete(world: &Arc<World>, id: &str, time: Duration) -> bool {
    if !world.arm.preempt(id, PREEMPTED_BY_DELETE, "Deleting") {
        return false;
    }
    let due = {
        let mut state = world.arm.lock();
        let due = state.clock.now() + time;
        state.agenda.add(due, Due::Gone(id.to_lowercase()));
        due
    };
    match time.is_zero() {
        true => settle(world),
        false => settle_at(world, due),
    }
    true
}
