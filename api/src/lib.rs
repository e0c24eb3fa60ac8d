//! The custom resources of `aadpodidentity.k8s.io/v1` and Azure's identifiers, without I/O.
//!
//! The four kinds are those of aad-pod-identity, field for field on the wire, so that a cluster's objects,
//! its users' manifests and the old programs keep working beside podgate:
//!
//! ```text
//! AzureIdentity ◀─ spec.azureIdentity ─ AzureIdentityBinding ─ spec.selector ─▶ pod label aadpodidbinding
//!       └──────────────┬────────────────────────┘
//!         AzureAssignedIdentity   (both embedded, for one pod, on one node; made by the controller)
//!         AzurePodIdentityException   (pods that get the node's own identities)
//! ```
//!
//! The kinds keep Azure's identifiers as the text that is on the wire, since one bad field must not make a
//! whole list unreadable. [`ids`] is where that text becomes something that can be used.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

pub mod assigned;
pub mod binding;
pub mod crd;
pub mod exception;
pub mod identity;
pub mod ids;
pub mod object;
pub mod selector;
mod wire;

pub use assigned::{
    AssignedState, AzureAssignedIdentity, AzureAssignedIdentitySpec, AzureAssignedIdentityStatus,
    assigned_name,
};
pub use binding::{AzureIdentityBinding, AzureIdentityBindingSpec, AzureIdentityBindingStatus};
pub use crd::crds;
pub use exception::{
    AzurePodIdentityException, AzurePodIdentityExceptionSpec, AzurePodIdentityExceptionStatus,
};
pub use identity::{
    AzureIdentity, AzureIdentitySpec, AzureIdentityStatus, IdentityType, SecretReference,
};
pub use ids::{ClientId, InvalidId, ObjectId, Resource, ResourceId, TenantId};
pub use object::ObjectRef;
pub use selector::{
    ASSIGNED_FINALIZER, BEHAVIOR_ANNOTATION, BINDING_LABEL, NODE_LABEL, is_namespaced, selects,
};
