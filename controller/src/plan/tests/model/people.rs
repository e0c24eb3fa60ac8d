//! What people do, and when the controller hears of it.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as core;
use podgate_api::{
    AzureAssignedIdentity, AzureIdentity, AzureIdentityBinding, AzureIdentityBindingSpec,
    AzureIdentitySpec, BEHAVIOR_ANNOTATION, BINDING_LABEL, ObjectRef, ResourceId,
};
use podgate_azure::arm::ComputeId;
use serde_json::json;

use super::Model;
use crate::index::{Binding, Identity, Key, Node, Object, Pod};
use crate::record::Record;

/// Objects, as the API server has them or as the controller was told.
#[derive(Clone, Debug, Default)]
pub(in crate::plan::tests) struct World {
    pub(in crate::plan::tests) pods: BTreeMap<ObjectRef, core::Pod>,
    pub(in crate::plan::tests) nodes: BTreeMap<String, core::Node>,
    pub(in crate::plan::tests) identities: BTreeMap<ObjectRef, AzureIdentity>,
    pub(in crate::plan::tests) bindings: BTreeMap<ObjectRef, AzureIdentityBinding>,
}

/// What a watch tells: an object's new edition, or its end. Each kind has a watch of its own, with a delay of its own.
#[derive(Clone, Debug)]
pub(super) enum Told {
    Pod(ObjectRef, Option<Box<core::Pod>>),
    Node(String, Option<Box<core::Node>>),
    Identity(ObjectRef, Option<AzureIdentity>),
    Binding(ObjectRef, Option<AzureIdentityBinding>),
    Record(ObjectRef, Option<Box<AzureAssignedIdentity>>),
}

pub(in crate::plan::tests) const KINDS: usize = 5;
const RECORDS: usize = 4;

impl Told {
    fn kind(&self) -> usize {
        match self {
            Self::Pod(..) => 0,
            Self::Node(..) => 1,
            Self::Identity(..) => 2,
            Self::Binding(..) => 3,
            Self::Record(..) => RECORDS,
        }
    }
}

fn put<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => drop(map.insert(key, value)),
        None => drop(map.remove(&key)),
    }
}

impl Model {
    pub(super) fn tell(&mut self, told: Told) {
        let kind = told.kind();
        self.untold[kind].push_back(told);
        if !self.lags[kind] {
            self.hear(kind, usize::MAX);
        }
    }

    /// From now on the watch of a kind tells nothing by itself, or tells all again.
    pub(in crate::plan::tests) fn lag(&mut self, kind: usize, lags: bool) {
        self.lags[kind] = lags;
        if !lags {
            self.hear(kind, usize::MAX);
        }
    }

    /// A watch that lags tells so many of its news, in order.
    pub(in crate::plan::tests) fn hear(&mut self, kind: usize, most: usize) {
        let count = self.untold[kind].len().min(most);
        let news: Vec<Told> = self.untold[kind].drain(..count).collect();
        for told in news {
            self.learn(told);
        }
    }

    fn learn(&mut self, told: Told) {
        let plan = &mut self.plan;
        match told.clone() {
            Told::Pod(name, pod) => match pod.and_then(|pod| Pod::read(&pod, false)) {
                Some(read) => plan.apply(Object::Pod(read)),
                None => plan.remove(&Key::Pod(name)),
            },
            Told::Node(name, node) => match node {
                Some(node) => plan.apply(Object::Node(Node::read(&node))),
                None => plan.remove(&Key::Node(name)),
            },
            Told::Identity(name, identity) => match identity {
                Some(identity) => plan.apply(Object::Identity(Identity::read(identity))),
                None => plan.remove(&Key::Identity(name)),
            },
            Told::Binding(name, binding) => match binding {
                Some(binding) => plan.apply(Object::Binding(Binding::read(binding))),
                None => plan.remove(&Key::Binding(name)),
            },
            Told::Record(name, record) => match record {
                Some(record) => plan.apply(Object::Record(Record::read(&record))),
                None => plan.remove(&Key::Record(name)),
            },
        }
        match told {
            Told::Pod(name, pod) => put(&mut self.seen.pods, name, pod.map(|pod| *pod)),
            Told::Node(name, node) => put(&mut self.seen.nodes, name, node.map(|node| *node)),
            Told::Identity(name, identity) => put(&mut self.seen.identities, name, identity),
            Told::Binding(name, binding) => put(&mut self.seen.bindings, name, binding),
            Told::Record(..) => {}
        }
    }

    pub(in crate::plan::tests) fn node(
        &mut self,
        name: &str,
        compute: &ComputeId,
        instance: Option<u32>,
    ) {
        let path = match instance {
            Some(number) => format!("azure://{}/virtualMachines/{number}", compute.as_str()),
            None => format!("azure://{}", compute.as_str()),
        };
        self.azure.entry(compute.clone()).or_default().gone = false;
        self.node_of(name, Some(&path));
    }

    pub(in crate::plan::tests) fn node_of(&mut self, name: &str, provider: Option<&str>) {
        let node: core::Node = serde_json::from_value(
            json!({"metadata": {"name": name}, "spec": {"providerID": provider}}),
        )
        .unwrap();
        self.world.nodes.insert(name.to_owned(), node.clone());
        self.tell(Told::Node(name.to_owned(), Some(Box::new(node))));
    }

    /// Its machine stays.
    pub(in crate::plan::tests) fn delete_node(&mut self, name: &str) {
        if self.world.nodes.remove(name).is_some() {
            self.tell(Told::Node(name.to_owned(), None));
        }
    }

    /// A machine goes, and all that it held with it. What there is of nodes goes too.
    pub(in crate::plan::tests) fn delete_machine(&mut self, compute: &ComputeId) {
        let is_of = |node: &core::Node| Node::read(node).compute.as_ref() == Ok(compute);
        let nodes = self.world.nodes.iter().filter(|(_, node)| is_of(node));
        let nodes: Vec<String> = nodes.map(|(name, _)| name.clone()).collect();
        for node in nodes {
            self.delete_node(&node);
        }
        if let Some(machine) = self.azure.get_mut(compute) {
            machine.gone = true;
            machine.present = machine.foreign.clone();
        }
    }

    pub(in crate::plan::tests) fn pod(&mut self, name: &ObjectRef, node: &str, label: &str) {
        let uid = format!("uid-{}", self.next_version());
        let pod: core::Pod = serde_json::from_value(json!({
            "metadata": {"name": name.name, "namespace": name.namespace, "uid": uid, "labels": {BINDING_LABEL: label}},
            "spec": {"nodeName": node, "containers": []},
            "status": {"phase": "Running"},
        }))
        .unwrap();
        self.write_pod(pod);
    }

    fn write_pod(&mut self, pod: core::Pod) {
        let name = ObjectRef::of(&pod.metadata);
        self.world.pods.insert(name.clone(), pod.clone());
        self.tell(Told::Pod(name, Some(Box::new(pod))));
    }

    pub(in crate::plan::tests) fn relabel(&mut self, name: &ObjectRef, label: &str) {
        if let Some(mut pod) = self.world.pods.get(name).cloned() {
            pod.metadata.labels = Some([(BINDING_LABEL.to_owned(), label.to_owned())].into());
            self.write_pod(pod);
        }
    }

    pub(in crate::plan::tests) fn end_pod(&mut self, name: &ObjectRef) {
        if let Some(mut pod) = self.world.pods.get(name).cloned() {
            pod.status.get_or_insert_default().phase = Some("Succeeded".to_owned());
            self.write_pod(pod);
        }
    }

    pub(in crate::plan::tests) fn delete_pod(&mut self, name: &ObjectRef) {
        self.world.pods.remove(name);
        self.tell(Told::Pod(name.clone(), None));
    }

    pub(in crate::plan::tests) fn identity(
        &mut self,
        name: &ObjectRef,
        spec: AzureIdentitySpec,
        namespaced: bool,
    ) {
        let mut identity = AzureIdentity::new(&name.name, spec);
        identity.metadata.namespace = Some(name.namespace.clone());
        identity.metadata.uid = Some(format!("uid-{name}"));
        identity.metadata.resource_version = Some(self.next_version());
        let behavior = (BEHAVIOR_ANNOTATION.to_owned(), "namespaced".to_owned());
        identity.metadata.annotations = namespaced.then(|| [behavior].into());
        self.world.identities.insert(name.clone(), identity.clone());
        self.tell(Told::Identity(name.clone(), Some(identity)));
    }

    pub(in crate::plan::tests) fn delete_identity(&mut self, name: &ObjectRef) {
        self.world.identities.remove(name);
        self.tell(Told::Identity(name.clone(), None));
    }

    pub(in crate::plan::tests) fn binding(
        &mut self,
        name: &ObjectRef,
        identity: &str,
        selector: &str,
        weight: i64,
    ) {
        let spec = AzureIdentityBindingSpec {
            azure_identity: identity.to_owned(),
            selector: selector.to_owned(),
            weight,
        };
        let mut binding = AzureIdentityBinding::new(&name.name, spec);
        binding.metadata.namespace = Some(name.namespace.clone());
        binding.metadata.uid = Some(format!("uid-{name}"));
        binding.metadata.resource_version = Some(self.next_version());
        self.world.bindings.insert(name.clone(), binding.clone());
        self.tell(Told::Binding(name.clone(), Some(binding)));
    }

    pub(in crate::plan::tests) fn delete_binding(&mut self, name: &ObjectRef) {
        self.world.bindings.remove(name);
        self.tell(Told::Binding(name.clone(), None));
    }

    pub(in crate::plan::tests) fn foreign(&mut self, compute: &ComputeId, id: ResourceId) {
        let machine = self.azure.entry(compute.clone()).or_default();
        machine.present.insert(id.clone());
        machine.foreign.insert(id);
    }

    /// Somebody writes a record behind the controller's back, as the old one would.
    pub(in crate::plan::tests) fn write_record(&mut self, mut record: AzureAssignedIdentity) {
        let name = ObjectRef::of(&record.metadata);
        let version = self.next_version();
        record
            .metadata
            .uid
            .get_or_insert_with(|| format!("uid-{version}"));
        record.metadata.resource_version = Some(version);
        self.records.insert(name.clone(), record.clone());
        self.tell(Told::Record(name, Some(Box::new(record))));
    }

    /// Somebody takes the finalizer off a record that nobody deletes. What is done by force and not heard of, nobody can heed.
    pub(in crate::plan::tests) fn strip(&mut self, name: &ObjectRef) {
        let there = self.records.get(name).cloned();
        let there = there.filter(|record| record.metadata.deletion_timestamp.is_none());
        if let Some(mut record) = there.filter(|_| !self.lags[RECORDS]) {
            record.metadata.finalizers = None;
            self.write_record(record);
        }
    }

    pub(in crate::plan::tests) fn delete_record(&mut self, name: &ObjectRef) {
        if let Some(mut record) = self.records.get(name).cloned() {
            let now = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
            record.metadata.deletion_timestamp = Some(now);
            match record.metadata.finalizers.is_some() {
                true => self.write_record(record),
                false if self.lags[RECORDS] => {}
                false => {
                    // By force, with all that it knew.
                    let forgotten = Record::read(&record);
                    for machine in self.azure.values_mut() {
                        machine.lost.extend(forgotten.resource.clone());
                        let releases = forgotten.releases.iter();
                        machine
                            .lost
                            .extend(releases.map(|hold| hold.resource.clone()));
                    }
                    self.records.remove(name);
                    self.tell(Told::Record(name.clone(), None));
                }
            }
        }
    }

    /// The old controller was at work for a while, and wrote a record as it does, with no note of what holds what.
    pub(in crate::plan::tests) fn write_as_the_old_one(&mut self, name: &ObjectRef) {
        let Some(there) = self.records.get(name).cloned() else {
            return;
        };
        let read = Record::read(&there);
        let node = self.world.nodes.get(&read.node);
        let of_node = node.and_then(|node| Node::read(node).compute.ok());
        if of_node.is_none() || read.compute != of_node || !read.releases.is_empty() {
            return;
        }
        let mut record = serde_json::to_value(super::without_annotations(there)).unwrap();
        // Go leaves no struct out.
        record["spec"]["azureIdentityRef"]["spec"]["clientPassword"] = json!({});
        self.write_record(serde_json::from_value(record).unwrap());
    }
}
