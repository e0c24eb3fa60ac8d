//! Azure.

use std::collections::BTreeSet;
use std::time::Duration;

use podgate_api::{ClientId, ResourceId};
use podgate_azure::arm::{
    ArmError, AssignedIds, Compute, ComputeId, ErrorClass, IdentityChange, IdentityType as ArmType,
    ProvisioningState, Scope,
};

use super::Model;
use crate::index::Node;
use crate::plan::Ask;

/// A virtual machine or scale set.
#[derive(Default)]
pub(in crate::plan::tests) struct Machine {
    pub(in crate::plan::tests) present: BTreeSet<ResourceId>,
    /// Not ours: there from the beginning.
    pub(in crate::plan::tests) foreign: BTreeSet<ResourceId>,
    /// Nothing noted whose it was: it stays, unless somebody else has it and lets it go.
    pub(super) lost: BTreeSet<ResourceId>,
    /// The client id that Azure tells of each identity, if it does.
    pub(in crate::plan::tests) client_id: Option<ClientId>,
    pub(in crate::plan::tests) mood: Mood,
    pub(super) gone: bool,
}

/// What Azure says of a machine besides the truth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::plan::tests) enum Mood {
    #[default]
    Well,
    /// Somebody's change is under way.
    Updating,
    /// It says that it is being deleted.
    Deleting,
    /// It says that it is not there, though nodes of it are.
    NotFound,
    /// It takes no change of more than one identity, and does not say why.
    Fussy,
    /// It does what it is asked, and nobody hears of it.
    Deaf,
    /// It takes no change at all.
    Shut,
    /// It lets nothing go, and says what.
    Stubborn,
}

impl Model {
    fn refusal(&self, id: &ComputeId) -> Option<ErrorClass> {
        let is_seen = |node: &_| Node::read(node).compute.as_ref() == Ok(id);
        let machine = self.azure.get(id).filter(|machine| !machine.gone);
        match machine.map(|machine| machine.mood) {
            _ if self.throttles => Some(ErrorClass::Throttled {
                retry_after: Duration::from_secs(7),
                scope: Scope::Subscription,
            }),
            None => Some(ErrorClass::NotFound),
            Some(Mood::Deleting) => Some(ErrorClass::Deleting),
            Some(Mood::NotFound) if self.seen.nodes.values().any(is_seen) => {
                Some(ErrorClass::NotFound)
            }
            Some(_) => None,
        }
    }

    pub(in crate::plan::tests) fn azure(
        &mut self,
        id: &ComputeId,
        ask: &Ask,
    ) -> Result<Compute, ArmError> {
        self.looks += 1;
        if let Some(class) = self.refusal(id) {
            return Err(super::error(class));
        }
        if let Ask::Change(change) = ask {
            let mood = self.azure[id].mood;
            if mood == Mood::Shut {
                return Err(super::error(ErrorClass::Forbidden));
            }
            if mood == Mood::Stubborn && !change.remove.is_empty() {
                let named = change.remove.iter().cloned().collect();
                return Err(super::error(ErrorClass::Identities(named)));
            }
            self.change(id, change).map_err(super::error)?;
            if mood == Mood::Deaf {
                return Err(super::error(ErrorClass::Unfinished));
            }
        }
        let machine = &self.azure[id];
        let ids = |_| AssignedIds {
            client_id: machine.client_id.clone(),
            principal_id: None,
        };
        let present = machine.present.iter();
        Ok(Compute {
            id: id.clone(),
            location: "westeurope".to_owned(),
            state: match machine.mood {
                Mood::Updating => ProvisioningState::Updating,
                _ => ProvisioningState::Succeeded,
            },
            etag: None,
            identity: ArmType::UserAssigned,
            user_assigned: present.map(|id| (id.clone(), ids(id))).collect(),
            unreadable: 0,
        })
    }

    fn change(&mut self, id: &ComputeId, change: &IdentityChange) -> Result<(), ErrorClass> {
        let bad: Vec<_> = change.add.intersection(&self.refused).cloned().collect();
        let machine = self.azure.get_mut(id).unwrap();
        let fussy = machine.mood == Mood::Fussy && change.add.len() + change.remove.len() > 1;
        if !bad.is_empty() || fussy {
            self.patches += 1;
            return Err(match fussy || self.names_nobody {
                true => ErrorClass::Invalid,
                false => ErrorClass::Identities(bad),
            });
        }
        let before = machine.present.clone();
        machine.present.extend(change.add.iter().cloned());
        for removed in change.remove.difference(&change.add) {
            machine.present.remove(removed);
        }
        self.patches += usize::from(before != machine.present);
        Ok(())
    }
}
