//! The controller's word that the node holds the identity: AzureAssignedIdentity. Nothing of it counts in managed mode.

use jiff::Timestamp;
use podgate_api::{AssignedState, AzureAssignedIdentity, ObjectRef};

use crate::explain::age;
use crate::explain::diagnose::{Cause, Diagnosis, Finding};
use crate::explain::facts::{EventFacts, Fact};
use crate::explain::view::{Candidate, Control, View};

/// An assignment to a scale set takes Azure 40 to 60 seconds, and two may be in a queue.
const LONG: i64 = 120;

pub(crate) fn is_anothers(view: &View<'_>) -> Finding {
    let (candidate, record) = records(view)
        .into_iter()
        .find(|(_, record)| !is_of(view, record))?;
    let (spec, name) = (&record.spec, ObjectRef::of(&record.metadata));
    Some(
        Cause::NameTaken
            .because(format!(
                "AzureAssignedIdentity {name}, which AzureIdentity {} would need for the pod, is of pod {}/{}",
                candidate.identity, spec.pod_namespace, spec.pod
            ))
            .next("rename the pod or the AzureIdentity: pod, namespace and identity joined by dashes make that name"),
    )
}

pub(crate) fn is_of_another_node(view: &View<'_>) -> Finding {
    let node = view.pod.node.as_deref()?;
    let stale = |record: &AzureAssignedIdentity| record.spec.node_name != node;
    let (_, record) = records(view)
        .into_iter()
        .find(|(_, record)| stale(record))?;
    let what = format!(
        "AzureAssignedIdentity {} is still of node {}, and the pod is on {node}",
        ObjectRef::of(&record.metadata),
        record.spec.node_name
    );
    Some(controlled(
        view,
        Cause::StaleRecord,
        what,
        "wait for the controller; if this lasts, read its log",
    ))
}

pub(crate) fn is_missing(view: &View<'_>) -> Finding {
    // Where no gateway could be seen there may be no controller on purpose: managed mode.
    if view.rules.managed != Some(false) {
        return None;
    }
    let meant = view.meant();
    let none = |candidate: &&&Candidate<'_>| {
        let record = view.facts.records.get(&candidate.identity);
        matches!(record, Some(Fact::Known(None)))
    };
    let candidate = meant.iter().find(none)?;
    let what = format!(
        "AzureIdentity {} is bound to the pod, and the controller has not recorded it (no AzureAssignedIdentity)",
        candidate.identity
    );
    let said = warning(view, view.pod.since);
    let next = match &said {
        Some(event) => format!("the controller said: {}", event.message),
        None => "wait some seconds; if this lasts, read the controller's log".to_owned(),
    };
    Some(controlled(view, Cause::NoRecord, what, &next))
}

pub(crate) fn is_not_assigned(view: &View<'_>) -> Finding {
    let waiting = |record: &AzureAssignedIdentity| {
        !matches!(
            record.state(),
            AssignedState::Assigned | AssignedState::Legacy
        )
    };
    let (candidate, record) = records(view)
        .into_iter()
        .find(|(_, record)| waiting(record))?;
    let since = changed(record).unwrap_or(view.facts.now);
    let what = format!(
        "AzureIdentity {} is {} since {}, not Assigned: the node does not hold it yet",
        candidate.identity,
        word(&record.state()),
        age::between(since, view.facts.now)
    );
    let soon = view.facts.now.as_second() - since.as_second() <= LONG;
    let (cause, next) = match warning(view, changed(record)) {
        Some(event) => (
            Cause::NotAssigned,
            format!("the controller said: {}", event.message),
        ),
        None if soon => (
            Cause::OnItsWay,
            "wait: Azure takes up to a minute for a scale set".to_owned(),
        ),
        None => (
            Cause::NotAssigned,
            "read in the controller's log what Azure says".to_owned(),
        ),
    };
    Some(controlled(view, cause, what, &next))
}

fn word(state: &AssignedState) -> String {
    match state {
        AssignedState::Unknown(word) => format!("in the unknown state {word:?}"),
        state => state.to_string(),
    }
}

/// The records that count: of what the pod means, in standard mode.
fn records<'a, 'v>(view: &'v View<'a>) -> Vec<(&'v Candidate<'a>, &'a AzureAssignedIdentity)> {
    if view.rules.is_managed() {
        return Vec::new();
    }
    let record = |candidate: &'v Candidate<'a>| {
        let record = view
            .facts
            .records
            .get(&candidate.identity)?
            .known()?
            .as_ref()?;
        Some((candidate, record))
    };
    view.meant().into_iter().filter_map(record).collect()
}

fn is_of(view: &View<'_>, record: &AzureAssignedIdentity) -> bool {
    let pod = &view.facts.asked.pod;
    record.spec.pod == pod.name && record.spec.pod_namespace == pod.namespace
}

/// When the record was last written.
pub(crate) fn changed(record: &AzureAssignedIdentity) -> Option<Timestamp> {
    let metadata = &record.metadata;
    let writes = metadata.managed_fields.iter().flatten();
    let created = metadata.creation_timestamp.iter();
    writes
        .filter_map(|write| write.time.as_ref())
        .chain(created)
        .map(|time| time.0)
        .max()
}

/// What the controller complained about last, since then, and did not do after. A binding has Events of other pods too.
fn warning<'a>(view: &View<'a>, since: Option<Timestamp>) -> Option<&'a EventFacts> {
    let of_ours = |event: &&EventFacts| !event.about.starts_with("Pod/");
    let last = view.facts.events.iter().find(of_ours)?;
    (last.warning && last.at >= since).then_some(last)
}

/// Nothing that waits for the controller goes on without one.
fn controlled(view: &View<'_>, cause: Cause, what: String, next: &str) -> Diagnosis {
    match view.control() {
        Control::Works(_) | Control::Unknown => with_log(view, cause.because(what).next(next)),
        Control::Nobody => Cause::NoController
            .because(format!("{what}; and no controller is in the cluster"))
            .next("install podgate's controller, or run the gateway with --operation-mode=managed and assign identities by hand")
            .with("kubectl get deployments -A -l app.kubernetes.io/component=controller".to_owned()),
        Control::NotReady(object, problem) => Cause::NoController
            .because(format!(
                "{what}; and no controller is ready: {object}: {}",
                problem.as_deref().unwrap_or("no reason is given")
            ))
            .next("read in its log why it is not ready")
            .with(logs(&object)),
        Control::NoLeader(object) => Cause::NoController
            .because(format!("{what}; and nobody holds the controllers' Lease: none of them works"))
            .next("read in the controller's log why it cannot have the Lease")
            .with(logs(&object)),
    }
}

fn with_log(view: &View<'_>, diagnosis: Diagnosis) -> Diagnosis {
    let all = view.facts.controllers.all();
    let leads = |object: &ObjectRef| matches!(view.control(), Control::Works(leader) if leader.contains(&object.name));
    let mut objects = all.iter().map(|component| &component.object);
    let object = objects
        .clone()
        .find(|object| leads(object))
        .or_else(|| objects.next());
    match object {
        Some(object) => diagnosis.with(logs(object)),
        None => diagnosis,
    }
}

fn logs(object: &ObjectRef) -> String {
    format!(
        "kubectl logs {} -n {} --tail=50",
        object.name, object.namespace
    )
}
