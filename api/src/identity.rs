//! AzureIdentity: an identity of Azure that pods may be given.

use kube::CustomResource;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::wire::{leftover, optional, or_default};

/// What an identity is and how to get its tokens, as it is on the wire.
///
/// Which fields are needed depends on the type; an empty text and a missing one mean the same. Field names
/// are case-sensitive: the API server drops `ClientID`, the spelling before aad-pod-identity 1.6, in silence.
#[expect(
    clippy::duplicated_attributes,
    reason = "the lint takes the keys of all printer columns for one list"
)]
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[kube(
    group = "aadpodidentity.k8s.io",
    version = "v1",
    kind = "AzureIdentity",
    plural = "azureidentities",
    namespaced,
    status = "AzureIdentityStatus",
    schema = "manual",
    derive = "PartialEq",
    derive = "Default",
    doc = "An identity of Azure that pods may be given: a managed identity or a service principal.",
    printcolumn(name = "Type", type_ = "string", json_path = ".spec.type"),
    printcolumn(name = "ClientID", type_ = "string", json_path = ".spec.clientID"),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(remote = "Self", default)]
pub struct AzureIdentitySpec {
    /// What kind of identity this is. 0 is left out when written, as Go's `omitempty` did.
    #[serde(rename = "type", skip_serializing_if = "IdentityType::is_default")]
    pub identity_type: IdentityType,
    /// Type 0: the ARM id of the user-assigned managed identity ([`crate::ResourceId`]).
    #[serde(rename = "resourceID", skip_serializing_if = "Option::is_none")]
    pub resource_id: Option<String>,
    /// The client id of the identity ([`crate::ClientId`]), for every type.
    #[serde(rename = "clientID", skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Types 1 and 2: the Secret that holds the credential.
    #[serde(rename = "clientPassword", skip_serializing_if = "Option::is_none")]
    pub client_password: Option<SecretReference>,
    /// Types 1 and 2: the tenant ([`crate::TenantId`]).
    #[serde(rename = "tenantID", skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    /// Type 1: further tenants to get a token of, one for each.
    #[serde(
        rename = "auxiliaryTenantIDs",
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub auxiliary_tenant_ids: Vec<String>,
    /// Never read by anyone; kept so that writing an object back loses nothing.
    #[serde(
        rename = "adResourceID",
        deserialize_with = "leftover",
        skip_serializing_if = "Option::is_none"
    )]
    pub ad_resource_id: Option<String>,
    /// Types 1 and 2: the login host's URL, where it is not the cloud's own.
    #[serde(rename = "adEndpoint", skip_serializing_if = "Option::is_none")]
    pub ad_endpoint: Option<String>,
    /// Never read by anyone; kept so that writing an object back loses nothing.
    #[serde(deserialize_with = "leftover", skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
}

/// The status of an AzureIdentity. Never written by anyone.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(remote = "Self", default, rename_all = "camelCase")]
pub struct AzureIdentityStatus {
    /// Without a meaning.
    #[serde(deserialize_with = "leftover", skip_serializing_if = "Option::is_none")]
    pub available_replicas: Option<i32>,
}

/// Where a Secret is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct SecretReference {
    /// `metadata.name`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `metadata.namespace`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// What kind of identity an AzureIdentity is: a number on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IdentityType {
    /// 0: a user-assigned managed identity, whose tokens come from the node's IMDS.
    #[default]
    UserAssignedManagedIdentity,
    /// 1: a service principal with a client secret.
    ServicePrincipal,
    /// 2: a service principal with a certificate.
    ServicePrincipalCertificate,
    /// A number without a meaning. The identity cannot be used, and nothing else is harmed.
    Unknown(i64),
}

optional!(AzureIdentitySpec);
optional!(AzureIdentityStatus);

// === impl IdentityType ===

impl IdentityType {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl From<i64> for IdentityType {
    fn from(number: i64) -> Self {
        match number {
            0 => Self::UserAssignedManagedIdentity,
            1 => Self::ServicePrincipal,
            2 => Self::ServicePrincipalCertificate,
            other => Self::Unknown(other),
        }
    }
}

impl From<IdentityType> for i64 {
    fn from(identity_type: IdentityType) -> Self {
        match identity_type {
            IdentityType::UserAssignedManagedIdentity => 0,
            IdentityType::ServicePrincipal => 1,
            IdentityType::ServicePrincipalCertificate => 2,
            IdentityType::Unknown(other) => other,
        }
    }
}

impl Serialize for IdentityType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64((*self).into())
    }
}

impl<'de> Deserialize<'de> for IdentityType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Null => Ok(Self::default()),
            Value::Number(number) => Ok(number.as_i64().unwrap_or(i64::MAX).into()),
            other => Err(serde::de::Error::custom(format_args!(
                "type: {} is no number; use 0 (managed identity), 1 (client secret) or 2 (certificate)",
                excerpt(&other)
            ))),
        }
    }
}

fn excerpt(value: &Value) -> String {
    value.to_string().chars().take(32).collect()
}

#[cfg(test)]
mod tests;
