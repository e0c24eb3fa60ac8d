//! What a case asks. What it leaves out has a usual value.

use std::collections::BTreeMap;

use anyhow::ensure;
use podgate_plugin_host as host;
use serde::Deserialize;

/// A pod.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Pod {
    namespace: String,
    name: String,
    uid: String,
    service_account: String,
    labels: BTreeMap<String, String>,
}

/// Its request; at most one of the three identities.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Request {
    path: String,
    resource: String,
    client_id: Option<String>,
    object_id: Option<String>,
    resource_id: Option<String>,
}

/// An AzurePodIdentityException.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Exception {
    name: String,
    pod_labels: BTreeMap<String, String>,
}

/// A service principal.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Identity {
    client_id: String,
    tenant_id: String,
    authority: String,
}

/// Whose token is kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Subject {
    client_id: String,
    identity_type: IdentityType,
    resource: String,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum IdentityType {
    ManagedIdentity,
    ClientSecret,
    ClientCertificate,
    Node,
}

/// A token's times, in seconds since 1970.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Times {
    obtained: u64,
    expires: u64,
    #[serde(default)]
    jitter: u32,
}

/// What is usual where a case says nothing.
const CLIENT_ID: &str = "11111111-1111-4111-8111-111111111111";
const TENANT_ID: &str = "99999999-9999-4999-8999-999999999999";
const UID: &str = "00000000-0000-4000-8000-000000000001";
/// Also a case's own `resource` and `requestId`.
pub(super) const RESOURCE: &str = "https://vault.azure.net";
pub(super) const REQUEST_ID: &str = "00000000-0000-4000-8000-000000000002";

// === impl Pod ===

impl Default for Pod {
    fn default() -> Self {
        Self {
            namespace: "default".into(),
            name: "pod".into(),
            uid: UID.into(),
            service_account: "default".into(),
            labels: BTreeMap::new(),
        }
    }
}

impl From<Pod> for host::Pod {
    fn from(pod: Pod) -> Self {
        Self {
            namespace: pod.namespace,
            name: pod.name,
            uid: pod.uid,
            service_account: pod.service_account,
            labels: labels(pod.labels),
        }
    }
}

fn labels(labels: BTreeMap<String, String>) -> Vec<host::Label> {
    let label = |(name, value)| host::Label { name, value };
    labels.into_iter().map(label).collect()
}

// === impl Request ===

impl Default for Request {
    fn default() -> Self {
        Self {
            path: "/metadata/identity/oauth2/token".into(),
            resource: RESOURCE.into(),
            client_id: None,
            object_id: None,
            resource_id: None,
        }
    }
}

impl Request {
    /// Refuses what the gateway would have refused before any plugin is asked.
    pub(super) fn checked(self) -> anyhow::Result<host::TokenRequest> {
        use host::IdentitySelector as Selector;
        let named = [
            self.client_id.map(Selector::ClientId),
            self.object_id.map(Selector::ObjectId),
            self.resource_id.map(Selector::ResourceId),
        ];
        let mut named = named.into_iter().flatten();
        let identity = named.next().unwrap_or(Selector::Unspecified);
        ensure!(
            named.next().is_none(),
            "request: name one of clientId, objectId and resourceId, as a pod can"
        );
        Ok(host::TokenRequest {
            path: self.path,
            resource: self.resource,
            identity,
        })
    }
}

impl From<Exception> for host::PodException {
    fn from(exception: Exception) -> Self {
        Self {
            name: exception.name,
            pod_labels: labels(exception.pod_labels),
        }
    }
}

// === impl Identity ===

impl Default for Identity {
    fn default() -> Self {
        Self {
            client_id: CLIENT_ID.into(),
            tenant_id: TENANT_ID.into(),
            authority: "https://login.microsoftonline.com/".into(),
        }
    }
}

impl From<Identity> for host::CredentialIdentity {
    fn from(identity: Identity) -> Self {
        Self {
            client_id: identity.client_id,
            tenant_id: identity.tenant_id,
            authority: identity.authority,
        }
    }
}

// === impl Subject ===

impl Default for Subject {
    fn default() -> Self {
        Self {
            client_id: CLIENT_ID.into(),
            identity_type: IdentityType::ManagedIdentity,
            resource: RESOURCE.into(),
        }
    }
}

impl From<Subject> for host::Subject {
    fn from(subject: Subject) -> Self {
        Self {
            client_id: subject.client_id,
            identity_type: match subject.identity_type {
                IdentityType::ManagedIdentity => host::IdentityType::ManagedIdentity,
                IdentityType::ClientSecret => host::IdentityType::ClientSecret,
                IdentityType::ClientCertificate => host::IdentityType::ClientCertificate,
                IdentityType::Node => host::IdentityType::Node,
            },
            resource: subject.resource,
        }
    }
}

impl From<Times> for host::Times {
    fn from(times: Times) -> Self {
        Self {
            obtained: times.obtained,
            expires: times.expires,
            jitter: times.jitter,
        }
    }
}
