//! Kubernetes objects, trimmed to what the controller needs.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use k8s_openapi::api::core::v1 as core;
use podgate_api::{
    AzureIdentity, AzureIdentityBinding, AzureIdentitySpec, BINDING_LABEL, ClientId, IdentityType,
    ObjectRef, ResourceId, is_namespaced,
};
use podgate_azure::arm::ComputeId;
use thiserror::Error;

use crate::record::Record;

/// An object on its way into the index.
#[derive(Clone, Debug)]
pub enum Object {
    /// A pod that is scheduled, carries the label, and has not ended.
    Pod(Pod),
    /// A node.
    Node(Node),
    /// An AzureIdentity, usable or not.
    Identity(Result<Arc<Identity>, InvalidIdentity>),
    /// An AzureIdentityBinding.
    Binding(Arc<Binding>),
    /// An AzureAssignedIdentity.
    Record(Arc<Record>),
}

/// Names an object for removal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// A pod.
    Pod(ObjectRef),
    /// A node, by its name.
    Node(String),
    /// An AzureIdentity.
    Identity(ObjectRef),
    /// An AzureIdentityBinding.
    Binding(ObjectRef),
    /// An AzureAssignedIdentity.
    Record(ObjectRef),
}

/// A pod that may need an identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Namespace and name.
    pub object: ObjectRef,
    /// `metadata.uid`
    pub uid: String,
    /// `spec.nodeName`
    pub node: String,
    /// The value of the label that bindings select by; never empty.
    pub selector: String,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// `metadata.name`
    pub name: String,
    /// The virtual machine or scale set behind it, or why none is known.
    pub compute: Result<ComputeId, String>,
}

/// An AzureIdentity that can be assigned.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Namespace and name.
    pub object: ObjectRef,
    /// `metadata.uid`
    pub uid: String,
    /// For pods of its own namespace only, by its annotation.
    pub namespaced: bool,
    /// Type 0: what the node must hold. Service principals need nothing of the node.
    pub resource: Option<ResourceId>,
    /// `spec.clientID`, where it is one.
    pub client_id: Option<ClientId>,
    /// Tells editions of the specification apart. Metadata does not count: an annotation changes nothing.
    pub edition: u64,
    /// The whole object, for the records that embed it.
    pub wire: AzureIdentity,
}

/// Why an AzureIdentity cannot be assigned.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("AzureIdentity {object} cannot be assigned: {problem}")]
pub struct InvalidIdentity {
    /// Namespace and name.
    pub object: ObjectRef,
    /// `metadata.uid`
    pub uid: String,
    /// The field, what is wrong with it and what would be right.
    pub problem: String,
}

/// An AzureIdentityBinding.
#[derive(Clone, Debug)]
pub struct Binding {
    /// Namespace and name.
    pub object: ObjectRef,
    /// `metadata.uid`
    pub uid: String,
    /// The AzureIdentity it names, in its own namespace.
    pub identity: ObjectRef,
    /// `spec.selector`
    pub selector: String,
    /// `spec.weight`: the heavier of two goes first.
    pub weight: i64,
    /// The whole object, for the records that embed it.
    pub wire: AzureIdentityBinding,
}

// === impl Object ===

impl Object {
    /// The key that would remove this object again.
    pub fn key(&self) -> Key {
        match self {
            Self::Pod(pod) => Key::Pod(pod.object.clone()),
            Self::Node(node) => Key::Node(node.name.clone()),
            Self::Identity(Ok(identity)) => Key::Identity(identity.object.clone()),
            Self::Identity(Err(invalid)) => Key::Identity(invalid.object.clone()),
            Self::Binding(binding) => Key::Binding(binding.object.clone()),
            Self::Record(record) => Key::Record(record.object.clone()),
        }
    }
}

// === impl Pod ===

impl Pod {
    /// A pod, where it may need an identity: it has the label, a node, and has not ended. An ended pod
    /// (Succeeded, Failed) asks for nothing any more; `keep_ended` is the old controller's way, to whom it did
    /// until somebody deleted it.
    pub fn read(wire: &core::Pod, keep_ended: bool) -> Option<Self> {
        let labels = wire.metadata.labels.as_ref()?;
        let selector = labels.get(BINDING_LABEL).filter(|text| !text.is_empty())?;
        let node = wire.spec.as_ref()?.node_name.clone()?;
        let phase = wire
            .status
            .as_ref()
            .and_then(|status| status.phase.as_deref());
        let ended = matches!(phase, Some("Succeeded" | "Failed"));
        (!node.is_empty() && (keep_ended || !ended)).then(|| Self {
            object: ObjectRef::of(&wire.metadata),
            uid: wire.metadata.uid.clone().unwrap_or_default(),
            node,
            selector: selector.clone(),
        })
    }
}

// === impl Node ===

impl Node {
    /// A node of `spec.providerID`.
    pub fn read(wire: &core::Node) -> Self {
        let spec = wire.spec.as_ref();
        let provider = spec.and_then(|spec| spec.provider_id.as_deref());
        let compute = match provider.filter(|id| !id.is_empty()) {
            Some(id) => id
                .parse()
                .map_err(|problem: podgate_azure::arm::InvalidComputeId| problem.to_string()),
            None => Err(
                "spec.providerID is not there; the cloud controller sets it when the node joins"
                    .to_owned(),
            ),
        };
        Self {
            name: wire.metadata.name.clone().unwrap_or_default(),
            compute,
        }
    }
}

// === impl Identity ===

impl Identity {
    /// Reads what the controller needs of it. What a gateway needs besides is the gateway's to check: a Secret
    /// that is missing today must not keep the record from being there tomorrow.
    ///
    /// # Errors
    /// The type has no meaning, or a managed identity is not named well.
    pub fn read(mut wire: AzureIdentity) -> Result<Arc<Self>, InvalidIdentity> {
        let object = ObjectRef::of(&wire.metadata);
        let uid = wire.metadata.uid.clone().unwrap_or_default();
        wire.metadata.managed_fields = None;
        match resource(&wire.spec) {
            Ok(resource) => Ok(Arc::new(Self {
                object,
                uid,
                namespaced: is_namespaced(&wire),
                resource,
                client_id: client_id(&wire.spec),
                edition: edition(&wire.spec),
                wire,
            })),
            Err(problem) => Err(InvalidIdentity {
                object,
                uid,
                problem,
            }),
        }
    }
}

/// What the node must hold for an identity of this specification: nothing for a service principal.
pub(crate) fn resource(spec: &AzureIdentitySpec) -> Result<Option<ResourceId>, String> {
    match spec.identity_type {
        IdentityType::UserAssignedManagedIdentity => {
            let text = spec.resource_id.as_deref().unwrap_or_default();
            let read = text.parse().map_err(|problem| {
                format!("spec.resourceID: {problem} (field names are case-sensitive: `resourceID`, not `ResourceID`)")
            });
            read.map(Some)
        }
        IdentityType::ServicePrincipal | IdentityType::ServicePrincipalCertificate => Ok(None),
        IdentityType::Unknown(number) => Err(format!(
            "spec.type: {number} has no meaning; use 0 (managed identity), 1 (client secret) or 2 (certificate)"
        )),
    }
}

pub(crate) fn client_id(spec: &AzureIdentitySpec) -> Option<ClientId> {
    spec.client_id.as_deref().and_then(|text| text.parse().ok())
}

/// A hash of what the specification says. Nothing and an empty text are the same: the old controller writes a reference to
/// no Secret as `{}`.
pub(crate) fn edition(spec: &AzureIdentitySpec) -> u64 {
    let said = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let secret = spec.client_password.clone().unwrap_or_default();
    let mut hasher = DefaultHasher::new();
    spec.identity_type.hash(&mut hasher);
    for text in [
        &spec.resource_id,
        &spec.client_id,
        &secret.name,
        &secret.namespace,
        &spec.tenant_id,
        &spec.ad_endpoint,
    ] {
        said(text).hash(&mut hasher);
    }
    spec.auxiliary_tenant_ids.hash(&mut hasher);
    hasher.finish()
}

// === impl Binding ===

impl Binding {
    /// Reads what the controller needs of it.
    pub fn read(mut wire: AzureIdentityBinding) -> Arc<Self> {
        let object = ObjectRef::of(&wire.metadata);
        wire.metadata.managed_fields = None;
        Arc::new(Self {
            identity: ObjectRef::new(&object.namespace, &wire.spec.azure_identity),
            uid: wire.metadata.uid.clone().unwrap_or_default(),
            selector: wire.spec.selector.clone(),
            weight: wire.spec.weight,
            object,
            wire,
        })
    }
}
