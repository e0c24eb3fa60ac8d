//! Which identities a pod is to have: the bindings that select it, by the rules of namespaces.

use std::cmp::Reverse;
use std::sync::Arc;

use podgate_api::{ObjectRef, ResourceId, assigned_name};
use podgate_azure::arm::ComputeId;

use crate::index::{Binding, Identity, Index, Pod};
use crate::record::Hold;

/// The namespace of records whose identity is not namespaced, as the old controller has it.
const SHARED_NAMESPACE: &str = "default";

/// Longest name of a Kubernetes object (RFC 1123 subdomain).
const MAX_NAME: usize = 253;

/// Longest value of a label.
const MAX_LABEL: usize = 63;

/// What makes a binding count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Pod, binding and identity must share a namespace; otherwise only for identities that say so.
    pub namespaced: bool,
}

/// One identity for one pod, as the record is to say it.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// The record's own namespace and name.
    pub record: ObjectRef,
    /// Whom it is for.
    pub pod: ObjectRef,
    /// The pod's node.
    pub node: String,
    /// The identity.
    pub identity: Arc<Identity>,
    /// The binding that gives it: the heaviest, where several do.
    pub binding: Arc<Binding>,
    /// What the node must hold: nothing for a service principal.
    pub hold: Option<Hold>,
}

/// Why a binding gives a pod nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What can be mended.
    pub about: About,
    /// What is wrong, and what to do.
    pub text: String,
}

/// What a [`Problem`] is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// An AzureIdentity, and its uid.
    Identity(ObjectRef, String),
    /// An AzureIdentityBinding, and its uid.
    Binding(ObjectRef, String),
    /// A node.
    Node(String),
}

/// What the bindings come to for one pod.
#[derive(Debug, Default)]
pub struct Matched {
    /// What it is to have, in order of precedence.
    pub assignments: Vec<Assignment>,
    /// What it could have had.
    pub problems: Vec<Problem>,
}

/// Matches one pod. A node that is not there, or that no virtual machine is known of, can hold nothing.
pub fn matched(index: &Index, rules: Rules, pod: &Pod) -> Matched {
    let mut matched = Matched::default();
    let Some(node) = index.node(&pod.node) else {
        return matched;
    };
    for binding in by_precedence(index, rules, pod) {
        let identity = match identity(index, binding) {
            Ok(identity) if may_have(rules, identity, pod) => identity,
            Ok(_) => continue,
            Err(problem) => {
                matched.problems.push(problem);
                continue;
            }
        };
        let given = |before: &Assignment| before.identity.object == identity.object;
        if matched.assignments.iter().any(given) {
            continue;
        }
        match assignment(rules, pod, node.compute.as_ref(), identity, binding) {
            Ok(assignment) => matched.assignments.push(assignment),
            Err(problem) => matched.problems.push(problem),
        }
    }
    matched
}

/// The heavier binding first; then by namespace and name, so that the choice is the same after every restart.
fn by_precedence<'a>(index: &'a Index, rules: Rules, pod: &Pod) -> Vec<&'a Arc<Binding>> {
    let near = |binding: &&Arc<Binding>| {
        !rules.namespaced || binding.object.namespace == pod.object.namespace
    };
    let mut bindings: Vec<_> = index.bindings(&pod.selector).filter(near).collect();
    bindings.sort_by_key(|binding| (Reverse(binding.weight), &binding.object));
    bindings
}

fn identity<'a>(index: &'a Index, binding: &Binding) -> Result<&'a Arc<Identity>, Problem> {
    match index.identity(&binding.identity) {
        Some(Ok(identity)) => Ok(identity),
        Some(Err(invalid)) => Err(Problem {
            about: About::Identity(invalid.object.clone(), invalid.uid.clone()),
            text: invalid.to_string(),
        }),
        None => Err(Problem {
            about: About::Binding(binding.object.clone(), binding.uid.clone()),
            text: format!(
                "AzureIdentity {} does not exist; create it there, or correct spec.azureIdentity",
                binding.identity
            ),
        }),
    }
}

/// A binding stands in its identity's namespace, so comparing the identity's is enough.
fn may_have(rules: Rules, identity: &Identity, pod: &Pod) -> bool {
    let bounded = rules.namespaced || identity.namespaced;
    !bounded || identity.object.namespace == pod.object.namespace
}

fn assignment(
    rules: Rules,
    pod: &Pod,
    compute: Result<&ComputeId, &String>,
    identity: &Arc<Identity>,
    binding: &Arc<Binding>,
) -> Result<Assignment, Problem> {
    let of_node = |problem: &str| Problem {
        about: About::Node(pod.node.clone()),
        text: format!("node {} can hold no identity: {problem}", pod.node),
    };
    if pod.node.len() > MAX_LABEL {
        return Err(of_node(
            "its name is longer than a label's value may be (63)",
        ));
    }
    let hold = match (&identity.resource, compute) {
        (None, _) => None,
        (Some(resource), Ok(compute)) => Some(Hold {
            compute: compute.clone(),
            resource: resource.clone(),
        }),
        (Some(_), Err(problem)) => return Err(of_node(problem)),
    };
    Ok(Assignment {
        record: record(rules, pod, identity, binding)?,
        pod: pod.object.clone(),
        node: pod.node.clone(),
        identity: Arc::clone(identity),
        binding: Arc::clone(binding),
        hold,
    })
}

fn record(
    rules: Rules,
    pod: &Pod,
    identity: &Identity,
    binding: &Binding,
) -> Result<ObjectRef, Problem> {
    let name = assigned_name(
        &pod.object.name,
        &pod.object.namespace,
        &identity.object.name,
    );
    if name.len() > MAX_NAME {
        return Err(Problem {
            about: About::Binding(binding.object.clone(), binding.uid.clone()),
            text: format!(
                "pod {}: the name of its AzureAssignedIdentity would have {} characters, at most {MAX_NAME} are \
                 allowed; shorten the AzureIdentity's or the pod's name",
                pod.object,
                name.len()
            ),
        });
    }
    let namespace = match rules.namespaced || identity.namespaced {
        true => &identity.object.namespace,
        false => SHARED_NAMESPACE,
    };
    Ok(ObjectRef::new(namespace, name))
}

// === impl Assignment ===

impl Assignment {
    /// What the node's virtual machine or scale set must hold.
    pub fn resource(&self) -> Option<&ResourceId> {
        self.hold.as_ref().map(|hold| &hold.resource)
    }

    /// The node's virtual machine or scale set, where it must hold something.
    pub fn compute(&self) -> Option<&ComputeId> {
        self.hold.as_ref().map(|hold| &hold.compute)
    }

    /// Who goes first where two have the same record: the heavier binding, then by names.
    pub fn precedence(&self) -> (Reverse<i64>, &ObjectRef, &ObjectRef) {
        (
            Reverse(self.binding.weight),
            &self.binding.object,
            &self.pod,
        )
    }
}

#[cfg(test)]
mod tests;
