//! Kubernetes objects, trimmed to what a request needs.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::core::v1 as core;
use podgate_api::{
    AssignedState, AzureAssignedIdentity, AzureIdentity, AzureIdentityBinding,
    AzurePodIdentityException, ObjectRef,
};
use zeroize::Zeroizing;

/// `metadata.uid` of a pod: two pods of one name never share it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PodUid(pub Arc<str>);

/// An object on its way into the index.
#[derive(Debug)]
pub enum Object {
    /// A pod of this node.
    Pod(Pod),
    /// An AzureIdentity, as it is on the wire.
    Identity(Box<AzureIdentity>),
    /// An AzureIdentityBinding.
    Binding(Binding),
    /// An AzureAssignedIdentity, as it is on the wire.
    Assigned(Box<AzureAssignedIdentity>),
    /// An AzurePodIdentityException.
    Exception(ObjectRef, BTreeMap<String, String>),
    /// A Secret that an identity names.
    Secret(ObjectRef, SecretData),
    /// Such a Secret that cannot be had, and why: for the pod's owner to read.
    NoSecret(ObjectRef, String),
    /// An AzureIdentity that is there and cannot be read: it must not go on as it was before.
    Unusable(super::InvalidIdentity),
}

/// Names an object for removal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ObjectKey {
    /// A pod.
    Pod(ObjectRef),
    /// An AzureIdentity.
    Identity(ObjectRef),
    /// An AzureIdentityBinding.
    Binding(ObjectRef),
    /// An AzureAssignedIdentity.
    Assigned(ObjectRef),
    /// An AzurePodIdentityException.
    Exception(ObjectRef),
    /// A Secret.
    Secret(ObjectRef),
}

/// A pod, as far as a token request cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Namespace and name.
    pub object: ObjectRef,
    /// `metadata.uid`
    pub uid: PodUid,
    /// `spec.serviceAccountName`
    pub service_account: String,
    /// `metadata.labels`
    pub labels: BTreeMap<String, String>,
    /// Every `status.podIPs[]`.
    pub ips: Vec<IpAddr>,
    /// Whether its address can be taken as its own: live, and not hostNetwork.
    pub addressable: bool,
    /// Not Succeeded or Failed, nor deleted with every container ended.
    pub live: bool,
    /// A hash of the labels and the service account: what a policy saw.
    pub version: u64,
}

/// An AzureIdentityBinding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Namespace and name.
    pub object: ObjectRef,
    /// `spec.azureIdentity`: a name in the binding's own namespace.
    pub identity: String,
    /// `spec.selector`: compared with the pod's label by equality.
    pub selector: String,
    /// `spec.weight`: the heavier one is the default where several could be.
    pub weight: i64,
}

/// An AzureAssignedIdentity: the controller's word that the node holds the identity.
#[derive(Clone, Debug)]
pub struct Assigned {
    /// Namespace and name of the record itself.
    pub object: ObjectRef,
    /// The pod it is for.
    pub pod: ObjectRef,
    /// How far the assignment is.
    pub state: AssignedState,
    /// The identity as the controller saw it.
    pub identity: Arc<super::Identity>,
}

/// The exceptions of one namespace, ordered by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exceptions {
    /// Name and `spec.podLabels` of each.
    pub entries: Vec<(String, BTreeMap<String, String>)>,
    /// A hash of the entries.
    pub version: u64,
}

/// The content of a Secret. Never printed; wiped when dropped.
#[derive(Clone)]
pub struct SecretData {
    /// A hash of the content: another content is another credential.
    pub version: u64,
    data: Arc<BTreeMap<String, Zeroizing<Vec<u8>>>>,
}

// === impl PodUid ===

impl fmt::Display for PodUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl Object ===

impl Object {
    /// The key that would remove this object again.
    pub fn key(&self) -> ObjectKey {
        match self {
            Self::Pod(pod) => ObjectKey::Pod(pod.object.clone()),
            Self::Identity(identity) => ObjectKey::Identity(ObjectRef::of(&identity.metadata)),
            Self::Binding(binding) => ObjectKey::Binding(binding.object.clone()),
            Self::Assigned(assigned) => ObjectKey::Assigned(ObjectRef::of(&assigned.metadata)),
            Self::Exception(object, _) => ObjectKey::Exception(object.clone()),
            Self::Secret(object, _) | Self::NoSecret(object, _) => {
                ObjectKey::Secret(object.clone())
            }
            Self::Unusable(invalid) => ObjectKey::Identity(invalid.object.clone()),
        }
    }
}

// === impl ObjectKey ===

impl ObjectKey {
    /// Namespace and name.
    pub fn object(&self) -> &ObjectRef {
        match self {
            Self::Pod(object)
            | Self::Identity(object)
            | Self::Binding(object)
            | Self::Assigned(object)
            | Self::Exception(object)
            | Self::Secret(object) => object,
        }
    }
}

// === impl Pod ===

impl From<core::Pod> for Pod {
    fn from(pod: core::Pod) -> Self {
        let object = ObjectRef::of(&pod.metadata);
        let uid = pod
            .metadata
            .uid
            .unwrap_or_else(|| format!("standalone:{object}"));
        let spec = pod.spec.unwrap_or_default();
        let status = pod.status.unwrap_or_default();
        let ended = matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"))
            || (pod.metadata.deletion_timestamp.is_some() && have_ended(&status));
        let labels = pod.metadata.labels.unwrap_or_default();
        let service_account = spec
            .service_account_name
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| "default".to_owned());
        Self {
            version: hash(&(&labels, &service_account)),
            object,
            uid: PodUid(uid.into()),
            service_account,
            labels,
            ips: addresses(status.pod_ip, status.pod_ips),
            addressable: !spec.host_network.unwrap_or(false) && !ended,
            live: !ended,
        }
    }
}

/// Whether all containers have ended, sidecars among the init containers as well. It counts for a pod that is
/// being deleted only: any other one keeps its sandbox, and so its address, for the containers' next start.
fn have_ended(status: &core::PodStatus) -> bool {
    let mut all = [
        &status.container_statuses,
        &status.init_container_statuses,
        &status.ephemeral_container_statuses,
    ]
    .into_iter()
    .flatten()
    .flatten()
    .peekable();
    let ended = |status: &core::ContainerStatus| {
        let state = status.state.as_ref();
        state.is_some_and(|state| state.terminated.is_some())
    };
    all.peek().is_some() && all.all(ended)
}

/// Every address of a pod, once. Text that is no address is left out: it can match nobody.
fn addresses(first: Option<String>, all: Option<Vec<core::PodIP>>) -> Vec<IpAddr> {
    let mut ips: Vec<IpAddr> = first
        .into_iter()
        .chain(all.unwrap_or_default().into_iter().map(|ip| ip.ip))
        .filter_map(|ip| ip.parse::<IpAddr>().ok())
        .map(|ip| ip.to_canonical())
        .collect();
    ips.sort_unstable();
    ips.dedup();
    ips
}

// === impl Binding ===

impl Binding {
    /// The AzureIdentity it names.
    pub fn target(&self) -> ObjectRef {
        ObjectRef::new(&self.object.namespace, &self.identity)
    }
}

impl From<AzureIdentityBinding> for Binding {
    fn from(binding: AzureIdentityBinding) -> Self {
        Self {
            object: ObjectRef::of(&binding.metadata),
            identity: name_or_none(binding.spec.azure_identity),
            selector: binding.spec.selector,
            weight: binding.spec.weight,
        }
    }
}

// === impl Exception ===

impl From<AzurePodIdentityException> for Object {
    fn from(exception: AzurePodIdentityException) -> Self {
        Self::Exception(
            ObjectRef::of(&exception.metadata),
            exception.spec.pod_labels,
        )
    }
}

// === impl SecretData ===

impl SecretData {
    /// Takes the decoded `data` of a Secret.
    pub fn new(data: BTreeMap<String, Vec<u8>>) -> Self {
        Self {
            version: hash(&data),
            data: Arc::new(
                data.into_iter()
                    .map(|(key, value)| (key, Zeroizing::new(value)))
                    .collect(),
            ),
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&[u8]> {
        self.data.get(key).map(|value| value.as_slice())
    }

    /// All keys and values, ordered by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.data.iter().map(|(k, v)| (k.as_str(), v.as_slice()))
    }
}

impl fmt::Debug for SecretData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretData([redacted])")
    }
}

impl From<core::Secret> for Object {
    fn from(secret: core::Secret) -> Self {
        let object = ObjectRef::of(&secret.metadata);
        let mut data: BTreeMap<String, Vec<u8>> = secret
            .data
            .unwrap_or_default()
            .into_iter()
            .map(|(key, value)| (key, value.0))
            .collect();
        data.extend(
            secret
                .string_data
                .unwrap_or_default()
                .into_iter()
                .map(|(key, value)| (key, value.into_bytes())),
        );
        Self::Secret(object, SecretData::new(data))
    }
}

/// The name of an object that a field refers to. Such a field may hold anything: what is no name is no object's, and
/// must not reach logs and answers as it is.
fn name_or_none(text: String) -> String {
    match is_name(&text) {
        true => text,
        false => "(not a name)".to_owned(),
    }
}

/// Whether an object can have this name: a DNS subdomain (RFC 1123), as Kubernetes asks of nearly all.
pub(super) fn is_name(text: &str) -> bool {
    let plain = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.')
    };
    !text.is_empty() && text.len() <= 253 && text.bytes().all(plain)
}

/// Versions never leave the process, so the standard hasher with its fixed keys will do.
pub(super) fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
