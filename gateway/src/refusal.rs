//! Every way a request can end without a token, each with the reason its reader needs.

use std::net::IpAddr;
use std::time::Duration;

use podgate_azure::failure::Failure;
use thiserror::Error;

use crate::world::ObjectRef;

/// A request that gets no token. [`crate::reply`] alone turns it into a status and a body.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    /// The request itself is malformed.
    #[error("{0}")]
    BadRequest(String),
    /// The SSRF guard: real IMDS answers the same words, and every SDK's probe looks for them.
    #[error("Required metadata header not specified")]
    NoMetadataHeader,
    /// No such route, or one that pods must not reach.
    #[error("{0}")]
    NotFound(String),
    /// Another method than GET.
    #[error("method {0} is not allowed; use GET")]
    MethodNotAllowed(String),
    /// `--block-instance-metadata`
    #[error("instance metadata is blocked on this node (--block-instance-metadata)")]
    InstanceMetadataBlocked,
    /// No live pod of this node has the address.
    #[error("no pod of this node has the address {ip} yet; retry shortly")]
    UnknownPod {
        /// The caller's address.
        ip: IpAddr,
    },
    /// Several live pods claim the address.
    #[error(
        "{pods} live pods of this node have the address {ip}; until one of them is gone nobody gets a token"
    )]
    AmbiguousPod {
        /// The caller's address.
        ip: IpAddr,
        /// How many.
        pods: usize,
    },
    /// The address changed hands while the token was fetched, or since the connection was made.
    #[error("the address {ip} has changed its pod; retry on a new connection")]
    PodChanged {
        /// The caller's address.
        ip: IpAddr,
    },
    /// `/host/token`: no live pod of this node has the name.
    #[error("no pod {0} on this node, or none that has not ended")]
    NoSuchPod(ObjectRef),
    /// `/host/token`: the pod ended, or was replaced by another one of its name, while the token was fetched.
    #[error(
        "pod {0} ended during the request, or is another one by now; retry if it is still wanted"
    )]
    NamedPodChanged(ObjectRef),
    /// `/host/token`: the peer is none of those who may ask. Begins with the old gateway's words.
    #[error(
        "request remote address is not from a host: uid {0} is neither 0 nor in --host-token-uids"
    )]
    NotHost(u32),
    /// A policy said no.
    #[error("denied by policy {plugin}: {reason}")]
    Denied {
        /// The plugin's name.
        plugin: String,
        /// Its reason.
        reason: String,
    },
    /// A policy failed, and its operator wants that to deny.
    #[error("policy {plugin} failed, and its onFailure is deny: ask the cluster's operator")]
    PolicyFailed {
        /// The plugin's name.
        plugin: String,
    },
    /// A policy could not be asked, or did not answer in time, which may pass.
    #[error(
        "policy {plugin} failed for now, which denies; retry shortly, and if this lasts ask the cluster's operator"
    )]
    PolicyUnavailable {
        /// The plugin's name.
        plugin: String,
    },
    /// No binding gives the pod what it asks for. Begins with the words of real IMDS.
    #[error("Identity not found: {0}")]
    NoIdentity(String),
    /// Several identities, none named. Begins with the words of real IMDS.
    #[error(
        "Multiple user assigned identities exist, please specify the clientId / resourceId of the \
         identity in the token request ({0})"
    )]
    SeveralIdentities(String),
    /// Bound, but the controller has not assigned it to the node yet.
    #[error("{0}")]
    NotAssignedYet(String),
    /// The identity is bound but its AzureIdentity or Secret is unusable.
    #[error("{0}")]
    Misconfigured(String),
    /// The pod asks for too much at once.
    #[error("pod {pod} asks for new tokens too fast; retry in {} s", .retry_after.as_secs_f64().ceil())]
    TooMany {
        /// The pod.
        pod: ObjectRef,
        /// When to come back.
        retry_after: Duration,
    },
    /// The pod's share of the token cache, or the whole of it, is used up.
    #[error(
        "pod {pod} holds tokens for {share} audiences, or the gateway holds all it can; ask again for \
         audiences that were asked for before, which still works, or wait until their tokens have ended"
    )]
    CacheFull {
        /// The pod.
        pod: ObjectRef,
        /// How many one pod may hold.
        share: usize,
    },
    /// Entra ID or IMDS refused or could not answer.
    #[error("{0}")]
    Upstream(Failure),
    /// The gateway's own deadline.
    #[error("no token within {} s; retry", .0.as_secs())]
    Deadline(Duration),
}

impl Refusal {
    /// A closed set of words for metrics.
    pub fn category(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "bad_request",
            Self::NoMetadataHeader => "no_metadata_header",
            Self::NotFound(_) => "not_found",
            Self::MethodNotAllowed(_) => "method_not_allowed",
            Self::InstanceMetadataBlocked => "instance_metadata_blocked",
            Self::UnknownPod { .. } => "unknown_pod",
            Self::AmbiguousPod { .. } => "ambiguous_pod",
            Self::PodChanged { .. } | Self::NamedPodChanged(_) => "pod_changed",
            Self::NoSuchPod(_) => "no_such_pod",
            Self::NotHost(_) => "not_host",
            Self::Denied { .. } => "denied",
            Self::PolicyFailed { .. } => "policy_failed",
            Self::PolicyUnavailable { .. } => "policy_unavailable",
            Self::NoIdentity(_) => "no_identity",
            Self::SeveralIdentities(_) => "several_identities",
            Self::NotAssignedYet(_) => "not_assigned_yet",
            Self::Misconfigured(_) => "misconfigured",
            Self::TooMany { .. } => "too_many",
            Self::CacheFull { .. } => "cache_full",
            Self::Upstream(failure) => failure.category(),
            Self::Deadline(_) => "deadline",
        }
    }
}
