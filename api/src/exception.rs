//! AzurePodIdentityException: pods that get the node's own identities.

use std::collections::BTreeMap;

use kube::CustomResource;
use serde::{Deserialize, Serialize};

use crate::wire::{leftover, optional, or_default};

/// Names pods of its own namespace whose requests go to the node's identities, as it is on the wire.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[kube(
    group = "aadpodidentity.k8s.io",
    version = "v1",
    kind = "AzurePodIdentityException",
    plural = "azurepodidentityexceptions",
    namespaced,
    status = "AzurePodIdentityExceptionStatus",
    schema = "manual",
    derive = "PartialEq",
    derive = "Default",
    doc = "Lets pods of its namespace use the identities of their node, without a binding."
)]
#[serde(remote = "Self", default, rename_all = "camelCase")]
pub struct AzurePodIdentityExceptionSpec {
    /// A pod that carries any one of these labels is meant. Values compare without regard to case.
    #[serde(
        deserialize_with = "or_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub pod_labels: BTreeMap<String, String>,
}

/// The status of an AzurePodIdentityException. Never written by anyone.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(remote = "Self", default, rename_all = "camelCase")]
pub struct AzurePodIdentityExceptionStatus {
    /// Without a meaning.
    #[serde(deserialize_with = "leftover", skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

optional!(AzurePodIdentityExceptionSpec);
optional!(AzurePodIdentityExceptionStatus);

#[cfg(test)]
mod tests;
