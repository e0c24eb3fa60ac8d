//! What is right.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use podgate_api::{AssignedState, BINDING_LABEL, IdentityType, ObjectRef, ResourceId};
use podgate_azure::arm::{ComputeId, IdentityChange};

use super::Model;
use super::azure::Mood;
use super::people::{KINDS, World};
use crate::index::{Node, Pod};
use crate::record::Record;

type Wanted = BTreeMap<ObjectRef, (Option<ComputeId>, Option<ResourceId>)>;

impl Model {
    /// What may be asked of Azure at the moment when it is decided, by what the controller has been told.
    pub(super) fn check(&self, id: &ComputeId, change: &IdentityChange) {
        let wanted = self.wanted(&self.seen);
        let needed: BTreeSet<_> = wanted
            .values()
            .filter_map(|(compute, resource)| {
                (compute.as_ref() == Some(id))
                    .then(|| resource.clone())
                    .flatten()
            })
            .collect();
        for removed in &change.remove {
            assert!(!needed.contains(removed), "{removed} is needed on {id}");
        }
        let spoken = self.spoken_of(id);
        for touched in change.add.iter().chain(&change.remove) {
            assert!(
                spoken.contains(touched),
                "no record speaks of {touched} on {id}"
            );
        }
    }

    /// What the records in the API server make sure that somebody will care for there.
    fn spoken_of(&self, id: &ComputeId) -> BTreeSet<ResourceId> {
        let mut spoken = BTreeSet::new();
        for record in self.records.values().map(Record::read) {
            // One that goes is kept by somebody's finalizer.
            if !record.finalized && !record.deleting {
                continue;
            }
            let nodes = [&self.world.nodes, &self.seen.nodes];
            let nodes = nodes.iter().filter_map(|nodes| nodes.get(&record.node));
            let mut computes: Vec<_> = nodes.filter_map(|n| Node::read(n).compute.ok()).collect();
            computes.extend(record.compute.clone());
            if record.state != AssignedState::Unassigned && computes.contains(id) {
                spoken.extend(record.resource.clone());
            }
            let releases = record.releases.iter().filter(|hold| hold.compute == *id);
            spoken.extend(releases.map(|hold| hold.resource.clone()));
        }
        spoken
    }

    /// Every record that is to be there, with what it needs of which machine. Worked out anew from the objects, without
    /// the code that is tested.
    fn wanted(&self, world: &World) -> Wanted {
        let mut bindings: Vec<_> = world.bindings.values().collect();
        bindings.sort_by_key(|binding| (-binding.spec.weight, ObjectRef::of(&binding.metadata)));
        let mut wanted = BTreeMap::new();
        for binding in bindings {
            let namespace = binding.metadata.namespace.clone().unwrap();
            let named = ObjectRef::new(&namespace, &binding.spec.azure_identity);
            let Some(identity) = world.identities.get(&named) else {
                continue;
            };
            let bounded = self.settings.rules.namespaced || podgate_api::is_namespaced(identity);
            for pod in world
                .pods
                .values()
                .filter(|pod| Pod::read(pod, false).is_some())
            {
                let object = ObjectRef::of(&pod.metadata);
                let label = &pod.metadata.labels.as_ref().unwrap()[BINDING_LABEL];
                if *label != binding.spec.selector || (bounded && object.namespace != namespace) {
                    continue;
                }
                let node = pod.spec.as_ref().unwrap().node_name.as_ref().unwrap();
                let Some(node) = world.nodes.get(node) else {
                    continue;
                };
                let resource = identity
                    .spec
                    .resource_id
                    .as_ref()
                    .and_then(|id| id.parse::<ResourceId>().ok());
                let need = match identity.spec.identity_type {
                    IdentityType::UserAssignedManagedIdentity => {
                        let (Some(resource), Ok(compute)) = (resource, Node::read(node).compute)
                        else {
                            continue;
                        };
                        (Some(compute), Some(resource))
                    }
                    IdentityType::Unknown(_) => continue,
                    _ => (None, None),
                };
                let record = format!("{}-{}-{}", object.name, object.namespace, named.name);
                let home = if bounded {
                    namespace.clone()
                } else {
                    "default".to_owned()
                };
                wanted.entry(ObjectRef::new(home, record)).or_insert(need);
            }
        }
        wanted
    }

    /// Everything is as it should be, with nobody having anything left to do.
    pub(in crate::plan::tests) fn assert_right(&mut self) {
        self.throttles = false;
        self.api_away = false;
        for machine in self.azure.values_mut() {
            machine.mood = Mood::Well;
        }
        for kind in 0..KINDS {
            self.lag(kind, false);
        }
        self.pass(Duration::from_secs(1200));
        let wanted = self.wanted(&self.world);
        let there: BTreeSet<_> = self.records.keys().cloned().collect();
        assert_eq!(there, wanted.keys().cloned().collect());
        for (name, (compute, resource)) in &wanted {
            let record = Record::read(&self.records[name]);
            assert_eq!(record.resource, *resource, "{name}");
            assert_eq!(record.releases, [], "{name}");
            let refused = resource.as_ref().is_some_and(|id| {
                self.refused.contains(id)
                    && !self.azure[compute.as_ref().unwrap()].present.contains(id)
            });
            let state = if refused {
                AssignedState::Created
            } else {
                AssignedState::Assigned
            };
            assert_eq!(record.state, state, "{name}");
            assert!(record.finalized, "{name}");
        }
        for (id, machine) in &self.azure {
            let of_machine = |(compute, resource): &(Option<ComputeId>, Option<ResourceId>)| {
                resource.clone().filter(|_| compute.as_ref() == Some(id))
            };
            let mut right = machine.foreign.clone();
            right.extend(wanted.values().filter_map(of_machine));
            let certain = |ids: &BTreeSet<ResourceId>| -> BTreeSet<ResourceId> {
                let ids = ids.difference(&self.refused).cloned();
                ids.filter(|id| !machine.lost.contains(id)).collect()
            };
            assert_eq!(certain(&machine.present), certain(&right), "{id}");
        }
        let (patches, writes) = (self.patches, self.writes);
        if self.refused.is_empty() {
            self.plan.look_at_everything();
            self.pass(Duration::from_secs(900));
            assert_eq!(
                (patches, writes),
                (self.patches, self.writes),
                "what is right is left alone"
            );
        }
    }
}
