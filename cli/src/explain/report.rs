//! What is told: the same for people and for programs.

use jiff::Timestamp;
use podgate_api::{AssignedState, AzureAssignedIdentity, BINDING_LABEL, ObjectRef};
use podgate_azure::arm::ComputeId;
use serde::Serialize;

use super::check::record::changed;
use super::component::Role;
use super::diagnose::{Diagnosis, diagnose};
use super::facts::{EventFacts, Fact, Facts, Gap};
use super::identity;
use super::view::{Candidate, Control, Flaw, View, ours};

/// Everything about one pod. As JSON its names are stable: what is added is added beside them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    /// `NAMESPACE/NAME`
    pub(crate) pod: String,
    /// When it was looked at.
    pub(crate) at: Timestamp,
    /// `status.phase`
    pub(crate) phase: Option<String>,
    /// Since when.
    pub(crate) since: Option<Timestamp>,
    /// `status.podIP`
    pub(crate) address: Option<String>,
    /// The value of the label that bindings select by.
    pub(crate) label: Option<String>,
    /// AZURE_CLIENT_ID, or what `--client-id` says.
    pub(crate) client_id: Option<String>,
    /// `spec.nodeName`
    pub(crate) node: Option<String>,
    /// The virtual machine or scale set behind the node.
    pub(crate) machine: Option<String>,
    /// The gateway of the node.
    pub(crate) gateway: Option<Gateway>,
    /// Who assigns.
    pub(crate) controller: Option<String>,
    /// The exception that matches the pod.
    pub(crate) exception: Option<String>,
    /// What the pod is bound to.
    pub(crate) identities: Vec<Bound>,
    /// The newest first.
    pub(crate) events: Vec<EventFacts>,
    /// What could not be read.
    pub(crate) unknown: Vec<Unknown>,
    /// What it comes to.
    #[serde(flatten)]
    pub(crate) diagnosis: Diagnosis,
}

/// The gateway of the pod's node.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Gateway {
    /// `NAMESPACE/NAME` of its pod.
    pub(crate) pod: String,
    /// Whether Kubernetes takes it for ready, or why not.
    pub(crate) ready: bool,
    /// Why it is not ready.
    pub(crate) problem: Option<String>,
    /// `--operation-mode`
    pub(crate) mode: &'static str,
    /// `--forceNamespaced`
    pub(crate) namespaced: bool,
    /// What it says a token request would come to.
    pub(crate) answer: Option<String>,
    /// What it watches and does not know well.
    pub(crate) stale: Vec<String>,
}

/// A binding that selects the pod, and its identity.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Bound {
    /// `NAMESPACE/NAME` of the AzureIdentity.
    pub(crate) identity: String,
    /// `NAMESPACE/NAME` of the AzureIdentityBinding.
    pub(crate) binding: String,
    /// What it is.
    pub(crate) kind: Option<String>,
    /// `spec.clientID`
    pub(crate) client_id: Option<String>,
    /// Why the binding gives nothing.
    pub(crate) problem: Option<String>,
    /// `Created`, `Assigned`, …; `none` without a record, `unknown` where it could not be read, nothing where records
    /// do not count.
    pub(crate) state: Option<String>,
    /// Since when.
    pub(crate) since: Option<Timestamp>,
    /// The node that the record is about.
    pub(crate) node: Option<String>,
    /// `NAMESPACE/NAME` of the AzureAssignedIdentity.
    pub(crate) record: Option<String>,
}

/// Something that could not be read.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Unknown {
    /// What, and why not.
    pub(crate) what: String,
    /// The command that says whether one has the right that is missing.
    pub(crate) check: Option<String>,
}

impl Report {
    /// Looks at the facts.
    pub(crate) fn of(facts: &Facts) -> Self {
        let view = View::of(facts);
        let pod = facts.pod();
        Self {
            pod: facts.asked.pod.to_string(),
            at: facts.now,
            phase: pod.map(|pod| pod.phase.clone()),
            since: pod.and_then(|pod| pod.since),
            address: pod.and_then(|pod| pod.address.clone()),
            label: view.as_ref().and_then(View::label).map(str::to_owned),
            client_id: view.as_ref().and_then(named),
            node: pod.and_then(|pod| pod.node.clone()),
            machine: facts
                .provider_id
                .known()
                .and_then(|id| machine(id.as_deref()?)),
            gateway: view.as_ref().and_then(gateway),
            controller: view.as_ref().and_then(controller),
            exception: view.as_ref().and_then(exception),
            identities: view.as_ref().map(bound).unwrap_or_default(),
            events: facts.events.clone(),
            unknown: facts.gaps().into_iter().map(Unknown::of).collect(),
            diagnosis: diagnose(facts),
        }
    }
}

fn named(view: &View<'_>) -> Option<String> {
    match (view.named()?, view.pod.client_ids.first()) {
        (Some(id), _) => Some(id.to_string()),
        (None, text) => text.cloned(),
    }
}

fn machine(provider_id: &str) -> Option<String> {
    provider_id
        .parse::<ComputeId>()
        .ok()
        .map(|machine| machine.to_string())
}

fn gateway(view: &View<'_>) -> Option<Gateway> {
    let gateway = ours(view.facts.gateways.all(), Role::Gateway)?;
    let answer = view.facts.answered();
    Some(Gateway {
        pod: gateway.object.to_string(),
        ready: gateway.ready,
        problem: gateway.problem.clone(),
        mode: if view.rules.is_managed() {
            "managed"
        } else {
            "standard"
        },
        namespaced: view.rules.is_namespaced(),
        answer: answer.map(|answer| answer.words().to_owned()),
        stale: answer.map(|answer| answer.problems()).unwrap_or_default(),
    })
}

/// In managed mode nobody assigns.
fn controller(view: &View<'_>) -> Option<String> {
    let reason =
        |problem: Option<String>| problem.unwrap_or_else(|| "no reason is given".to_owned());
    match view.control() {
        Control::Nobody if view.rules.managed != Some(false) => None,
        Control::Unknown => None,
        Control::Nobody => Some("none".to_owned()),
        Control::Works(leader) => Some(format!("{leader} works")),
        Control::NotReady(object, problem) => {
            Some(format!("{object} is not ready: {}", reason(problem)))
        }
        Control::NoLeader(object) => Some(format!("{object} is ready, and nobody holds the Lease")),
    }
}

fn exception(view: &View<'_>) -> Option<String> {
    view.exception()
        .map(|exception| ObjectRef::of(&exception.metadata).to_string())
}

fn bound(view: &View<'_>) -> Vec<Bound> {
    view.candidates
        .iter()
        .map(|candidate| Bound::of(view, candidate))
        .collect()
}

impl Bound {
    fn of(view: &View<'_>, candidate: &Candidate<'_>) -> Self {
        let record = view.facts.records.get(&candidate.identity);
        let there = record.and_then(Fact::known).and_then(Option::as_ref);
        Self {
            identity: candidate.identity.to_string(),
            binding: ObjectRef::of(&candidate.binding.metadata).to_string(),
            kind: candidate.wire.map(identity::kind),
            client_id: candidate.wire.and_then(|wire| wire.spec.client_id.clone()),
            problem: candidate.flaw.as_ref().map(told),
            state: record.filter(|_| !view.rules.is_managed()).map(state),
            since: there.and_then(changed),
            node: there.map(|record| record.spec.node_name.clone()),
            record: there.map(|record| ObjectRef::of(&record.metadata).to_string()),
        }
    }
}

fn told(flaw: &Flaw) -> String {
    match flaw {
        Flaw::Foreign => {
            "of another namespace, which does not count (--forceNamespaced)".to_owned()
        }
        Flaw::ForeignIdentity => "for pods of its own namespace only, by its annotation".to_owned(),
        Flaw::Missing => "there is no such AzureIdentity".to_owned(),
        Flaw::OldCasing(fields) => {
            format!("fields dropped for their spelling: {}", fields.join(", "))
        }
        Flaw::Invalid(problem) => problem.clone(),
    }
}

/// A record without a state is an old controller's word for Assigned.
fn state(record: &Fact<Option<AzureAssignedIdentity>>) -> String {
    match record {
        Fact::Unknown(_) => "unknown".to_owned(),
        Fact::Known(None) => "none".to_owned(),
        Fact::Known(Some(record)) => match record.state() {
            AssignedState::Legacy => "Assigned".to_owned(),
            state => state.to_string(),
        },
    }
}

impl Unknown {
    fn of(gap: &Gap) -> Self {
        Self {
            what: gap.to_string(),
            check: gap.right().map(|right| right.can_i()),
        }
    }
}

/// What bindings select by, as it is written.
pub(crate) fn label(value: Option<&str>) -> String {
    value.map_or_else(
        || format!("no {BINDING_LABEL}"),
        |value| format!("{BINDING_LABEL}={value}"),
    )
}
