//! What is watched, and how little of it.

use k8s_openapi::api::core::v1 as core;
use podgate_api::NODE_LABEL;
use podgate_watch::{Reading, Selectors};

use super::NodeName;
use super::object;
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

    /// Whether an object is what was asked for. A proxy or an old server that passes over a selector must not make
    /// another node's pods this one's.
    pub(super) fn is_of(&self, node: Option<&str>) -> bool {
        match self {
            Self::Pods(own) | Self::Assigned(own) => node == Some(own.as_str()),
            _ => true,
        }
    }
}

impl podgate_watch::Kind for Kind {
    type Key = ObjectKey;
    type Object = Object;

    fn name(&self) -> &'static str {
        match self {
            Self::Pods(_) => "Pod",
            Self::Identities => "AzureIdentity",
            Self::Bindings => "AzureIdentityBinding",
            Self::Exceptions => "AzurePodIdentityException",
            Self::Assigned(_) => "AzureAssignedIdentity",
            Self::Secret(_) => "Secret",
        }
    }

    fn what(&self) -> String {
        match self {
            Self::Pods(node) => format!("pods of node {node}"),
            Self::Assigned(node) => format!("AzureAssignedIdentity list of node {node}"),
            Self::Secret(object) => format!("Secret {object}"),
            _ => format!("{} list", self.name()),
        }
    }

    /// A Secret's namespace has been [checked](super::names).
    fn path(&self) -> String {
        match self {
            Self::Pods(_) => "/api/v1/pods".to_owned(),
            Self::Secret(object) => format!("/api/v1/namespaces/{}/secrets", object.namespace),
            _ => format!("/apis/{GROUP}/v1/{}", self.plural()),
        }
    }

    fn selectors(&self) -> Selectors {
        let (fields, labels) = match self {
            Self::Pods(node) => (Some(format!("spec.nodeName={node}")), None),
            Self::Secret(object) => (Some(format!("metadata.name={}", object.name)), None),
            Self::Assigned(node) => (None, Some(format!("{NODE_LABEL}={node}"))),
            _ => (None, None),
        };
        Selectors { fields, labels }
    }

    fn definition(&self) -> Option<String> {
        match self {
            Self::Pods(_) | Self::Secret(_) => None,
            _ => Some(format!("{}.{GROUP}", self.plural())),
        }
    }

    fn needs(&self) -> String {
        match self {
            Self::Secret(object) => format!("list and watch Secret {object}"),
            Self::Pods(_) => "list and watch pods".to_owned(),
            _ => format!("list and watch {}.{GROUP}", self.plural()),
        }
    }

    fn key(&self, namespace: Option<&str>, name: &str) -> Option<ObjectKey> {
        let object = ObjectRef::new(namespace?, name);
        Some(match self {
            Self::Pods(_) => ObjectKey::Pod(object),
            Self::Identities => ObjectKey::Identity(object),
            Self::Bindings => ObjectKey::Binding(object),
            Self::Exceptions => ObjectKey::Exception(object),
            Self::Assigned(_) => ObjectKey::Assigned(object),
            Self::Secret(_) => ObjectKey::Secret(object),
        })
    }

    fn read(&self, key: &ObjectKey, json: &str) -> Reading<Object> {
        object::read(self, key.object(), json)
    }

    fn absent(&self) -> Option<Object> {
        let Self::Secret(object) = self else {
            return None;
        };
        let why = "it does not exist; create it in that namespace".to_owned();
        Some(Object::NoSecret(object.clone(), why))
    }

    fn forbidden(&self) -> Option<Object> {
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
