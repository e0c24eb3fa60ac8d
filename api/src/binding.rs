//! AzureIdentityBinding: which pods are given an identity.

use kube::CustomResource;
use serde::{Deserialize, Serialize};

use crate::wire::{leftover, optional, or_default};

/// Binds the AzureIdentity of a name to the pods of a label, as it is on the wire.
#[expect(
    clippy::duplicated_attributes,
    reason = "the lint takes the keys of all printer columns for one list"
)]
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[kube(
    group = "aadpodidentity.k8s.io",
    version = "v1",
    kind = "AzureIdentityBinding",
    plural = "azureidentitybindings",
    namespaced,
    status = "AzureIdentityBindingStatus",
    schema = "manual",
    derive = "PartialEq",
    derive = "Default",
    doc = "Gives an AzureIdentity to the pods that carry a label.",
    printcolumn(
        name = "AzureIdentity",
        type_ = "string",
        json_path = ".spec.azureIdentity"
    ),
    printcolumn(name = "Selector", type_ = "string", json_path = ".spec.selector"),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(remote = "Self", default, rename_all = "camelCase")]
pub struct AzureIdentityBindingSpec {
    /// The name of an AzureIdentity in the binding's own namespace.
    #[serde(
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub azure_identity: String,
    /// The value of the pod label [`crate::BINDING_LABEL`]: compared by equality, never a label selector.
    #[serde(
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub selector: String,
    /// The heavier of two bindings gives the default identity. The old programs never read it.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_zero")]
    pub weight: i64,
}

/// The status of an AzureIdentityBinding. Never written by anyone.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(remote = "Self", default, rename_all = "camelCase")]
pub struct AzureIdentityBindingStatus {
    /// Without a meaning.
    #[serde(deserialize_with = "leftover", skip_serializing_if = "Option::is_none")]
    pub available_replicas: Option<i32>,
}

optional!(AzureIdentityBindingSpec);
optional!(AzureIdentityBindingStatus);

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature serde asks for"
)]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests;
