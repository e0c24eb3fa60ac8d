//! Plain maps, changed one object at a time, each change at the cost of what it touches.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use podgate_api::{AssignedState, BINDING_LABEL, ObjectRef};

use super::Change;
use super::identity::{Identity, IdentityRules, InvalidIdentity};
use super::object::{
    Assigned, Binding, Exceptions, Object, ObjectKey, Pod, PodUid, SecretData, hash,
};

/// The state behind [`super::World`].
pub struct Index {
    rules: IdentityRules,
    pods: HashMap<ObjectRef, Arc<Pod>>,
    pods_by_ip: HashMap<IpAddr, Vec<Arc<Pod>>>,
    identities: HashMap<ObjectRef, Result<Arc<Identity>, InvalidIdentity>>,
    /// Selector, then the binding's own name: a pod looks up its one label value.
    bindings: HashMap<String, BTreeMap<ObjectRef, Arc<Binding>>>,
    binding_selectors: HashMap<ObjectRef, String>,
    /// How many bindings name an identity.
    bound: HashMap<ObjectRef, usize>,
    /// The pod's name, then the record's own.
    assigned: HashMap<ObjectRef, BTreeMap<ObjectRef, Arc<Assigned>>>,
    assigned_pods: HashMap<ObjectRef, ObjectRef>,
    exceptions: HashMap<String, Arc<Exceptions>>,
    /// The content, or why there is none.
    secrets: HashMap<ObjectRef, Result<SecretData, String>>,
    /// Secrets come when they are wanted, so that one which is not there may be on its way.
    pub(super) on_demand: bool,
    /// The source has brought a complete state.
    pub(super) whole: bool,
}

/// What is known of a Secret.
#[derive(Clone, Copy, Debug)]
pub enum SecretState<'a> {
    /// Its content.
    Known(&'a SecretData),
    /// It cannot be had, for this reason.
    Missing(&'a str),
    /// Nobody has looked yet; it is being read.
    Awaited,
}

/// A binding that selects a pod, with the identity it names.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The binding.
    pub binding: Arc<Binding>,
    /// The identity; none where no AzureIdentity of that name exists, an error where it is unusable.
    pub identity: Option<Result<Arc<Identity>, InvalidIdentity>>,
}

// === impl Index ===

impl Index {
    pub(super) fn new(rules: IdentityRules) -> Self {
        Self {
            rules,
            pods: HashMap::new(),
            pods_by_ip: HashMap::new(),
            identities: HashMap::new(),
            bindings: HashMap::new(),
            binding_selectors: HashMap::new(),
            bound: HashMap::new(),
            assigned: HashMap::new(),
            assigned_pods: HashMap::new(),
            exceptions: HashMap::new(),
            secrets: HashMap::new(),
            on_demand: false,
            whole: true,
        }
    }

    /// The pods whose address this is. More than one means that nobody knows who asks. Nobody is known before the
    /// first complete state: the other pod of an address may be still to come, and so may a binding.
    pub fn pods_at(&self, ip: IpAddr) -> &[Arc<Pod>] {
        let pods = self.pods_by_ip.get(&ip).filter(|_| self.whole);
        pods.map_or(&[], Vec::as_slice)
    }

    /// A pod by name, under the same condition.
    pub fn pod(&self, object: &ObjectRef) -> Option<&Arc<Pod>> {
        self.pods.get(object).filter(|_| self.whole)
    }

    /// All pods.
    pub fn pods(&self) -> impl Iterator<Item = &Arc<Pod>> {
        self.pods.values()
    }

    /// The exceptions of a namespace.
    pub fn exceptions(&self, namespace: &str) -> Option<&Arc<Exceptions>> {
        self.exceptions.get(namespace)
    }

    /// A Secret by name.
    pub fn secret(&self, object: &ObjectRef) -> SecretState<'_> {
        match self.secrets.get(object) {
            Some(Ok(data)) => SecretState::Known(data),
            Some(Err(why)) => SecretState::Missing(why),
            None if self.on_demand => SecretState::Awaited,
            None => SecretState::Missing("it does not exist"),
        }
    }

    /// The records the controller wrote for a pod, ordered by name.
    pub fn assigned(&self, pod: &ObjectRef) -> impl Iterator<Item = &Arc<Assigned>> {
        self.assigned
            .get(pod)
            .into_iter()
            .flat_map(BTreeMap::values)
    }

    /// The bindings whose selector is the pod's label, ordered by (namespace, name).
    pub fn candidates(&self, pod: &Pod) -> Vec<Candidate> {
        pod.labels
            .get(BINDING_LABEL)
            .filter(|label| !label.is_empty())
            .and_then(|label| self.bindings.get(label))
            .into_iter()
            .flat_map(BTreeMap::values)
            .map(|binding| self.candidate(binding))
            .collect()
    }

    fn candidate(&self, binding: &Arc<Binding>) -> Candidate {
        Candidate {
            identity: self.identities.get(&binding.target()).cloned(),
            binding: Arc::clone(binding),
        }
    }

    pub(super) fn apply(&mut self, object: Object) -> Vec<Change> {
        match object {
            Object::Pod(pod) => self.apply_pod(pod),
            Object::Identity(wire) => self.apply_identity(&wire),
            Object::Binding(binding) => self.apply_binding(binding),
            Object::Assigned(wire) => self.apply_assigned(&wire),
            Object::Exception(object, labels) => self.set_exception(object, Some(labels)),
            Object::Secret(object, data) => self.set_secret(object, Ok(data)),
            Object::NoSecret(object, why) => self.set_secret(object, Err(why)),
            Object::Unusable(invalid) => self.set_identity(invalid.object.clone(), Err(invalid)),
        }
    }

    /// Whoever holds a token by the old content, or none, has nothing to lose by an equal one.
    fn set_secret(&mut self, object: ObjectRef, data: Result<SecretData, String>) -> Vec<Change> {
        let edition = data.as_ref().ok().map(|data| data.version);
        let old = self.secrets.insert(object.clone(), data);
        let changed = old
            .and_then(Result::ok)
            .is_some_and(|old| Some(old.version) != edition);
        changed
            .then_some(Change::Secret(object))
            .into_iter()
            .collect()
    }

    pub(super) fn remove(&mut self, key: &ObjectKey) -> Vec<Change> {
        match key {
            ObjectKey::Pod(object) => self.remove_pod(object).into_iter().collect(),
            ObjectKey::Identity(object) => {
                self.identities.remove(object);
                vec![Change::Identity(object.clone())]
            }
            ObjectKey::Binding(object) => {
                let identity = self.remove_binding(object);
                self.unbound(identity)
            }
            ObjectKey::Assigned(object) => {
                self.remove_assigned(object);
                Vec::new()
            }
            ObjectKey::Exception(object) => self.set_exception(object.clone(), None),
            ObjectKey::Secret(object) => {
                self.secrets.remove(object);
                vec![Change::Secret(object.clone())]
            }
        }
    }

    fn apply_pod(&mut self, pod: Pod) -> Vec<Change> {
        let changes = match self.pods.get(&pod.object) {
            Some(old) if old.uid == pod.uid => {
                let ended = old.live && !pod.live;
                self.unindex(&pod.object);
                let gone = ended.then(|| Change::PodGone(pod.uid.clone()));
                gone.into_iter().collect()
            }
            _ => self.remove_pod(&pod.object).into_iter().collect(),
        };
        let pod = Arc::new(pod);
        if pod.addressable {
            for ip in &pod.ips {
                self.pods_by_ip
                    .entry(*ip)
                    .or_default()
                    .push(Arc::clone(&pod));
            }
        }
        self.pods.insert(pod.object.clone(), pod);
        changes
    }

    fn remove_pod(&mut self, object: &ObjectRef) -> Option<Change> {
        self.unindex(object);
        let pod = self.pods.remove(object)?;
        Some(Change::PodGone(pod.uid.clone()))
    }

    /// Takes a pod's addresses away from it.
    fn unindex(&mut self, object: &ObjectRef) {
        let Some(pod) = self.pods.get(object) else {
            return;
        };
        for ip in &pod.ips {
            if let Some(pods) = self.pods_by_ip.get_mut(ip) {
                pods.retain(|other| other.object != *object);
                if pods.is_empty() {
                    self.pods_by_ip.remove(ip);
                }
            }
        }
    }

    /// An edit of nothing but metadata changes no token.
    fn apply_identity(&mut self, wire: &podgate_api::AzureIdentity) -> Vec<Change> {
        let identity = Identity::parse(wire, &self.rules).map(Arc::new);
        self.set_identity(ObjectRef::of(&wire.metadata), identity)
    }

    fn set_identity(
        &mut self,
        object: ObjectRef,
        identity: Result<Arc<Identity>, InvalidIdentity>,
    ) -> Vec<Change> {
        let old = self.identities.insert(object.clone(), identity.clone());
        let changed = old.is_some_and(|old| old != identity);
        changed
            .then_some(Change::Identity(object))
            .into_iter()
            .collect()
    }

    fn apply_binding(&mut self, binding: Binding) -> Vec<Change> {
        let old = self.remove_binding(&binding.object);
        *self.bound.entry(binding.target()).or_default() += 1;
        self.binding_selectors
            .insert(binding.object.clone(), binding.selector.clone());
        self.bindings
            .entry(binding.selector.clone())
            .or_default()
            .insert(binding.object.clone(), Arc::new(binding));
        self.unbound(old)
    }

    /// The identity that lost a binding.
    fn remove_binding(&mut self, object: &ObjectRef) -> Option<ObjectRef> {
        let selector = self.binding_selectors.remove(object)?;
        let bindings = self.bindings.get_mut(&selector)?;
        let binding = bindings.remove(object)?;
        if bindings.is_empty() {
            self.bindings.remove(&selector);
        }
        let identity = binding.target();
        if let Some(count) = self.bound.get_mut(&identity) {
            *count -= 1;
        }
        Some(identity)
    }

    /// Tokens go with the last binding: another pod's binding must not cost this one its token.
    fn unbound(&mut self, identity: Option<ObjectRef>) -> Vec<Change> {
        let last = identity.filter(|identity| self.bound.get(identity) == Some(&0));
        last.into_iter()
            .inspect(|identity| {
                self.bound.remove(identity);
            })
            .map(Change::Identity)
            .collect()
    }

    /// Records come and go with each pod; the tokens they lead to are the identity's own.
    fn apply_assigned(&mut self, wire: &podgate_api::AzureAssignedIdentity) -> Vec<Change> {
        let object = ObjectRef::of(&wire.metadata);
        self.remove_assigned(&object);
        let Ok(identity) = Identity::parse(&wire.spec.azure_identity_ref, &self.rules) else {
            // The AzureIdentity itself carries the reason, and `candidates` shows it.
            return Vec::new();
        };
        let pod = ObjectRef::new(&wire.spec.pod_namespace, &wire.spec.pod);
        let assigned = Assigned {
            object: object.clone(),
            pod: pod.clone(),
            state: wire.state(),
            identity: Arc::new(identity),
        };
        self.assigned_pods.insert(object.clone(), pod.clone());
        self.assigned
            .entry(pod)
            .or_default()
            .insert(object, Arc::new(assigned));
        Vec::new()
    }

    fn remove_assigned(&mut self, object: &ObjectRef) {
        let Some(pod) = self.assigned_pods.remove(object) else {
            return;
        };
        if let Some(records) = self.assigned.get_mut(&pod) {
            records.remove(object);
            if records.is_empty() {
                self.assigned.remove(&pod);
            }
        }
    }

    fn set_exception(
        &mut self,
        object: ObjectRef,
        labels: Option<BTreeMap<String, String>>,
    ) -> Vec<Change> {
        let mut entries = self
            .exceptions
            .get(&object.namespace)
            .map(|old| old.entries.clone())
            .unwrap_or_default();
        entries.retain(|(name, _)| *name != object.name);
        entries.extend(labels.map(|labels| (object.name, labels)));
        entries.sort();
        let old = self.exceptions.get(&object.namespace);
        let (old, version) = (old.map(|old| old.version), hash(&entries));
        let exceptions = Exceptions { version, entries };
        self.exceptions
            .insert(object.namespace.clone(), Arc::new(exceptions));
        let changed = old.is_some_and(|old| old != version);
        changed
            .then_some(Change::Exceptions(object.namespace))
            .into_iter()
            .collect()
    }
}

impl Assigned {
    /// The controller's word that the node holds the identity. Records of MIC 1.4 and before have no state.
    pub fn is_assigned(&self) -> bool {
        matches!(self.state, AssignedState::Assigned | AssignedState::Legacy)
    }
}

impl Pod {
    /// Whether this is that very pod, not another one of its name or address.
    pub fn is(&self, uid: &PodUid) -> bool {
        self.uid == *uid
    }
}
