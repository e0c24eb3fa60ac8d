//! Which binding means which pod: one label, compared by equality.

use std::collections::BTreeMap;

use kube::ResourceExt;

use crate::binding::AzureIdentityBinding;
use crate::identity::AzureIdentity;

/// The pod label whose value a binding's selector names.
pub const BINDING_LABEL: &str = "aadpodidbinding";

/// The annotation of an AzureIdentity that makes it [namespaced](is_namespaced).
pub const BEHAVIOR_ANNOTATION: &str = "aadpodidentity.k8s.io/Behavior";

/// The value of [`BEHAVIOR_ANNOTATION`] that does so.
pub const NAMESPACED: &str = "namespaced";

/// The label of an AzureAssignedIdentity that holds its node, for watches of one node.
pub const NODE_LABEL: &str = "nodename";

/// The finalizer of an AzureAssignedIdentity: the controller removes it once Azure has done.
pub const ASSIGNED_FINALIZER: &str = "azureassignedidentity.finalizers.aadpodidentity.k8s.io";

/// Whether an identity is for pods of its own namespace only. Key and value are compared exactly.
pub fn is_namespaced(identity: &AzureIdentity) -> bool {
    let behavior = identity.annotations().get(BEHAVIOR_ANNOTATION);
    behavior.is_some_and(|behavior| behavior == NAMESPACED)
}

/// Whether a binding means a pod with these labels. An empty selector means none, and so does an empty label.
/// Namespaces are another rule, the caller's.
pub fn selects(binding: &AzureIdentityBinding, pod_labels: &BTreeMap<String, String>) -> bool {
    let selector = &binding.spec.selector;
    !selector.is_empty() && pod_labels.get(BINDING_LABEL) == Some(selector)
}

#[cfg(test)]
mod tests;
