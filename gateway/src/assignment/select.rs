//! The pure part: which of a pod's identities a request means.

use std::sync::Arc;

use podgate_api::BINDING_LABEL;
use podgate_azure::imds::Selector;

use super::{Assignment, Assignments, DefaultIdentity, Mode, Rules};
use crate::policy::Allowed;
use crate::refusal::Refusal;
use crate::world::{Candidate, Identity, Index, Pod, Way};

/// Identities that one request by object id may try. Each costs a token of its own.
const MAX_TRIED: usize = 8;

/// What the state of now says.
#[derive(Clone, Debug)]
pub enum Selection {
    /// These may answer.
    Found(Assignments),
    /// Not yet, and why: worth waiting for.
    Pending(String),
    /// No, and waiting would not help.
    Refused(Refusal),
}

/// An identity that could answer, and whether it can now.
struct Choice {
    identity: Arc<Identity>,
    weight: i64,
    ready: bool,
}

/// Selects.
///
/// 1. What the bindings give: bindings whose selector is the pod's label, by the namespace rules.
/// 2. In standard mode, whether the controller says Assigned.
/// 3. What the chain allows.
/// 4. What the request names.
pub fn select(
    index: &Index,
    pod: &Pod,
    selector: &Selector,
    allowed: &Allowed,
    rules: &Rules,
) -> Selection {
    let (mut options, problems) = match rules.mode {
        Mode::Managed => managed(index, pod, rules),
        Mode::Standard => standard(index, pod, rules),
    };
    options.retain(|option| permits(allowed, &option.identity));
    options.retain(|option| could_be(selector, &option.identity));
    if options.is_empty() {
        return Selection::Refused(nothing(index, pod, selector, problems));
    }
    let (ready, pending): (Vec<_>, Vec<_>) = options.into_iter().partition(|option| option.ready);
    if ready.is_empty() {
        return Selection::Pending(waiting(pod, &pending));
    }
    choose(index, ready, &pending, selector, rules)
}

/// The binding alone decides.
fn managed(index: &Index, pod: &Pod, rules: &Rules) -> (Vec<Choice>, Vec<String>) {
    let mut options = Vec::new();
    let mut problems = Vec::new();
    for candidate in index.candidates(pod) {
        match usable(candidate, pod, rules) {
            Ok(mut option) => {
                option.ready = true;
                options.push(option);
            }
            Err(problem) => problems.push(problem),
        }
    }
    (options, problems)
}

/// The controller's records decide; bindings without one yet are on their way.
fn standard(index: &Index, pod: &Pod, rules: &Rules) -> (Vec<Choice>, Vec<String>) {
    let (mut options, problems) = managed(index, pod, rules);
    for option in &mut options {
        option.ready = false;
    }
    for assigned in index.assigned(&pod.object) {
        let identity = &assigned.identity;
        if !same_namespace(identity, pod, rules) {
            continue;
        }
        let known = options
            .iter_mut()
            .find(|option| option.identity.object == identity.object);
        match known {
            // What the node holds is what the record says, which may lag behind an edited identity.
            Some(option) if assigned.is_assigned() => {
                option.identity = Arc::clone(identity);
                option.ready = true;
            }
            Some(_) => {}
            None if assigned.is_assigned() || assigned.is_on_its_way() => options.push(Choice {
                identity: Arc::clone(identity),
                weight: 0,
                ready: assigned.is_assigned(),
            }),
            None => {}
        }
    }
    (options, problems)
}

/// A candidate that keeps the namespace rules and whose identity exists and is well-formed.
fn usable(candidate: Candidate, pod: &Pod, rules: &Rules) -> Result<Choice, String> {
    let binding = &candidate.binding.object;
    let identity = match candidate.identity {
        Some(Ok(identity)) => identity,
        Some(Err(invalid)) => return Err(invalid.to_string()),
        None => {
            return Err(format!(
                "AzureIdentityBinding {binding} names AzureIdentity {}, which does not exist in its namespace",
                candidate.binding.identity
            ));
        }
    };
    if !same_namespace(&identity, pod, rules) {
        return Err(format!(
            "AzureIdentityBinding {binding} is of another namespace than the pod; move it and its \
             identity, or allow that with --forceNamespaced=false"
        ));
    }
    Ok(Choice {
        identity,
        weight: candidate.binding.weight,
        ready: false,
    })
}

/// A binding stands in its identity's namespace, so comparing the identity's is enough.
fn same_namespace(identity: &Identity, pod: &Pod, rules: &Rules) -> bool {
    let forced = rules.namespaced || rules.mode == Mode::Managed || identity.namespaced;
    !forced || identity.object.namespace == pod.object.namespace
}

fn permits(allowed: &Allowed, identity: &Identity) -> bool {
    match allowed {
        Allowed::Bound => true,
        Allowed::Restricted(ids) => identity.client_id().is_some_and(|id| ids.contains(id)),
        Allowed::Node => false,
    }
}

/// An AzureIdentity carries no object id, so any managed one could have the one that is asked for; the
/// token tells.
fn could_be(selector: &Selector, identity: &Identity) -> bool {
    match selector {
        Selector::Unspecified => true,
        Selector::ClientId(id) => identity.client_id() == Some(id),
        Selector::ResourceId(id) => identity.resource_id() == Some(id),
        Selector::ObjectId(_) => matches!(identity.way, Way::Managed { .. }),
    }
}

fn choose(
    index: &Index,
    mut ready: Vec<Choice>,
    pending: &[Choice],
    selector: &Selector,
    rules: &Rules,
) -> Selection {
    ready.sort_by_key(|option| (-option.weight, option.identity.object.clone()));
    ready.dedup_by(|a, b| a.identity == b.identity);
    let count = match selector {
        Selector::ObjectId(_) => ready.len().min(MAX_TRIED),
        Selector::Unspecified if ready.len() + pending.len() > 1 => match rules.default_identity {
            DefaultIdentity::First => 1,
            DefaultIdentity::Refuse => return Selection::Refused(several(&ready, pending)),
        },
        _ => 1,
    };
    let assigned: Result<Vec<_>, _> = ready
        .into_iter()
        .take(count)
        .map(|option| with_secret(index, option.identity))
        .collect();
    match assigned {
        Ok(assignments) => Selection::Found(Assignments(assignments)),
        Err(refusal) => Selection::Refused(refusal),
    }
}

fn with_secret(index: &Index, identity: Arc<Identity>) -> Result<Assignment, Refusal> {
    let secret = match identity.secret() {
        None => None,
        Some(name) => Some(index.secret(name).cloned().ok_or_else(|| {
            Refusal::Misconfigured(format!(
                "{identity} names Secret {name}, which does not exist or may not be read"
            ))
        })?),
    };
    Ok(Assignment::bound(identity, secret))
}

fn several(ready: &[Choice], pending: &[Choice]) -> Refusal {
    let mut names: Vec<String> = ready
        .iter()
        .chain(pending)
        .map(|option| option.identity.object.to_string())
        .collect();
    names.sort();
    Refusal::SeveralIdentities(format!("this pod is bound to {}", names.join(", ")))
}

fn waiting(pod: &Pod, pending: &[Choice]) -> String {
    let names: Vec<String> = pending
        .iter()
        .map(|option| option.identity.object.to_string())
        .collect();
    format!(
        "AzureIdentity {} is bound to pod {} but not assigned to its node yet; retry, and if this lasts \
         look at the controller's Events on the binding",
        names.join(", "),
        pod.object
    )
}

/// Why a pod has nothing that fits: the first stage that left nothing over.
fn nothing(index: &Index, pod: &Pod, selector: &Selector, problems: Vec<String>) -> Refusal {
    let Some(label) = pod
        .labels
        .get(BINDING_LABEL)
        .filter(|label| !label.is_empty())
    else {
        return Refusal::NoIdentity(format!(
            "pod {} has no label {BINDING_LABEL}; set it to the selector of an AzureIdentityBinding",
            pod.object
        ));
    };
    let candidates = index.candidates(pod).len();
    if candidates == 0 {
        return Refusal::NoIdentity(format!(
            "no AzureIdentityBinding has the selector {label} that pod {} carries in its label {BINDING_LABEL}",
            pod.object
        ));
    }
    if problems.len() == candidates {
        return Refusal::Misconfigured(problems.join("; "));
    }
    Refusal::NoIdentity(format!(
        "none of the identities bound to pod {} is {}",
        pod.object,
        asked(selector)
    ))
}

fn asked(selector: &Selector) -> String {
    match selector {
        Selector::Unspecified => "allowed by the policies".to_owned(),
        Selector::ClientId(id) => format!("allowed and has client_id {id}"),
        Selector::ObjectId(id) => format!("allowed and has object_id {id}"),
        Selector::ResourceId(id) => format!("allowed and has resource id {id}"),
    }
}
