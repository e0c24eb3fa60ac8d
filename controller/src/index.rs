//! What the API server says, indexed by what asks for it. Synchronous, no I/O.
//!
//! Every change answers with what has to be looked at again, and that is in proportion to the change: a pod's event
//! costs the same among twenty pods as among twenty thousand.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use podgate_api::{AssignedState, ObjectRef};
use podgate_azure::arm::ComputeId;

use crate::record::Record;
use sets::Sets;

mod object;
mod sets;

pub use object::{Binding, Identity, InvalidIdentity, Key, Node, Object, Pod};
pub(crate) use object::{client_id, edition, resource};

/// All objects that matter.
#[derive(Debug, Default)]
pub struct Index {
    pods: HashMap<ObjectRef, Pod>,
    pods_of_selector: Sets<String>,
    pods_of_node: Sets<String>,
    nodes: HashMap<String, Node>,
    /// Nodes that are gone, as long as a record names them: what their machines hold is still to be let go.
    gone_nodes: HashMap<String, ComputeId>,
    nodes_of_compute: HashMap<ComputeId, usize>,
    identities: HashMap<ObjectRef, Result<Arc<Identity>, InvalidIdentity>>,
    bindings: HashMap<ObjectRef, Arc<Binding>>,
    bindings_of_selector: Sets<String>,
    bindings_of_identity: Sets<ObjectRef>,
    records: HashMap<ObjectRef, Arc<Record>>,
    records_of_node: Sets<String>,
    states: States,
}

/// How many records are how far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct States {
    /// Created.
    pub created: usize,
    /// Assigned.
    pub assigned: usize,
    /// Unassigned.
    pub unassigned: usize,
    /// Without a state, or with one that has no meaning.
    pub other: usize,
}

/// What has to be looked at again.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Dirty {
    /// Pods whose assignments may be others now.
    pub pods: BTreeSet<ObjectRef>,
    /// Records that may be other than wanted.
    pub records: BTreeSet<ObjectRef>,
}

impl Index {
    /// Takes an object in, or its new edition.
    pub fn apply(&mut self, object: Object) -> Dirty {
        match object {
            Object::Pod(pod) => self.put_pod(pod),
            Object::Node(node) => self.put_node(node),
            Object::Identity(Ok(identity)) => {
                self.put_identity(identity.object.clone(), Ok(identity))
            }
            Object::Identity(Err(invalid)) => {
                self.put_identity(invalid.object.clone(), Err(invalid))
            }
            Object::Binding(binding) => self.put_binding(binding),
            Object::Record(record) => self.put_record(record),
        }
    }

    /// Forgets an object.
    pub fn remove(&mut self, key: &Key) -> Dirty {
        match key {
            Key::Pod(pod) => self.take_pod(pod),
            Key::Node(node) => self.take_node(node),
            Key::Identity(identity) => self.take_identity(identity),
            Key::Binding(binding) => self.take_binding(binding),
            Key::Record(record) => self.take_record(record),
        }
    }

    /// A pod.
    pub fn pod(&self, pod: &ObjectRef) -> Option<&Pod> {
        self.pods.get(pod)
    }

    /// All pods.
    pub fn pods(&self) -> impl Iterator<Item = &Pod> {
        self.pods.values()
    }

    /// A node.
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.get(name)
    }

    /// The virtual machine or scale set behind a node, or what it was while the node was there.
    pub fn compute(&self, node: &str) -> Option<&ComputeId> {
        let there = self.nodes.get(node);
        let told = there.and_then(|node| node.compute.as_ref().ok());
        told.or_else(|| self.gone_nodes.get(node))
    }

    /// Whether a node of this virtual machine or scale set is there.
    pub fn has_nodes(&self, compute: &ComputeId) -> bool {
        self.nodes_of_compute.contains_key(compute)
    }

    /// An identity, or what is wrong with it.
    pub fn identity(
        &self,
        identity: &ObjectRef,
    ) -> Option<Result<&Arc<Identity>, &InvalidIdentity>> {
        self.identities.get(identity).map(Result::as_ref)
    }

    /// The identities that cannot be assigned.
    pub fn invalid(&self) -> impl Iterator<Item = &InvalidIdentity> {
        self.identities
            .values()
            .filter_map(|identity| identity.as_ref().err())
    }

    /// The bindings of a selector, by namespace and name.
    pub fn bindings(&self, selector: &str) -> impl Iterator<Item = &Arc<Binding>> {
        let names = self.bindings_of_selector.get(selector);
        names.filter_map(|name| self.bindings.get(name))
    }

    /// A binding.
    pub fn binding(&self, binding: &ObjectRef) -> Option<&Arc<Binding>> {
        self.bindings.get(binding)
    }

    /// A record.
    pub fn record(&self, record: &ObjectRef) -> Option<&Arc<Record>> {
        self.records.get(record)
    }

    /// All records.
    pub fn records(&self) -> impl Iterator<Item = &Arc<Record>> {
        self.records.values()
    }

    /// How many records are how far.
    pub fn states(&self) -> States {
        self.states
    }

    fn put_pod(&mut self, pod: Pod) -> Dirty {
        if self.pods.get(&pod.object) == Some(&pod) {
            return Dirty::default();
        }
        let dirty = self.take_pod(&pod.object).and_pod(&pod.object);
        self.pods_of_selector
            .insert(pod.selector.clone(), &pod.object);
        self.pods_of_node.insert(pod.node.clone(), &pod.object);
        self.pods.insert(pod.object.clone(), pod);
        dirty
    }

    fn take_pod(&mut self, pod: &ObjectRef) -> Dirty {
        let Some(gone) = self.pods.remove(pod) else {
            return Dirty::default();
        };
        self.pods_of_selector.remove(&gone.selector, pod);
        self.pods_of_node.remove(&gone.node, pod);
        Dirty::default().and_pod(pod)
    }

    fn put_node(&mut self, node: Node) -> Dirty {
        if self.nodes.get(&node.name) == Some(&node) {
            return Dirty::default();
        }
        self.take_node(&node.name);
        if let Ok(compute) = &node.compute {
            *self.nodes_of_compute.entry(compute.clone()).or_default() += 1;
            self.gone_nodes.remove(&node.name);
        }
        let dirty = self.of_node(&node.name);
        self.nodes.insert(node.name.clone(), node);
        dirty
    }

    fn take_node(&mut self, name: &str) -> Dirty {
        let Some(gone) = self.nodes.remove(name) else {
            return Dirty::default();
        };
        if let Ok(compute) = &gone.compute {
            let count = self.nodes_of_compute.entry(compute.clone()).or_default();
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.nodes_of_compute.remove(compute);
            }
        }
        if let Ok(compute) = gone.compute
            && self.records_of_node.get(name).next().is_some()
        {
            self.gone_nodes.insert(gone.name, compute);
        }
        self.of_node(name)
    }

    fn of_node(&self, name: &str) -> Dirty {
        Dirty {
            pods: self.pods_of_node.get(name).cloned().collect(),
            records: self.records_of_node.get(name).cloned().collect(),
        }
    }

    fn put_identity(
        &mut self,
        object: ObjectRef,
        identity: Result<Arc<Identity>, InvalidIdentity>,
    ) -> Dirty {
        let before = self.identities.insert(object.clone(), identity);
        match (before, &self.identities[&object]) {
            (Some(Ok(before)), Ok(now)) if before.means(now) => Dirty::default(),
            (Some(Err(before)), Err(now)) if before == *now => Dirty::default(),
            _ => self.of_identity(&object),
        }
    }

    fn take_identity(&mut self, object: &ObjectRef) -> Dirty {
        match self.identities.remove(object) {
            Some(_) => self.of_identity(object),
            None => Dirty::default(),
        }
    }

    fn of_identity(&self, object: &ObjectRef) -> Dirty {
        let bindings = self.bindings_of_identity.get(object);
        let selectors: BTreeSet<&str> = bindings
            .filter_map(|name| self.bindings.get(name))
            .map(|binding| binding.selector.as_str())
            .collect();
        let pods = selectors
            .into_iter()
            .flat_map(|selector| self.pods_of_selector.get(selector));
        Dirty {
            pods: pods.cloned().collect(),
            records: BTreeSet::new(),
        }
    }

    fn put_binding(&mut self, binding: Arc<Binding>) -> Dirty {
        if let Some(before) = self.bindings.get_mut(&binding.object)
            && before.means(&binding)
        {
            *before = binding;
            return Dirty::default();
        }
        let mut dirty = self.take_binding(&binding.object);
        self.bindings_of_selector
            .insert(binding.selector.clone(), &binding.object);
        self.bindings_of_identity
            .insert(binding.identity.clone(), &binding.object);
        let pods = self.pods_of_selector.get(&binding.selector);
        dirty.pods.extend(pods.cloned());
        self.bindings.insert(binding.object.clone(), binding);
        dirty
    }

    fn take_binding(&mut self, object: &ObjectRef) -> Dirty {
        let Some(gone) = self.bindings.remove(object) else {
            return Dirty::default();
        };
        self.bindings_of_selector.remove(&gone.selector, object);
        self.bindings_of_identity.remove(&gone.identity, object);
        let pods = self.pods_of_selector.get(&gone.selector);
        Dirty {
            pods: pods.cloned().collect(),
            records: BTreeSet::new(),
        }
    }

    fn put_record(&mut self, record: Arc<Record>) -> Dirty {
        let before = self.records.get(&record.object).cloned();
        let same = before
            .as_ref()
            .is_some_and(|before| **before == *record || before.is_newer_than(&record));
        if same {
            return Dirty::default();
        }
        let record = self.share(record);
        let object = record.object.clone();
        self.records_of_node.insert(record.node.clone(), &object);
        *self.states.of(&record.state) += 1;
        if let Some(before) = before {
            *self.states.of(&before.state) -= 1;
            if before.node != record.node {
                self.forget_record_of(&before.node, &object);
            }
        }
        self.records.insert(object.clone(), record);
        Dirty::default().and_record(&object)
    }

    /// Lets a record share the ids of its node's machine and of its identity, where they are the same: there are tens of
    /// thousands of records of few of them.
    fn share(&self, record: Arc<Record>) -> Arc<Record> {
        let mut record = Arc::unwrap_or_clone(record);
        let compute = self.compute(&record.node);
        if let Some(compute) = compute.filter(|id| Some(*id) == record.compute.as_ref()) {
            record.compute = Some(compute.clone());
        }
        if let Some(Ok(identity)) = self.identities.get(&record.identity)
            && identity.edition == record.edition
        {
            record.resource.clone_from(&identity.resource);
            record.client_id.clone_from(&identity.client_id);
        }
        Arc::new(record)
    }

    fn take_record(&mut self, record: &ObjectRef) -> Dirty {
        let Some(gone) = self.records.remove(record) else {
            return Dirty::default();
        };
        *self.states.of(&gone.state) -= 1;
        self.forget_record_of(&gone.node, record);
        Dirty::default().and_record(record)
    }

    fn forget_record_of(&mut self, node: &str, record: &ObjectRef) {
        self.records_of_node.remove(node, record);
        if self.records_of_node.get(node).next().is_none() {
            self.gone_nodes.remove(node);
        }
    }
}

impl Dirty {
    fn and_pod(mut self, pod: &ObjectRef) -> Self {
        self.pods.insert(pod.clone());
        self
    }

    fn and_record(mut self, record: &ObjectRef) -> Self {
        self.records.insert(record.clone());
        self
    }
}

// === impl States ===

impl States {
    fn of(&mut self, state: &AssignedState) -> &mut usize {
        match state {
            AssignedState::Created => &mut self.created,
            AssignedState::Assigned => &mut self.assigned,
            AssignedState::Unassigned => &mut self.unassigned,
            AssignedState::Legacy | AssignedState::Unknown(_) => &mut self.other,
        }
    }
}

impl Identity {
    /// Whether two editions assign the same thing.
    fn means(&self, other: &Self) -> bool {
        self.edition == other.edition
            && self.namespaced == other.namespaced
            && self.uid == other.uid
    }
}

impl Binding {
    fn means(&self, other: &Self) -> bool {
        self.identity == other.identity
            && self.selector == other.selector
            && self.weight == other.weight
            && self.uid == other.uid
    }
}

#[cfg(test)]
mod tests;
