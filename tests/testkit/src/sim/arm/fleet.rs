//! Many scale sets, virtual machines and identities at once, for tests of scale.

use serde::{Deserialize, Serialize};

use super::settings::{ArmSettings, Compute, SystemIdentity};
use crate::ManagedIdentity;

/// So many scale sets, virtual machines and identities, named by their number.
///
/// ```
/// use podgate_testkit::{Fleet, SimConfig};
///
/// let fleet = Fleet::new().scale_sets(100).instances(200).identities(1_000);
/// let mut config = SimConfig::default();
/// config.arm.fleet = Some(fleet.clone());
/// assert_eq!(fleet.nodes().len(), 20_000);
/// assert!(fleet.identity(999).resource_id.ends_with("/userAssignedIdentities/id-0999"));
/// ```
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Fleet {
    subscription: String,
    location: String,
    groups: usize,
    scale_sets: usize,
    instances: usize,
    machines: usize,
    identities: usize,
    assigned: usize,
    system_assigned: bool,
}

/// A node of a fleet's cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetNode {
    /// The name of the node.
    pub name: String,
    /// `spec.providerID`.
    pub provider_id: String,
    /// The scale set or virtual machine whose identities it has.
    pub compute: String,
}

impl Default for Fleet {
    fn default() -> Self {
        Self {
            subscription: "5ab50000-0000-4000-8000-00000000f1ee".to_owned(),
            location: "westeurope".to_owned(),
            groups: 1,
            scale_sets: 0,
            instances: 1,
            machines: 0,
            identities: 0,
            assigned: 0,
            system_assigned: false,
        }
    }
}

impl Fleet {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The subscription of everything.
    #[must_use]
    pub fn subscription(mut self, id: impl Into<String>) -> Self {
        self.subscription = id.into();
        self
    }

    /// The region of everything; `westeurope` where it is not said.
    #[must_use]
    pub fn location(mut self, region: impl Into<String>) -> Self {
        self.location = region.into();
        self
    }

    /// Over how many resource groups scale sets and virtual machines are spread, in turn; 1 where it is not said.
    #[must_use]
    pub fn groups(mut self, count: usize) -> Self {
        self.groups = count;
        self
    }

    /// How many scale sets there are.
    #[must_use]
    pub fn scale_sets(mut self, count: usize) -> Self {
        self.scale_sets = count;
        self
    }

    /// How many virtual machines each scale set has, which are nodes without identities of their own; 1 where it is
    /// not said.
    #[must_use]
    pub fn instances(mut self, count: usize) -> Self {
        self.instances = count;
        self
    }

    /// How many virtual machines of no scale set (or of flexible ones) there are.
    #[must_use]
    pub fn machines(mut self, count: usize) -> Self {
        self.machines = count;
        self
    }

    /// How many user-assigned identities exist.
    #[must_use]
    pub fn identities(mut self, count: usize) -> Self {
        self.identities = count;
        self
    }

    /// How many of them each scale set and virtual machine has from the beginning: the first ones.
    #[must_use]
    pub fn assigned(mut self, count: usize) -> Self {
        self.assigned = count;
        self
    }

    /// Every scale set and virtual machine has a system-assigned identity as well.
    #[must_use]
    pub fn system_assigned(mut self) -> Self {
        self.system_assigned = true;
        self
    }

    /// The ARM id of a scale set, by its number from 0.
    pub fn scale_set(&self, number: usize) -> String {
        self.compute_id("virtualMachineScaleSets", &scale_set_name(number), number)
    }

    /// The ARM id of a virtual machine of no scale set, by its number from 0.
    pub fn machine(&self, number: usize) -> String {
        self.compute_id("virtualMachines", &machine_name(number), number)
    }

    /// An identity, by its number from 0.
    pub fn identity(&self, number: usize) -> ManagedIdentity {
        ManagedIdentity {
            client_id: format!("1d000000-0000-4000-8000-{number:012x}"),
            object_id: format!("0b000000-0000-4000-8000-{number:012x}"),
            resource_id: format!(
                "/subscriptions/{}/resourceGroups/identities/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-{number:04}",
                self.subscription
            ),
        }
    }

    /// The nodes: first the scale sets' instances, then the virtual machines.
    pub fn nodes(&self) -> Vec<FleetNode> {
        let instances = (0..self.scale_sets)
            .flat_map(|set| (0..self.instances).map(move |instance| (set, instance)));
        let instances = instances.map(|(set, instance)| FleetNode {
            name: format!("{}{}", scale_set_name(set), base36(instance)),
            provider_id: format!("azure://{}/virtualMachines/{instance}", self.scale_set(set)),
            compute: self.scale_set(set),
        });
        let machines = (0..self.machines).map(|number| FleetNode {
            name: machine_name(number),
            provider_id: format!("azure://{}", self.machine(number)),
            compute: self.machine(number),
        });
        instances.chain(machines).collect()
    }

    /// Adds all of it to what the settings have.
    pub(super) fn join(&self, settings: &mut ArmSettings) {
        let sets = (0..self.scale_sets).map(|number| self.compute(self.scale_set(number), number));
        let machines = (0..self.machines)
            .map(|number| self.compute(self.machine(number), self.scale_sets + number));
        settings.computes.extend(sets.chain(machines));
        let identities = (0..self.identities).map(|number| self.identity(number));
        settings.identities.extend(identities);
        let nodes = self.nodes().into_iter();
        settings
            .nodes
            .extend(nodes.map(|node| (node.name, node.compute)));
    }

    fn compute(&self, id: String, number: usize) -> Compute {
        let system = SystemIdentity {
            client_id: format!("5c000000-0000-4000-8000-{number:012x}"),
            object_id: format!("50000000-0000-4000-8000-{number:012x}"),
        };
        let assigned = self.assigned.min(self.identities);
        Compute {
            id,
            location: self.location.clone(),
            system_assigned: self.system_assigned.then_some(system),
            identities: (0..assigned)
                .map(|one| self.identity(one).resource_id)
                .collect(),
            state: "Succeeded".to_owned(),
        }
    }

    fn compute_id(&self, kind: &str, name: &str, number: usize) -> String {
        let group = number % self.groups.max(1);
        format!(
            "/subscriptions/{}/resourceGroups/MC_fleet-{group:02}/providers/Microsoft.Compute/{kind}/{name}",
            self.subscription
        )
    }
}

fn scale_set_name(number: usize) -> String {
    format!("aks-np{number:03}-vmss")
}

fn machine_name(number: usize) -> String {
    format!("vm-{number:04}")
}

/// How scale sets number the names of their instances: six digits of base 36.
fn base36(number: usize) -> String {
    let digit = |place: u32| {
        let value = number / 36_usize.pow(place) % 36;
        char::from_digit(value as u32, 36).unwrap_or('0')
    };
    (0..6).rev().map(digit).collect()
}
