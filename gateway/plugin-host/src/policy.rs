//! What a policy plugin is asked and what it answers: `podgate:policy/decide` in the gateway's words.

use async_trait::async_trait;

use crate::PluginError;

pub(crate) mod component;

/// One label of a Kubernetes object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The key, prefix included: `app.kubernetes.io/name`.
    pub name: String,
    /// The value; may be empty.
    pub value: String,
}

/// The pod that asks, known by its connection's source address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// `metadata.namespace`
    pub namespace: String,
    /// `metadata.name`
    pub name: String,
    /// `metadata.uid`: another pod of the same name has another uid.
    pub uid: String,
    /// `spec.serviceAccountName`, `default` where the pod names none.
    pub service_account: String,
    /// `metadata.labels`, ordered by name.
    pub labels: Vec<Label>,
}

/// Which of its identities the pod asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentitySelector {
    /// None was named.
    Unspecified,
    /// `client_id=`
    ClientId(String),
    /// `object_id=`
    ObjectId(String),
    /// `msi_res_id=` or `mi_res_id=`: an ARM resource id.
    ResourceId(String),
}

/// A request for a token, parsed and bounded by the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRequest {
    /// The canonical path, `/metadata/identity/oauth2/token` or `/host/token`.
    pub path: String,
    /// The audience asked for: an App ID URI or a GUID.
    pub resource: String,
    /// The identity asked for.
    pub identity: IdentitySelector,
}

/// An AzurePodIdentityException of the pod's namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodException {
    /// `metadata.name`
    pub name: String,
    /// `spec.podLabels`, ordered by name.
    pub pod_labels: Vec<Label>,
}

/// Everything a policy plugin is told about one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyQuestion {
    /// The pod that asks.
    pub pod: Pod,
    /// What it asks for.
    pub request: TokenRequest,
    /// The exceptions of its namespace, ordered by name.
    pub exceptions: Vec<PodException>,
}

/// A policy plugin's answer, bounded and cleaned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No opinion.
    Pass,
    /// Let the request through to the node's own identities. Only of a plugin with the `bypass` grant.
    Bypass,
    /// Refuse, with the reason for the pod's owner: one printable line.
    Deny(String),
    /// Only identities with one of these client ids; an empty list refuses.
    Restrict(Vec<String>),
}

/// A loaded policy plugin.
#[async_trait]
pub trait Policy: Send + Sync {
    /// The plugin's name in the operator's configuration.
    fn name(&self) -> &str;

    /// Whether it imports nothing but the log: then equal questions have equal answers, and they may be
    /// remembered.
    fn is_pure(&self) -> bool;

    /// Answers one question, in a fresh instance.
    ///
    /// # Errors
    /// The plugin failed, which is never an answer: what that means is the operator's `onFailure`.
    async fn decide(&self, question: &PolicyQuestion) -> Result<Verdict, PluginError>;
}
