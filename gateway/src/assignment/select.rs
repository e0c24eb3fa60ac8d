//! The pure part: which of a pod's identities a request means.

use std::cmp::Reverse;
use std::sync::Arc;

use podgate_api::BINDING_LABEL;
use podgate_azure::imds::Selector;

use super::{Assignment, Assignments, DefaultIdentity, Mode, Rules};
use crate::policy::Allowed;
use crate::refusal::Refusal;
use crate::world::{Candidate, Identity, Index, ObjectRef, Pod, SecretState, Way};

/// Identities that one request by object id may try. Each costs a token of its own.
const MAX_TRIED: usize = 8;
/// Problems that one refusal names.
const MAX_PROBLEMS: usize = 3;

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
        return Selection::Refused(nothing(index, pod, selector, &problems));
    }
    options.sort_by_key(|option| (Reverse(option.weight), option.identity.object.clone()));
    options.dedup_by(|a, b| a.identity == b.identity);
    let unnamed = *selector == Selector::Unspecified && options.len() > 1;
    match (unnamed, rules.default_identity) {
        (true, DefaultIdentity::Refuse) => return Selection::Refused(several(&options)),
        // The first stays the first while it is on its way: no pod gets one identity today and another tomorrow.
        (true, DefaultIdentity::First) => options.truncate(1),
        (false, _) => {}
    }
    let (ready, pending): (Vec<_>, Vec<_>) = options.into_iter().partition(|option| option.ready);
    match ready.is_empty() {
        true => Selection::Pending(waiting(pod, &pending)),
        false => choose(index, ready, selector),
    }
}

/// The binding alone decides.
fn managed(index: &Index, pod: &Pod, rules: &Rules) -> (Vec<Choice>, Problems) {
    let mut choices = Vec::new();
    let mut problems = Problems::default();
    for candidate in index.candidates(pod) {
        let weight = candidate.binding.weight;
        match usable(candidate, pod, rules) {
            Ok(identity) => choices.push(Choice {
                identity,
                weight,
                ready: true,
            }),
            Err(problem) => problems.add(problem),
        }
    }
    (choices, problems)
}

/// The bindings say which, the controller's records say whether the node holds it yet. A record without a
/// binding gives nothing: the binding is gone, and the controller is only slower.
fn standard(index: &Index, pod: &Pod, rules: &Rules) -> (Vec<Choice>, Problems) {
    let (mut choices, problems) = managed(index, pod, rules);
    for choice in &mut choices {
        let record = index
            .assigned(&pod.object)
            .find(|record| record.identity.object == choice.identity.object);
        choice.ready = record.is_some_and(|record| record.is_assigned());
        // What the node holds is what the record says, which may lag behind an edited identity.
        if let Some(record) = record.filter(|record| record.is_assigned()) {
            choice.identity = Arc::clone(&record.identity);
        }
    }
    (choices, problems)
}

/// Why a binding gives nothing.
pub(crate) enum Unusable {
    /// It, or its identity, is broken: the pod's own namespace can mend it.
    Broken(String),
    /// It is of another namespace, whose names are none of the pod's business.
    Foreign,
}

/// A candidate that keeps the namespace rules and whose identity exists and is well-formed.
pub(crate) fn usable(
    candidate: Candidate,
    pod: &Pod,
    rules: &Rules,
) -> Result<Arc<Identity>, Unusable> {
    let binding = &candidate.binding;
    if !may_cross(rules) && binding.object.namespace != pod.object.namespace {
        return Err(Unusable::Foreign);
    }
    let identity = match candidate.identity {
        Some(Ok(identity)) => identity,
        Some(Err(invalid)) => return Err(Unusable::Broken(invalid.to_string())),
        None => {
            return Err(Unusable::Broken(format!(
                "AzureIdentityBinding {} names AzureIdentity {}, which does not exist in its namespace",
                binding.object, binding.identity
            )));
        }
    };
    match same_namespace(&identity, pod, rules) {
        true => Ok(identity),
        false => Err(Unusable::Foreign),
    }
}

/// What was wrong with the bindings that select a pod.
#[derive(Default)]
struct Problems {
    broken: Vec<String>,
    foreign: usize,
}

impl Problems {
    fn add(&mut self, problem: Unusable) {
        match problem {
            Unusable::Broken(text) => self.broken.push(text),
            Unusable::Foreign => self.foreign += 1,
        }
    }

    /// The first few, in a sentence; nothing where there are none.
    fn sentence(&self) -> String {
        let mut parts: Vec<String> = self.broken.iter().take(MAX_PROBLEMS).cloned().collect();
        if self.foreign > 0 {
            parts.push(format!(
                "{} bindings of other namespaces have the selector as well, and count only with --forceNamespaced=false",
                self.foreign
            ));
        }
        parts.join("; ")
    }
}

fn may_cross(rules: &Rules) -> bool {
    !rules.namespaced && rules.mode == Mode::Standard
}

/// A binding stands in its identity's namespace, so comparing the identity's is enough.
fn same_namespace(identity: &Identity, pod: &Pod, rules: &Rules) -> bool {
    (may_cross(rules) && !identity.namespaced) || identity.object.namespace == pod.object.namespace
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

fn choose(index: &Index, ready: Vec<Choice>, selector: &Selector) -> Selection {
    let count = match selector {
        Selector::ObjectId(_) => ready.len().min(MAX_TRIED),
        _ => 1,
    };
    let assigned: Result<Vec<_>, Selection> = ready
        .into_iter()
        .take(count)
        .map(|option| with_secret(index, option.identity))
        .collect();
    match assigned {
        Ok(assignments) => Selection::Found(Assignments(assignments)),
        Err(not) => not,
    }
}

/// An identity whose Secret is being read is as good as one on its way: an error now would be wrong a moment later.
fn with_secret(index: &Index, identity: Arc<Identity>) -> Result<Assignment, Selection> {
    let Some(name) = identity.secret() else {
        return Ok(Assignment::bound(identity, None));
    };
    match index.secret(name) {
        SecretState::Known(data) => {
            let data = data.clone();
            Ok(Assignment::bound(identity, Some(data)))
        }
        SecretState::Missing(why) => Err(Selection::Refused(Refusal::Misconfigured(format!(
            "{identity} names Secret {name}, which cannot be used: {why}"
        )))),
        SecretState::Awaited => Err(Selection::Pending(format!(
            "Secret {name}, which {identity} names, has not been read yet; retry, and if this lasts look at the \
             gateway's log"
        ))),
    }
}

/// The Secrets of the identities that a pod could get, at most `limit`, in a fixed order.
pub(crate) fn secrets(index: &Index, pod: &Pod, rules: &Rules, limit: usize) -> Vec<ObjectRef> {
    let (choices, _) = match rules.mode {
        Mode::Managed => managed(index, pod, rules),
        Mode::Standard => standard(index, pod, rules),
    };
    let mut secrets: Vec<ObjectRef> = choices
        .iter()
        .filter_map(|choice| choice.identity.secret().cloned())
        .collect();
    secrets.sort_unstable();
    secrets.dedup();
    secrets.truncate(limit);
    secrets
}

fn several(choices: &[Choice]) -> Refusal {
    let mut names: Vec<String> = choices
        .iter()
        .map(|choice| choice.identity.object.to_string())
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
fn nothing(index: &Index, pod: &Pod, selector: &Selector, problems: &Problems) -> Refusal {
    let name = &pod.object;
    let label = pod.labels.get(BINDING_LABEL);
    let Some(label) = label.filter(|label| !label.is_empty()) else {
        return Refusal::NoIdentity(format!(
            "pod {name} has no label {BINDING_LABEL}; set it to the selector of an AzureIdentityBinding"
        ));
    };
    let (candidates, sentence) = (index.candidates(pod).len(), problems.sentence());
    if candidates == problems.foreign {
        return Refusal::NoIdentity(join(
            &format!(
                "no AzureIdentityBinding of namespace {} has the selector {label} that pod {name} carries in \
                 its label {BINDING_LABEL}",
                name.namespace
            ),
            &sentence,
        ));
    }
    if candidates == problems.foreign + problems.broken.len() {
        return Refusal::Misconfigured(sentence);
    }
    let none = format!(
        "none of the identities bound to pod {name} is {}",
        asked(selector)
    );
    Refusal::NoIdentity(join(&none, &sentence))
}

fn join(first: &str, second: &str) -> String {
    match second {
        "" => first.to_owned(),
        second => format!("{first}; {second}"),
    }
}

fn asked(selector: &Selector) -> String {
    match selector {
        Selector::Unspecified => "allowed by the policies".to_owned(),
        Selector::ClientId(id) => format!("allowed and has client_id {id}"),
        Selector::ObjectId(id) => format!("allowed and has object_id {id}"),
        Selector::ResourceId(id) => format!("allowed and has resource id {id}"),
    }
}
