//! Which identity a pod would get and why, or why not, stage by stage: the answer to a question that took
//! three logs before.

use podgate_api::{BINDING_LABEL, Resource};
use podgate_azure::imds::Selector;
use serde_json::{Value, json};

use crate::assignment::select::{self, Selection, Unusable};
use crate::assignment::{Assignments, Whose};
use crate::flow::Flow;
use crate::imds::{self, Query, TokenQuestion};
use crate::pod::{self, ResolvedPod};
use crate::policy::{Allowed, Judgement};
use crate::refusal::Refusal;
use crate::reply;
use crate::world::{ObjectRef, Pod};

/// What is explained where the query names no audience.
const RESOURCE: &str = "https://management.azure.com/";

/// Explains `pod=NAMESPACE/NAME`, with the token route's own parameters. No token is fetched.
///
/// # Errors
/// The query is malformed.
pub async fn explain(flow: &Flow, query: &str) -> Result<Value, String> {
    let query = Query::parse(query)?;
    let (namespace, name) = query
        .get("pod")
        .and_then(|pod| pod.split_once('/'))
        .ok_or("name a pod: /explain?pod=NAMESPACE/NAME[&resource=…][&client_id=…]")?;
    let question = question(&query)?;
    let object = ObjectRef::new(namespace, name);
    let mut stages = vec![
        json!({"stage": "request", "resource": question.resource.as_str(),
        "identity": asked(&question.selector)}),
    ];
    let outcome = walk(flow, &object, &question, &mut stages).await;
    Ok(json!({
        "pod": object.to_string(),
        "outcome": match outcome { Ok(()) => "a token would be asked for".to_owned(), Err(refusal) => refused(&refusal) },
        "stages": stages,
        "state": state(flow),
    }))
}

/// How old the state is that all this was told from. Empty in standalone mode.
fn state(flow: &Flow) -> Vec<Value> {
    let report = flow.metrics.freshness().report().into_iter();
    report
        .map(|watch| {
            json!({"of": watch.what, "complete": watch.complete, "age_s": watch.age.as_secs(), "problem": watch.problem})
        })
        .collect()
}

fn asked(selector: &Selector) -> Value {
    match selector {
        Selector::Unspecified => Value::Null,
        Selector::ClientId(id) => json!({"client_id": id}),
        Selector::ObjectId(id) => json!({"object_id": id}),
        Selector::ResourceId(id) => json!({"msi_res_id": id}),
    }
}

fn question(query: &Query) -> Result<TokenQuestion, String> {
    let resource: Resource = query
        .get("resource")
        .unwrap_or(RESOURCE)
        .parse()
        .map_err(|error| format!("parameter resource: {error}"))?;
    Ok(TokenQuestion {
        resource,
        selector: imds::selector(query).map_err(|refusal| refusal.to_string())?,
        bypass_cache: false,
        route: imds::Route::Token,
    })
}

fn refused(refusal: &Refusal) -> String {
    let (status, _) = reply::status(refusal);
    format!("{}: {refusal}", status.as_u16())
}

/// The flow's own stages, in its order, on the state of now.
async fn walk(
    flow: &Flow,
    object: &ObjectRef,
    question: &TokenQuestion,
    stages: &mut Vec<Value>,
) -> Result<(), Refusal> {
    let pod = stage(stages, "pod", find(flow, object), |pod| {
        pod_facts(pod.pod())
    })?;
    let judged = flow.policies.judge(&flow.world, &pod, question).await;
    let judgement = stage(stages, "policy", judged, judgement_facts)?;
    stages.push(json!({"stage": "bindings", "found": bindings(flow, pod.pod())}));
    if *judgement.allowed() == Allowed::Node {
        return Ok(());
    }
    let selected = select(flow, &pod, question, &judgement);
    stage(stages, "assignment", selected, assignment_facts)?;
    Ok(())
}

/// Records a stage, good or bad.
fn stage<T>(
    stages: &mut Vec<Value>,
    name: &str,
    outcome: Result<T, Refusal>,
    facts: impl Fn(&T) -> Value,
) -> Result<T, Refusal> {
    stages.push(match &outcome {
        Ok(good) => json!({"stage": name, "ok": true, "facts": facts(good)}),
        Err(refusal) => json!({"stage": name, "ok": false, "reason": refusal.to_string()}),
    });
    outcome
}

/// By name, then by address as a request would come: a pod that shares its address gets nothing.
fn find(flow: &Flow, object: &ObjectRef) -> Result<ResolvedPod, Refusal> {
    let index = flow.world.read();
    let pod = index.pod(object).ok_or_else(|| {
        Refusal::NotFound(format!(
            "pod {object} is not on this node, or not yet known"
        ))
    })?;
    let ip = pod.ips.first().copied().filter(|_| pod.addressable).ok_or_else(|| {
        Refusal::NotFound(format!(
            "pod {object} has no address of its own: it has none yet, has ended, or uses the node's (hostNetwork)"
        ))
    })?;
    pod::look_up(&index, ip)
}

fn pod_facts(pod: &Pod) -> Value {
    json!({
        "uid": pod.uid.to_string(),
        "addresses": pod.ips,
        "serviceAccount": pod.service_account,
        BINDING_LABEL: pod.labels.get(BINDING_LABEL),
    })
}

fn judgement_facts(judgement: &Judgement) -> Value {
    match judgement.allowed() {
        Allowed::Bound => json!("any identity that is bound to the pod"),
        Allowed::Restricted(ids) => json!({"only client ids": ids.as_ref()}),
        Allowed::Node => json!("the node's own identities (the pod is excepted)"),
    }
}

/// Each binding that selects the pod, with what its identity is good for, and the controller's word.
fn bindings(flow: &Flow, pod: &Pod) -> Vec<Value> {
    let index = flow.world.read();
    let candidates = index.candidates(pod).into_iter();
    candidates
        .map(|candidate| {
            let binding = candidate.binding.object.to_string();
            let target = candidate.binding.target();
            let record = index
                .assigned(&pod.object)
                .find(|record| record.identity.object == target)
                .map(|record| format!("{} ({})", record.object, record.state));
            let problem = match select::usable(candidate, pod, &flow.assignment) {
                Ok(_) => None,
                Err(Unusable::Broken(problem)) => Some(problem),
                Err(Unusable::Foreign) => Some("it is of another namespace".to_owned()),
            };
            json!({"binding": binding, "identity": target.to_string(), "problem": problem, "assigned": record})
        })
        .collect()
}

fn select(
    flow: &Flow,
    pod: &ResolvedPod,
    question: &TokenQuestion,
    judgement: &Judgement,
) -> Result<Assignments, Refusal> {
    let index = flow.world.read();
    let allowed = judgement.allowed();
    match select::select(
        &index,
        pod.pod(),
        &question.selector,
        allowed,
        &flow.assignment,
    ) {
        Selection::Found(assignments) => Ok(assignments),
        Selection::Refused(refusal) => Err(refusal),
        Selection::Pending(why) => Err(Refusal::NotAssignedYet(why)),
    }
}

fn assignment_facts(assignments: &Assignments) -> Value {
    assignments
        .iter()
        .map(|assignment| match assignment.whose() {
            Whose::Bound { identity, .. } => json!({
                "identity": identity.object.to_string(),
                "clientID": identity.client_id(),
                "resourceID": identity.resource_id(),
            }),
            Whose::Node(_) => json!("the node's own"),
        })
        .collect()
}
