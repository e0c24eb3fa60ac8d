//! What a test does to ARM from outside.

use std::time::Duration;

use super::counts::ArmCalls;
use super::{Compute, HandChange, StateChange, SystemIdentity, clock, hand, operation};
use crate::{AzureSim, ManagedIdentity};

impl AzureSim {
    /// ARM, with a trailing slash: `https://localhost:PORT/`.
    pub fn arm_url(&self) -> String {
        self.world.arm_url.clone()
    }

    /// The virtual machines and scale sets, as they are now.
    pub fn computes(&self) -> Vec<Compute> {
        self.world.arm.computes()
    }

    /// One of them.
    pub fn compute(&self, id: &str) -> Option<Compute> {
        self.world.arm.compute(id)
    }

    /// Adds a virtual machine or scale set; one with the same id is replaced. Returns whether the id is one.
    pub fn add_compute(&self, compute: &Compute) -> bool {
        let added = self.world.arm.add_compute(compute);
        operation::tell_imds(&self.world);
        added
    }

    /// Deletes one at once. Returns whether it was there.
    pub fn remove_compute(&self, id: &str) -> bool {
        let removed = self.world.arm.remove_compute(id);
        operation::tell_imds(&self.world);
        removed
    }

    /// Somebody deletes one: an operation of ours gives way (`OperationPreemptedByDelete`), the state is `Deleting` for
    /// so long, and then it is not there any more. Returns whether it was there.
    pub fn delete_compute(&self, id: &str, time: Duration) -> bool {
        hand::delete(&self.world, id, time)
    }

    /// Creates a user-assigned identity, which is then there to be assigned.
    pub fn add_arm_identity(&self, identity: ManagedIdentity) {
        self.world.arm.add_identity(identity);
        operation::tell_imds(&self.world);
    }

    /// Deletes one; where it is assigned it stays, without its ids. Returns whether it was there.
    pub fn remove_arm_identity(&self, resource_id: &str) -> bool {
        let removed = self.world.arm.remove_identity(resource_id);
        operation::tell_imds(&self.world);
        removed
    }

    /// Gives or takes the role to assign this identity (Managed Identity Operator); without it a change that adds it
    /// is `LinkedAuthorizationFailed`.
    pub fn set_assignable(&self, resource_id: &str, assignable: bool) {
        self.world.arm.set_assignable(resource_id, assignable);
    }

    /// Somebody adds and removes identities by hand. Returns whether the virtual machine or scale set is there.
    pub fn change_by_hand(&self, change: &HandChange) -> bool {
        hand::change(&self.world, change)
    }

    /// Somebody enables the system-assigned identity, at once and without an operation. Returns whether the virtual machine
    /// or scale set is there.
    pub fn enable_system_assigned(&self, compute: &str, identity: SystemIdentity) -> bool {
        hand::enable_system(&self.world, compute, identity)
    }

    /// Somebody else's operation. Returns whether the virtual machine or scale set is there.
    pub fn set_compute_state(&self, change: &StateChange) -> bool {
        hand::set_state(&self.world, change)
    }

    /// Somebody else's newer operation takes the place of ours, which ends `Canceled` with `OperationPreempted` and
    /// without effect. Changes are a conflict until [`set_compute_state`](Self::set_compute_state) says `Succeeded`.
    /// Returns whether the virtual machine or scale set is there.
    pub fn preempt(&self, id: &str) -> bool {
        hand::preempt(&self.world, id)
    }

    /// How long changes take that begin from now on. Zero: they are done when they are answered.
    pub fn set_operation_time(&self, time: Duration) {
        let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.world.arm.set_operation_ms(milliseconds);
    }

    /// How many calls of each kind came to ARM since the start or the last [`clear_calls`](Self::clear_calls).
    pub fn arm_calls(&self) -> ArmCalls {
        let mut counts = ArmCalls::default();
        self.world.record.each(|call| counts.add(call));
        counts
    }

    /// Lets time pass at ARM, for operations, deletions and throttling buckets: what was due by then has happened when
    /// this returns. With [`ArmSettings::manual_time`](crate::ArmSettings::manual_time) no other time passes there.
    pub fn advance(&self, time: Duration) {
        clock::advance(&self.world, time);
    }
}
