//! The change of a resource's identities, and the next request that brings it about.
//!
//! Facts: "Configure managed identities on virtual machine scale sets using REST" of Microsoft's Entra documents,
//! and what aad-pod-identity sent for years. A PATCH merges: what it does not name stays; `null` removes.

use std::collections::BTreeSet;

use podgate_api::ResourceId;
use serde_json::{Map, Value, json};

use super::compute::{Compute, Etag, IdentityType};

/// Identities that one request may name. Azure's own limit is not documented; aad-pod-identity met it in the
/// field, and 150 is the number it sent afterwards.
pub const MAX_IDENTITIES: usize = 150;

/// What is wanted of a resource. An identity in both sets is added: an add must never lose to a remove.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdentityChange {
    /// To be there.
    pub add: BTreeSet<ResourceId>,
    /// To be gone.
    pub remove: BTreeSet<ResourceId>,
}

/// One request. Only [`next`](Self::next) makes one, out of a resource as it is: the type that a PATCH must carry
/// depends on what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityPatch {
    identity: IdentityType,
    add: Vec<ResourceId>,
    /// In the spelling of the resource.
    remove: Vec<ResourceId>,
    if_match: Option<Etag>,
}

// === impl IdentityChange ===

impl IdentityChange {
    /// What of it is still to be done on a resource as it is.
    pub(super) fn left(&self, compute: &Compute) -> Vec<ResourceId> {
        let missing = self.add.iter().filter(|id| !compute.has(id));
        let unwanted = self
            .remove
            .difference(&self.add)
            .filter(|id| compute.has(id));
        missing.chain(unwanted).cloned().collect()
    }
}

// === impl IdentityPatch ===

impl IdentityPatch {
    /// The next request towards `change`, `None` where everything is as wanted. Identities that nobody named,
    /// and the system-assigned one, stay as they are.
    ///
    /// Adds come first, so that they never wait for removes; one request names at most [`MAX_IDENTITIES`], so a
    /// large change needs several, each made from a new look at the resource.
    pub fn next(compute: &Compute, change: &IdentityChange) -> Option<Self> {
        let missing = change.add.iter().filter(|id| !compute.has(id));
        let add: Vec<ResourceId> = missing.take(MAX_IDENTITIES).cloned().collect();
        let spelt = |id: &ResourceId| compute.user_assigned.get_key_value(id);
        let unwanted = change.remove.difference(&change.add).filter_map(spelt);
        let room = MAX_IDENTITIES - add.len();
        let remove: Vec<ResourceId> = unwanted.map(|(id, _)| id).take(room).cloned().collect();
        match add.is_empty() && remove.is_empty() {
            true => None,
            false => Some(Self::new(compute, add, remove)),
        }
    }

    fn new(compute: &Compute, add: Vec<ResourceId>, remove: Vec<ResourceId>) -> Self {
        let left = compute.user_assigned.len() + compute.unreadable + add.len() - remove.len();
        let system = compute.identity.has_system_assigned();
        Self {
            identity: IdentityType::of(system, left > 0),
            add,
            remove,
            // A type takes what it does not name, also what came after the look: then nothing must have.
            if_match: compute.etag.clone().filter(|_| left == 0 || !system),
        }
    }

    /// The etag that the resource must still have: there where the type lacks one of the two kinds, which would take an
    /// identity of that kind that somebody has just assigned.
    pub fn if_match(&self) -> Option<&Etag> {
        self.if_match.as_ref()
    }

    /// `{"identity": …}` and nothing else.
    pub(super) fn body(&self) -> Value {
        let mut identity = json!({"type": self.identity.as_str()});
        // With `None` or `SystemAssigned` ARM refuses a list, even one that only removes.
        if matches!(
            self.identity,
            IdentityType::UserAssigned | IdentityType::Both
        ) {
            identity["userAssignedIdentities"] = Value::Object(self.list());
        }
        json!({"identity": identity})
    }

    /// New ones in lower case: ARM compares so, and two spellings of one id in a request are refused.
    fn list(&self) -> Map<String, Value> {
        let add = self
            .add
            .iter()
            .map(|id| (id.as_str().to_ascii_lowercase(), json!({})));
        let remove = self.remove.iter().map(|id| (id.to_string(), Value::Null));
        add.chain(remove).collect()
    }
}

#[cfg(test)]
mod tests;
