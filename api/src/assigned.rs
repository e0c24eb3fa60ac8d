//! AzureAssignedIdentity: the controller's word that a pod's node holds an identity.

use std::fmt;

use kube::CustomResource;
use serde::{Deserialize, Serialize};

use crate::binding::AzureIdentityBinding;
use crate::identity::AzureIdentity;
use crate::wire::{embedded, leftover, optional, or_default};

/// One pod, one identity, one node, as it is on the wire.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[kube(
    group = "aadpodidentity.k8s.io",
    version = "v1",
    kind = "AzureAssignedIdentity",
    plural = "azureassignedidentities",
    namespaced,
    status = "AzureAssignedIdentityStatus",
    schema = "manual",
    derive = "PartialEq",
    derive = "Default",
    doc = "Says how far the node of a pod is with one of the pod's identities. Written by the controller."
)]
#[serde(remote = "Self", default, rename_all = "camelCase")]
pub struct AzureAssignedIdentitySpec {
    /// The identity as it was when it was assigned, whole.
    #[serde(deserialize_with = "embedded::identity")]
    pub azure_identity_ref: AzureIdentity,
    /// The binding as it was when it was assigned, whole.
    #[serde(deserialize_with = "embedded::binding")]
    pub azure_binding_ref: AzureIdentityBinding,
    /// `metadata.name` of the pod.
    #[serde(
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub pod: String,
    /// `metadata.namespace` of the pod.
    #[serde(
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub pod_namespace: String,
    /// The pod's node. All lower case on the wire, unlike its siblings.
    #[serde(
        rename = "nodename",
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub node_name: String,
    /// Never read by anyone; kept so that writing an object back loses nothing.
    #[serde(deserialize_with = "leftover", skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
}

/// How far the assignment is, as it is on the wire. [`AzureAssignedIdentity::state`] reads it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(remote = "Self", default, rename_all = "camelCase")]
pub struct AzureAssignedIdentityStatus {
    /// `Created`, `Assigned`, `Unassigned`, or nothing.
    #[serde(
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub status: String,
    /// Without a meaning; the old controller writes 1.
    #[serde(deserialize_with = "leftover", skip_serializing_if = "Option::is_none")]
    pub available_replicas: Option<i32>,
}

/// How far an assignment is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AssignedState {
    /// No state: written by a controller of 1.4 or before, which wrote the object once Azure had done.
    Legacy,
    /// Recorded; Azure does not know yet.
    Created,
    /// The node holds the identity.
    Assigned,
    /// The node no longer holds the identity; the object is about to go.
    Unassigned,
    /// A word without a meaning. Gives nobody a token.
    Unknown(String),
}

optional!(AzureAssignedIdentitySpec);
optional!(AzureAssignedIdentityStatus);

/// The name of the AzureAssignedIdentity of a pod and an AzureIdentity.
///
/// Not unique (pod `a-b` of `c` and pod `a` of `b-c` share it) and not bounded to what Kubernetes allows: the
/// old controller's rule, kept so that both controllers mean the same object.
pub fn assigned_name(pod: &str, pod_namespace: &str, identity: &str) -> String {
    format!("{pod}-{pod_namespace}-{identity}")
}

// === impl AzureAssignedIdentity ===

impl AzureAssignedIdentity {
    /// How far the assignment is.
    pub fn state(&self) -> AssignedState {
        let status = self.status.as_ref();
        status.map_or("", |status| status.status.as_str()).into()
    }
}

// === impl AssignedState ===

impl AssignedState {
    /// The word on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Legacy => "",
            Self::Created => "Created",
            Self::Assigned => "Assigned",
            Self::Unassigned => "Unassigned",
            Self::Unknown(other) => other,
        }
    }
}

impl From<&str> for AssignedState {
    fn from(word: &str) -> Self {
        match word {
            "" => Self::Legacy,
            "Created" => Self::Created,
            "Assigned" => Self::Assigned,
            "Unassigned" => Self::Unassigned,
            other => Self::Unknown(other.to_owned()),
        }
    }
}

impl fmt::Display for AssignedState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
