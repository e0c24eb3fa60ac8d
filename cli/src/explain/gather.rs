//! Reads the facts. Whatever cannot be read is one unknown fact, not the end.
//!
//! ```text
//! pod ─▶ bindings, identities, exceptions, node, the node's gateways, controllers
//!          └─▶ records, Secrets (names alone), Lease, Events, the gateway's answer
//! ```

use std::collections::BTreeMap;

use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node, Pod, Secret};
use kube::Api;
use podgate_api::{
    AzureAssignedIdentity, AzureIdentity, AzureIdentityBinding, AzurePodIdentityException,
    ObjectRef, assigned_name,
};

use super::component::{CONTROLLER_SELECTORS, Component, GATEWAY_SELECTORS, Role};
use super::facts::{Asked, Fact, Facts, LeaseFacts, Scope};
use super::identity;
use super::pod::PodFacts;
use super::view::{Candidate, Rules, View, candidates, ours};
use read::Reader;

mod events;
mod gateway;
mod read;

/// Identities of one pod that are looked at. Each costs some requests; nobody binds as many on purpose.
const MAX_IDENTITIES: usize = 16;

/// The controller's Lease, by the old controller's name for its lock.
const LEASE: &str = "aad-pod-identity-mic";

/// Where records are whose identity is not namespaced.
const SHARED_NAMESPACE: &str = "default";

/// Reads everything. `own` is podgate's namespace, where nothing outside of it may be listed.
pub(super) async fn gather(client: kube::Client, asked: Asked, own: Option<&str>) -> Facts {
    let reader = Reader::new(client);
    let pod = reader.get::<Pod>(&asked.pod).await;
    let pod = pod.map(|pod| pod.as_ref().map(PodFacts::of));
    let node = pod.known().and_then(|pod| pod.as_ref()?.node.clone());
    let mut facts = Box::pin(first(&reader, asked, pod, node.as_deref(), own)).await;
    second(&reader, &mut facts, own).await;
    facts
}

async fn first(
    reader: &Reader,
    asked: Asked,
    pod: Fact<Option<PodFacts>>,
    node: Option<&str>,
    own: Option<&str>,
) -> Facts {
    let namespace = asked.pod.namespace.clone();
    let near = Scope::Namespace(namespace.clone());
    let (bindings, identities, exceptions, provider_id, gateways, controllers) = tokio::join!(
        reader.near_and_far::<AzureIdentityBinding>(&namespace),
        reader.near_and_far::<AzureIdentity>(&namespace),
        reader.list::<AzurePodIdentityException>(&near),
        provider_id(reader, node),
        gateways(reader, node, own),
        controllers(reader, own),
    );
    Facts {
        asked,
        now: Timestamp::now(),
        pod,
        elsewhere: bindings.1.or(identities.1),
        bindings: bindings.0,
        identities: identities.0,
        exceptions,
        records: BTreeMap::new(),
        secrets: BTreeMap::new(),
        provider_id,
        gateways,
        controllers,
        lease: Fact::Known(None),
        answer: None,
        events: Vec::new(),
        unread_events: Vec::new(),
    }
}

/// What depends on which bindings mean the pod.
async fn second(reader: &Reader, facts: &mut Facts, own: Option<&str>) {
    let Some(pod) = facts.pod() else {
        return;
    };
    let found = candidates(facts, pod, Rules::of(facts));
    let found = &found[..found.len().min(MAX_IDENTITIES)];
    let (records, secrets, lease, events, answer) = tokio::join!(
        records(reader, facts, found),
        secrets(reader, found),
        lease(reader, facts, own),
        events::read(reader, facts, found),
        answer(reader, facts),
    );
    (facts.records, facts.secrets, facts.lease) = (records, secrets, lease);
    (facts.events, facts.unread_events) = events;
    facts.answer = answer;
    facts.now = Timestamp::now();
}

async fn provider_id(reader: &Reader, node: Option<&str>) -> Fact<Option<String>> {
    let Some(node) = node else {
        return Fact::Known(None);
    };
    let node = reader.get_of_cluster::<Node>(node).await;
    node.map(|node| {
        node.and_then(|node| node.spec?.provider_id)
            .filter(|id| !id.is_empty())
    })
}

fn scope(own: Option<&str>) -> Scope {
    own.map_or(Scope::Everywhere, |own| Scope::Namespace(own.to_owned()))
}

/// Of a pod without a node there is none to ask.
async fn gateways(reader: &Reader, node: Option<&str>, own: Option<&str>) -> Fact<Vec<Component>> {
    let Some(node) = node else {
        return Fact::Known(Vec::new());
    };
    let here = format!("spec.nodeName={node}");
    let what = format!("the gateways of node {node}");
    components(reader, &what, &GATEWAY_SELECTORS, Some(&here), own).await
}

async fn controllers(reader: &Reader, own: Option<&str>) -> Fact<Vec<Component>> {
    components(reader, "the controllers", &CONTROLLER_SELECTORS, None, own).await
}

async fn components(
    reader: &Reader,
    what: &str,
    selectors: &[&str],
    fields: Option<&str>,
    own: Option<&str>,
) -> Fact<Vec<Component>> {
    let scope = scope(own);
    let requests = selectors
        .iter()
        .map(|selector| reader.pods(what, &scope, selector, fields));
    let mut all = Vec::new();
    for pods in join_all(requests).await {
        match pods {
            Fact::Known(pods) => all.extend(pods.iter().filter_map(Component::of)),
            Fact::Unknown(gap) => return Fact::Unknown(gap),
        }
    }
    Fact::Known(all)
}

/// By name, which takes no right to list: of the identity's namespace, or of the one for all.
async fn records(
    reader: &Reader,
    facts: &Facts,
    found: &[Candidate<'_>],
) -> BTreeMap<ObjectRef, Fact<Option<AzureAssignedIdentity>>> {
    let (pod, rules) = (&facts.asked.pod, Rules::of(facts));
    if rules.is_managed() {
        return BTreeMap::new();
    }
    let present = found
        .iter()
        .filter(|candidate| candidate.wire.is_some() && candidate.flaw.is_none());
    let one = async |identity: &ObjectRef| {
        let name = assigned_name(&pod.name, &pod.namespace, &identity.name);
        let own = ObjectRef::new(&identity.namespace, &name);
        let shared = ObjectRef::new(SHARED_NAMESPACE, &name);
        let (own, shared) = tokio::join!(reader.get(&own), reader.get(&shared));
        (
            identity.clone(),
            better(own, shared, rules.namespaced == Some(true)),
        )
    };
    let requests = present.map(|candidate| one(&candidate.identity));
    join_all(requests).await.into_iter().collect()
}

/// One that is there, else what could not be read, else nothing. Where namespaces count, the one for all holds records
/// of before at most.
fn better<T>(own: Fact<Option<T>>, shared: Fact<Option<T>>, namespaced: bool) -> Fact<Option<T>> {
    match (own, shared) {
        (Fact::Known(Some(record)), _) | (_, Fact::Known(Some(record))) => {
            Fact::Known(Some(record))
        }
        (Fact::Known(None), Fact::Unknown(_)) if namespaced => Fact::Known(None),
        (Fact::Unknown(gap), _) | (_, Fact::Unknown(gap)) => Fact::Unknown(gap),
        (Fact::Known(None), Fact::Known(None)) => Fact::Known(None),
    }
}

/// Whether they are there. Their content is never asked for.
async fn secrets(reader: &Reader, found: &[Candidate<'_>]) -> BTreeMap<ObjectRef, Fact<bool>> {
    let named = |candidate: &Candidate<'_>| candidate.wire.and_then(identity::secret);
    let sound = found.iter().filter(|candidate| candidate.flaw.is_none());
    let mut names: Vec<ObjectRef> = sound.filter_map(named).collect();
    names.sort();
    names.dedup();
    let requests = names.into_iter().map(async |name| {
        let there = reader.is_there::<Secret>(&name).await;
        (name, there)
    });
    join_all(requests).await.into_iter().collect()
}

/// Where the controllers' flags say, else where the chart puts it.
async fn lease(reader: &Reader, facts: &Facts, own: Option<&str>) -> Fact<Option<LeaseFacts>> {
    let controller = ours(facts.controllers.all(), Role::Controller);
    let gateway = ours(facts.gateways.all(), Role::Gateway);
    let flag = |names: &[&str]| controller.and_then(|controller| controller.flag(names));
    let chart = controller
        .or(gateway)
        .map(|component| component.object.namespace.as_str());
    let Some(namespace) = flag(&["leader-election-namespace"]).or(own).or(chart) else {
        return Fact::Known(None);
    };
    let name = flag(&["leader-election-name"]).unwrap_or(LEASE);
    let lease = reader.get::<Lease>(&ObjectRef::new(namespace, name)).await;
    lease.map(|lease| lease.as_ref().map(LeaseFacts::of))
}

/// A gateway that is not ready is asked too: it says what it awaits.
async fn answer(reader: &Reader, facts: &Facts) -> Option<Fact<super::answer::Answer>> {
    let gateway = ours(facts.gateways.all(), Role::Gateway)?;
    let client_id = View::of(facts).and_then(|view| view.named()).flatten();
    let pods: Api<Pod> = Api::namespaced(reader.client(), &gateway.object.namespace);
    Some(gateway::ask(&pods, gateway, &facts.asked.pod, client_id.as_ref()).await)
}
