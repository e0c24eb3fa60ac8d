//! An API server and an Azure in a few maps, and a controller between them that can be broken off at any step.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1 as core;
use podgate_api::{
    AssignedState, AzureAssignedIdentity, AzureIdentity, AzureIdentityBinding,
    AzureIdentityBindingSpec, AzureIdentitySpec, BEHAVIOR_ANNOTATION, BINDING_LABEL, ClientId,
    IdentityType, ObjectRef, ResourceId,
};
use podgate_azure::arm::{
    ArmError, AssignedIds, Compute, ComputeId, ComputeKind, ErrorClass, IdentityChange,
    IdentityType as ArmType, ProvisioningState,
};
use serde_json::json;

use crate::index::{Binding, Identity, Key, Node, Object, Pod};
use crate::matching::Rules;
use crate::plan::{Ask, Effect, NotWritten, Notice, Plan, Settings, Write, Written};
use crate::record::{COMPUTE_ANNOTATION, RELEASES_ANNOTATION, Record};

pub(super) const LINGER: Duration = Duration::from_secs(30);
pub(super) const DRIFT: Duration = Duration::from_secs(180);
const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000001";

/// The world, and the controller in it.
pub(super) struct Model {
    pub(super) now: Instant,
    pub(super) settings: Settings,
    pub(super) plan: Plan,
    pub(super) pods: BTreeMap<ObjectRef, core::Pod>,
    pub(super) nodes: BTreeMap<String, core::Node>,
    pub(super) identities: BTreeMap<ObjectRef, AzureIdentity>,
    pub(super) bindings: BTreeMap<ObjectRef, AzureIdentityBinding>,
    pub(super) records: BTreeMap<ObjectRef, AzureAssignedIdentity>,
    pub(super) azure: BTreeMap<ComputeId, Machine>,
    /// Identities that Azure refuses.
    pub(super) refused: BTreeSet<ResourceId>,
    /// Every call is refused as one too many.
    pub(super) throttles: bool,
    /// No write succeeds.
    pub(super) api_away: bool,
    /// The watch tells of writes, before their answers or after.
    pub(super) watch_tells: bool,
    /// Effects that were not carried out yet.
    pub(super) pending: Vec<Effect>,
    pub(super) notices: Vec<Notice>,
    pub(super) patches: usize,
    pub(super) looks: usize,
    pub(super) writes: usize,
    version: u64,
    death: Option<(usize, Death)>,
}

/// Where in a step the process dies.
#[derive(Clone, Copy, Debug)]
pub(super) enum Death {
    /// Nothing was sent.
    Before,
    /// Between the two calls of a removal.
    Between,
    /// It was done, and the answer never came.
    After,
}

#[derive(Default)]
pub(super) struct Machine {
    pub(super) present: BTreeSet<ResourceId>,
    /// Not ours: there from the beginning.
    pub(super) foreign: BTreeSet<ResourceId>,
    /// The client id that Azure tells of each identity, if it does.
    pub(super) client_id: Option<ClientId>,
}

pub(super) fn settings() -> Settings {
    Settings {
        rules: Rules { namespaced: false },
        linger: LINGER,
        coalesce: Duration::from_millis(100),
        drift: DRIFT,
        immutable: BTreeSet::new(),
    }
}

pub(super) fn resource(name: &str) -> ResourceId {
    format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/ids/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"
    )
    .parse()
    .unwrap()
}

pub(super) fn scale_set(name: &str) -> ComputeId {
    format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/nodes/providers/Microsoft.Compute/virtualMachineScaleSets/{name}"
    )
    .parse()
    .unwrap()
}

pub(super) fn machine(name: &str) -> ComputeId {
    format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/nodes/providers/Microsoft.Compute/virtualMachines/{name}")
        .parse()
        .unwrap()
}

impl Model {
    pub(super) fn new(settings: Settings) -> Self {
        let now = Instant::now();
        let mut plan = Plan::new(settings.clone());
        plan.lead(now);
        Self {
            now,
            settings,
            plan,
            pods: BTreeMap::new(),
            nodes: BTreeMap::new(),
            identities: BTreeMap::new(),
            bindings: BTreeMap::new(),
            records: BTreeMap::new(),
            azure: BTreeMap::new(),
            refused: BTreeSet::new(),
            throttles: false,
            api_away: false,
            watch_tells: true,
            pending: Vec::new(),
            notices: Vec::new(),
            patches: 0,
            looks: 0,
            writes: 0,
            version: 0,
            death: None,
        }
    }

    fn next_version(&mut self) -> String {
        self.version += 1;
        self.version.to_string()
    }

    // --- what people do ---

    pub(super) fn node(&mut self, name: &str, compute: &ComputeId, instance: Option<u32>) {
        let path = match instance {
            Some(number) => format!("azure://{}/virtualMachines/{number}", compute.as_str()),
            None => format!("azure://{}", compute.as_str()),
        };
        self.node_of(name, Some(&path));
        self.azure.entry(compute.clone()).or_default();
    }

    pub(super) fn node_of(&mut self, name: &str, provider: Option<&str>) {
        let node: core::Node = serde_json::from_value(
            json!({"metadata": {"name": name}, "spec": {"providerID": provider}}),
        )
        .unwrap();
        self.plan.apply(Object::Node(Node::read(&node)));
        self.nodes.insert(name.to_owned(), node);
    }

    /// A virtual machine goes with its node.
    pub(super) fn delete_node(&mut self, name: &str) {
        let Some(node) = self.nodes.remove(name) else {
            return;
        };
        if let Ok(compute) = Node::read(&node).compute
            && compute.kind() == ComputeKind::VirtualMachine
            && let Some(gone) = self.azure.get_mut(&compute)
        {
            gone.present = gone.foreign.clone();
        }
        self.plan.remove(&Key::Node(name.to_owned()));
    }

    pub(super) fn pod(&mut self, name: &ObjectRef, node: &str, label: &str) {
        let uid = format!("uid-{}", self.next_version());
        let pod: core::Pod = serde_json::from_value(json!({
            "metadata": {"name": name.name, "namespace": name.namespace, "uid": uid, "labels": {BINDING_LABEL: label}},
            "spec": {"nodeName": node, "containers": []},
            "status": {"phase": "Running"},
        }))
        .unwrap();
        self.see_pod(pod);
    }

    fn see_pod(&mut self, pod: core::Pod) {
        let name = ObjectRef::of(&pod.metadata);
        match Pod::read(&pod, false) {
            Some(read) => self.plan.apply(Object::Pod(read)),
            None => self.plan.remove(&Key::Pod(name.clone())),
        }
        self.pods.insert(name, pod);
    }

    pub(super) fn relabel(&mut self, name: &ObjectRef, label: &str) {
        if let Some(mut pod) = self.pods.get(name).cloned() {
            pod.metadata.labels = Some([(BINDING_LABEL.to_owned(), label.to_owned())].into());
            self.see_pod(pod);
        }
    }

    pub(super) fn end_pod(&mut self, name: &ObjectRef) {
        if let Some(mut pod) = self.pods.get(name).cloned() {
            pod.status.get_or_insert_default().phase = Some("Succeeded".to_owned());
            self.see_pod(pod);
        }
    }

    pub(super) fn delete_pod(&mut self, name: &ObjectRef) {
        self.pods.remove(name);
        self.plan.remove(&Key::Pod(name.clone()));
    }

    pub(super) fn identity(&mut self, name: &ObjectRef, spec: AzureIdentitySpec, namespaced: bool) {
        let mut identity = AzureIdentity::new(&name.name, spec);
        identity.metadata.namespace = Some(name.namespace.clone());
        identity.metadata.uid = Some(format!("uid-{name}"));
        identity.metadata.resource_version = Some(self.next_version());
        let behavior = (BEHAVIOR_ANNOTATION.to_owned(), "namespaced".to_owned());
        identity.metadata.annotations = namespaced.then(|| [behavior].into());
        self.plan
            .apply(Object::Identity(Identity::read(identity.clone())));
        self.identities.insert(name.clone(), identity);
    }

    pub(super) fn delete_identity(&mut self, name: &ObjectRef) {
        self.identities.remove(name);
        self.plan.remove(&Key::Identity(name.clone()));
    }

    pub(super) fn binding(
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
        self.plan
            .apply(Object::Binding(Binding::read(binding.clone())));
        self.bindings.insert(name.clone(), binding);
    }

    pub(super) fn delete_binding(&mut self, name: &ObjectRef) {
        self.bindings.remove(name);
        self.plan.remove(&Key::Binding(name.clone()));
    }

    pub(super) fn foreign(&mut self, compute: &ComputeId, id: ResourceId) {
        let machine = self.azure.entry(compute.clone()).or_default();
        machine.present.insert(id.clone());
        machine.foreign.insert(id);
    }

    /// Somebody writes a record behind the controller's back, as the old one would.
    pub(super) fn write_record(&mut self, mut record: AzureAssignedIdentity) {
        let name = ObjectRef::of(&record.metadata);
        let version = self.next_version();
        record
            .metadata
            .uid
            .get_or_insert_with(|| format!("uid-{version}"));
        record.metadata.resource_version = Some(version);
        self.plan.apply(Object::Record(Record::read(&record)));
        self.records.insert(name, record);
    }

    pub(super) fn delete_record(&mut self, name: &ObjectRef) {
        if let Some(mut record) = self.records.get(name).cloned() {
            let now = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
            record.metadata.deletion_timestamp = Some(now);
            match record.metadata.finalizers.is_some() {
                true => self.write_record(record),
                false => {
                    self.records.remove(name);
                    self.plan.remove(&Key::Record(name.clone()));
                }
            }
        }
    }

    // --- the controller's process ---

    /// The process dies, with whatever it was about to do, and another one begins.
    pub(super) fn crash(&mut self) {
        self.pending.clear();
        self.plan = Plan::new(self.settings.clone());
        self.list();
        self.plan.lead(self.now);
    }

    fn list(&mut self) {
        for node in self.nodes.values() {
            self.plan.apply(Object::Node(Node::read(node)));
        }
        for pod in self.pods.values().filter_map(|pod| Pod::read(pod, false)) {
            self.plan.apply(Object::Pod(pod));
        }
        for identity in self.identities.values() {
            self.plan
                .apply(Object::Identity(Identity::read(identity.clone())));
        }
        for binding in self.bindings.values() {
            self.plan
                .apply(Object::Binding(Binding::read(binding.clone())));
        }
        for record in self.records.values() {
            self.plan.apply(Object::Record(Record::read(record)));
        }
    }

    /// Takes up what is to be done.
    pub(super) fn take(&mut self) {
        let effects = self.plan.effects(self.now, 20);
        for effect in &effects {
            if let Effect::Azure(id, Ask::Change(change)) = effect {
                self.check(id, change);
            }
        }
        self.pending.extend(effects);
        self.notices.extend(self.plan.notices());
    }

    /// What may be asked of Azure at the moment when it is decided: the model's watch has no delay.
    fn check(&self, id: &ComputeId, change: &IdentityChange) {
        let wanted = self.wanted();
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

    /// What the records in the API server say that they hold there.
    fn spoken_of(&self, id: &ComputeId) -> BTreeSet<ResourceId> {
        let mut spoken = BTreeSet::new();
        for record in self.records.values().map(Record::read) {
            let of_node = || Node::read(self.nodes.get(&record.node)?).compute.ok();
            if record.compute.clone().or_else(of_node).as_ref() == Some(id) {
                spoken.extend(record.resource.clone());
            }
            let releases = record.releases.iter().filter(|hold| hold.compute == *id);
            spoken.extend(releases.map(|hold| hold.resource.clone()));
        }
        spoken
    }

    /// Carries out one of the pending effects, in any order.
    pub(super) fn carry_out(&mut self, which: usize) {
        if self.pending.is_empty() {
            return;
        }
        let which = which % self.pending.len();
        match self.pending.remove(which) {
            Effect::Write(write) => {
                let record = write.record();
                let outcome = self.write(write);
                // Now and then the watch is faster than the answer.
                let early = self.watch_tells && self.version.is_multiple_of(2);
                if early {
                    self.echo(&record, &outcome);
                }
                self.plan.wrote(&record, outcome.clone(), self.now);
                if self.watch_tells && !early {
                    self.echo(&record, &outcome);
                }
            }
            Effect::Azure(id, ask) => {
                let answer = self.azure(&id, &ask);
                self.plan.answered(&id, answer, self.now);
            }
        }
    }

    fn echo(&mut self, record: &ObjectRef, outcome: &Result<Written, NotWritten>) {
        match outcome {
            Ok(Written::Record(written)) => self.plan.apply(Object::Record(written.clone())),
            Ok(Written::Gone) => self.plan.remove(&Key::Record(record.clone())),
            Err(_) => {}
        }
    }

    /// Carries out an effect, and its outcome is lost with the process.
    pub(super) fn carry_out_and_crash(&mut self, which: usize) {
        if !self.pending.is_empty() {
            let which = which % self.pending.len();
            match self.pending.remove(which) {
                Effect::Write(write) => drop(self.write(write)),
                Effect::Azure(id, ask) => drop(self.azure(&id, &ask)),
            }
        }
        self.crash();
    }

    /// The process dies once, at the step of this number.
    pub(super) fn die_at(&mut self, step: usize, how: Death) {
        self.death = Some((step, how));
    }

    /// Whether it has died by now.
    pub(super) fn has_died(&self) -> bool {
        self.death.is_none()
    }

    /// Counts down to the process's death, and whether it came.
    fn dies(&mut self) -> bool {
        match &mut self.death {
            Some((0, how)) => {
                let how = *how;
                self.death = None;
                self.die(how);
                true
            }
            Some((left, _)) => {
                *left -= 1;
                false
            }
            None => false,
        }
    }

    fn die(&mut self, how: Death) {
        match (how, &self.pending[0]) {
            (Death::Before, _) => {}
            (Death::After, _) => return self.carry_out_and_crash(0),
            (Death::Between, Effect::Write(Write::Remove(removal))) => {
                let name = removal.record.clone();
                if let Some(there) = self.records.get(&name)
                    && let Ok(mut half) = merged(there, &removal.body())
                {
                    half.metadata.resource_version = Some(self.next_version());
                    self.records.insert(name, half);
                }
            }
            (Death::Between, _) => {}
        }
        self.crash();
    }

    /// Does whatever there is to do now.
    pub(super) fn run(&mut self) {
        for _ in 0..3_000 {
            self.take();
            if self.pending.is_empty() {
                return;
            }
            if !self.dies() {
                self.carry_out(0);
            }
        }
        self.take();
        panic!("the plan never comes to rest: {:#?}", self.pending);
    }

    /// Lets time pass, and everything be done that becomes due.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        self.run();
        while let Some(at) = self.plan.wakes_at().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.run();
        }
        self.now = end;
        self.run();
    }

    fn write(&mut self, write: Write) -> Result<Written, NotWritten> {
        if self.api_away {
            return Err(NotWritten::Unavailable("away".to_owned()));
        }
        self.writes += 1;
        let name = write.record();
        let there = self.records.get(&name).cloned();
        let written = match (write, there) {
            (Write::Create(record), None) => {
                let mut record = *record;
                record.metadata.uid = Some(format!("uid-{}", self.next_version()));
                record
            }
            (Write::Create(_), Some(_)) => return Err(NotWritten::Outdated),
            (_, None) => return Err(NotWritten::Outdated),
            (Write::Replace(record), Some(there)) => {
                if record.metadata.resource_version != there.metadata.resource_version {
                    return Err(NotWritten::Outdated);
                }
                *record
            }
            (Write::Patch(patch), Some(there)) => merged(&there, &patch.body())?,
            (Write::Remove(removal), Some(there)) => {
                if removal.unassigns {
                    merged(&there, &removal.body())?;
                }
                self.records.remove(&name);
                return Ok(Written::Gone);
            }
        };
        let mut written = written;
        written.metadata.resource_version = Some(self.next_version());
        self.records.insert(name, written.clone());
        Ok(Written::Record(Record::read(&written)))
    }

    fn azure(&mut self, id: &ComputeId, ask: &Ask) -> Result<Compute, ArmError> {
        self.looks += 1;
        if self.throttles {
            let retry_after = Duration::from_secs(7);
            return Err(error(ErrorClass::Throttled {
                retry_after,
                scope: podgate_azure::arm::Scope::Subscription,
            }));
        }
        let gone = id.kind() == ComputeKind::VirtualMachine
            && !self
                .nodes
                .values()
                .any(|node| Node::read(node).compute.as_ref() == Ok(id));
        let Some(machine) = self.azure.get_mut(id).filter(|_| !gone) else {
            return Err(error(ErrorClass::NotFound));
        };
        if let Ask::Change(change) = ask {
            let bad: Vec<_> = change.add.intersection(&self.refused).cloned().collect();
            if !bad.is_empty() {
                self.patches += 1;
                return Err(error(ErrorClass::Identities(bad)));
            }
            let before = machine.present.clone();
            machine.present.extend(change.add.iter().cloned());
            for removed in change.remove.difference(&change.add) {
                machine.present.remove(removed);
            }
            self.patches += usize::from(before != machine.present);
        }
        Ok(Compute {
            id: id.clone(),
            location: "westeurope".to_owned(),
            state: ProvisioningState::Succeeded,
            etag: None,
            identity: ArmType::UserAssigned,
            user_assigned: machine
                .present
                .iter()
                .map(|id| {
                    (
                        id.clone(),
                        AssignedIds {
                            client_id: machine.client_id.clone(),
                            principal_id: None,
                        },
                    )
                })
                .collect(),
            unreadable: 0,
        })
    }

    // --- what is right ---

    /// Every record that is to be there, with what it needs of which machine. Worked out anew from the objects, without
    /// the code that is tested.
    pub(super) fn wanted(&self) -> BTreeMap<ObjectRef, (Option<ComputeId>, Option<ResourceId>)> {
        let mut bindings: Vec<_> = self.bindings.values().collect();
        bindings.sort_by_key(|binding| (-binding.spec.weight, ObjectRef::of(&binding.metadata)));
        let mut wanted = BTreeMap::new();
        for binding in bindings {
            let namespace = binding.metadata.namespace.clone().unwrap();
            let named = ObjectRef::new(&namespace, &binding.spec.azure_identity);
            let Some(identity) = self.identities.get(&named) else {
                continue;
            };
            let bounded = self.settings.rules.namespaced || podgate_api::is_namespaced(identity);
            for pod in self
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
                let Some(node) = self.nodes.get(node) else {
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
    pub(super) fn assert_right(&mut self) {
        self.throttles = false;
        self.api_away = false;
        self.pass(Duration::from_secs(900));
        let wanted = self.wanted();
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
            let mut right = machine.foreign.clone();
            let here = wanted
                .values()
                .filter(|(compute, _)| compute.as_ref() == Some(id));
            right.extend(
                here.filter_map(|(_, resource)| resource.clone())
                    .filter(|id| !self.refused.contains(id)),
            );
            let there: BTreeSet<_> = machine.present.difference(&self.refused).cloned().collect();
            assert_eq!(
                there,
                right.difference(&self.refused).cloned().collect(),
                "{id}"
            );
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

fn merged(
    there: &AzureAssignedIdentity,
    patch: &serde_json::Value,
) -> Result<AzureAssignedIdentity, NotWritten> {
    let expected = |field: &str| patch["metadata"][field].as_str().map(str::to_owned);
    if expected("resourceVersion") != there.metadata.resource_version
        || expected("uid") != there.metadata.uid
    {
        return Err(NotWritten::Outdated);
    }
    let mut whole = serde_json::to_value(there).unwrap();
    merge(&mut whole, patch);
    Ok(serde_json::from_value(whole).unwrap())
}

/// RFC 7396.
fn merge(target: &mut serde_json::Value, patch: &serde_json::Value) {
    let Some(patch) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let target = target.as_object_mut().unwrap();
    for (key, value) in patch {
        match value.is_null() {
            true => drop(target.remove(key)),
            false => merge(target.entry(key).or_insert(json!(null)), value),
        }
    }
}

pub(super) fn error(class: ErrorClass) -> ArmError {
    ArmError {
        class,
        tried: "changing the identities".to_owned(),
        status: None,
        code: None,
        message: "because".to_owned(),
    }
}

pub(super) fn managed(name: &str) -> AzureIdentitySpec {
    AzureIdentitySpec {
        resource_id: Some(resource(name).to_string()),
        client_id: Some("00000000-0000-0000-0000-0000000000aa".to_owned()),
        ..AzureIdentitySpec::default()
    }
}

pub(super) fn object(namespace: &str, name: &str) -> ObjectRef {
    ObjectRef::new(namespace, name)
}

/// Takes podgate's annotations off, as a record of the old controller has none.
pub(super) fn without_annotations(mut record: AzureAssignedIdentity) -> AzureAssignedIdentity {
    if let Some(annotations) = &mut record.metadata.annotations {
        annotations.remove(COMPUTE_ANNOTATION);
        annotations.remove(RELEASES_ANNOTATION);
    }
    record
}
