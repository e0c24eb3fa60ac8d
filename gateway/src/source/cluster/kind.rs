//! What is watched, and how little of it.

use k8s_openapi::api::core::v1 as core;
use kube::api::{ListParams, WatchParams};
use podgate_api::NODE_LABEL;

use super::NodeName;
use crate::world::{Object, ObjectKey, ObjectRef};

const GROUP: &str = "aadpodidentity.k8s.io";

/// One watch's objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The pods of this node.
    Pods(NodeName),
    /// All AzureIdentities.
    Identities,
    /// All AzureIdentityBindings.
    Bindings,
    /// All AzurePodIdentityExceptions.
    Exceptions,
    /// This node's AzureAssignedIdentities.
    Assigned(NodeName),
    /// One Secret.
    Secret(ObjectRef),
}

impl Kind {
    /// For labels of metrics.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Pods(_) => "Pod",
            Self::Identities => "AzureIdentity",
            Self::Bindings => "AzureIdentityBinding",
            Self::Exceptions => "AzurePodIdentityException",
            Self::Assigned(_) => "AzureAssignedIdentity",
            Self::Secret(_) => "Secret",
        }
    }

    /// For people.
    pub(super) fn what(&self) -> String {
        match self {
            Self::Pods(node) => format!("pods of node {node}"),
            Self::Assigned(node) => format!("AzureAssignedIdentity list of node {node}"),
            Self::Secret(object) => format!("Secret {object}"),
            _ => format!("{} list", self.name()),
        }
    }

    /// The start-up task of the first complete state.
    pub(super) fn task(&self) -> &'static str {
        match self {
            Self::Pods(_) => "pods of this node",
            Self::Identities => "AzureIdentity list",
            Self::Bindings => "AzureIdentityBinding list",
            Self::Exceptions => "AzurePodIdentityException list",
            Self::Assigned(_) => "AzureAssignedIdentity list",
            Self::Secret(_) => "Secret",
        }
    }

    fn plural(&self) -> &'static str {
        match self {
            Self::Pods(_) => "pods",
            Self::Identities => "azureidentities",
            Self::Bindings => "azureidentitybindings",
            Self::Exceptions => "azurepodidentityexceptions",
            Self::Assigned(_) => "azureassignedidentities",
            Self::Secret(_) => "secrets",
        }
    }

    /// The name of the definition that brings the kind, if one must.
    pub(super) fn definition(&self) -> Option<String> {
        match self {
            Self::Pods(_) | Self::Secret(_) => None,
            _ => Some(format!("{}.{GROUP}", self.plural())),
        }
    }

    /// The right that both calls need.
    pub(super) fn needs(&self) -> String {
        match self {
            Self::Secret(object) => format!("list and watch Secret {object}"),
            Self::Pods(_) => "list and watch pods".to_owned(),
            _ => format!("list and watch {}.{GROUP}", self.plural()),
        }
    }

    /// The path of the collection. A Secret's namespace has been [checked](super::names).
    pub(super) fn path(&self) -> String {
        match self {
            Self::Pods(_) => "/api/v1/pods".to_owned(),
            Self::Secret(object) => format!("/api/v1/namespaces/{}/secrets", object.namespace),
            _ => format!("/apis/{GROUP}/v1/{}", self.plural()),
        }
    }

    /// The API server sends nothing else than what is selected. One Secret is selected by its name, which is also what
    /// makes `resourceNames` of a role count for list and watch.
    fn selectors(&self) -> (Option<String>, Option<String>) {
        match self {
            Self::Pods(node) => (Some(format!("spec.nodeName={node}")), None),
            Self::Secret(object) => (Some(format!("metadata.name={}", object.name)), None),
            Self::Assigned(node) => (None, Some(format!("{NODE_LABEL}={node}"))),
            _ => (None, None),
        }
    }

    pub(super) fn list_params(&self, limit: u32, next: Option<&str>) -> ListParams {
        let (field_selector, label_selector) = self.selectors();
        ListParams {
            field_selector,
            label_selector,
            limit: Some(limit),
            continue_token: next.map(str::to_owned),
            ..ListParams::default()
        }
    }

    pub(super) fn watch_params(&self, seconds: u32) -> WatchParams {
        let (field_selector, label_selector) = self.selectors();
        WatchParams {
            field_selector,
            label_selector,
            timeout: Some(seconds),
            bookmarks: true,
            send_initial_events: false,
        }
    }

    /// The key of an object of this kind.
    pub(super) fn key(&self, object: ObjectRef) -> ObjectKey {
        match self {
            Self::Pods(_) => ObjectKey::Pod(object),
            Self::Identities => ObjectKey::Identity(object),
            Self::Bindings => ObjectKey::Binding(object),
            Self::Exceptions => ObjectKey::Exception(object),
            Self::Assigned(_) => ObjectKey::Assigned(object),
            Self::Secret(_) => ObjectKey::Secret(object),
        }
    }

    /// Whether an object is what was asked for. A proxy or an old server that passes over a selector must not make
    /// another node's pods this one's.
    pub(super) fn is_of(&self, node: Option<&str>) -> bool {
        match self {
            Self::Pods(own) | Self::Assigned(own) => node == Some(own.as_str()),
            _ => true,
        }
    }

    /// What stands for an object that is not there.
    pub(super) fn absent(&self) -> Option<Object> {
        let Self::Secret(object) = self else {
            return None;
        };
        let why = "it does not exist; create it in that namespace".to_owned();
        Some(Object::NoSecret(object.clone(), why))
    }

    /// What stands for an object that the gateway may not read.
    pub(super) fn forbidden(&self) -> Option<Object> {
        let Self::Secret(object) = self else {
            return None;
        };
        let why = format!(
            "the gateway may not read it; its ServiceAccount needs a role to {} (docs/rbac.md)",
            self.needs()
        );
        Some(Object::NoSecret(object.clone(), why))
    }
}

/// The node of a pod.
pub(super) fn node_of(pod: &core::Pod) -> Option<&str> {
    pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref())
}
