//! The facts of a healthy pod, and ways to change them.

use k8s_openapi::api::core::v1::Pod;
use podgate_api::{AzureAssignedIdentity, ObjectRef};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::explain::answer::Answer;
use crate::explain::component::Component;
use crate::explain::diagnose::{Cause, Diagnosis, Verdict, diagnose};
use crate::explain::facts::{Asked, EventFacts, Fact, Facts, Gap, LeaseFacts, Right, Scope, Why};
use crate::explain::pod::PodFacts;

pub(super) const NOW: &str = "2026-11-21T12:00:00Z";
pub(super) const CLIENT: &str = "11111111-1111-4111-8111-111111111111";
pub(super) const OTHER: &str = "22222222-2222-4222-8222-222222222222";

pub(super) fn of<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

pub(super) fn named(namespace: &str, name: &str) -> ObjectRef {
    ObjectRef::new(namespace, name)
}

pub(super) fn pod(change: impl FnOnce(&mut Value)) -> PodFacts {
    let mut pod = json!({"metadata": {"namespace": "shop", "name": "web", "uid": "u1", "labels": {"aadpodidbinding": "web"}},
        "spec": {"nodeName": "node1", "containers": [{"name": "app"}]},
        "status": {"phase": "Running", "podIP": "10.244.1.7", "startTime": "2026-11-21T11:56:00Z"}});
    change(&mut pod);
    PodFacts::of(&of::<Pod>(pod))
}

pub(super) fn object(kind: &str, namespace: &str, name: &str, spec: Value) -> Value {
    json!({"apiVersion": "aadpodidentity.k8s.io/v1", "kind": kind, "metadata": {"namespace": namespace, "name": name}, "spec": spec})
}

pub(super) fn arm(name: &str) -> String {
    format!(
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"
    )
}

pub(super) fn managed(namespace: &str, name: &str, client: &str) -> Value {
    object(
        "AzureIdentity",
        namespace,
        name,
        json!({"clientID": client, "resourceID": arm(name)}),
    )
}

pub(super) fn binding(namespace: &str, name: &str, selector: &str) -> Value {
    object(
        "AzureIdentityBinding",
        namespace,
        name,
        json!({"azureIdentity": name, "selector": selector}),
    )
}

pub(super) fn record(state: &str, created: &str) -> AzureAssignedIdentity {
    let mut record = object(
        "AzureAssignedIdentity",
        "shop",
        "web-shop-web",
        json!({"azureIdentityRef": managed("shop", "web", CLIENT), "azureBindingRef": binding("shop", "web", "web"),
            "pod": "web", "podNamespace": "shop", "nodename": "node1"}),
    );
    record["metadata"]["creationTimestamp"] = json!(created);
    record["status"] = json!({"status": state});
    of(record)
}

/// A pod of podgate's, ready unless it waits for something.
pub(super) fn component(component: &str, arguments: &[&str], waits: Option<&str>) -> Component {
    let ready = if waits.is_none() { "True" } else { "False" };
    let pod = json!({"metadata": {"namespace": "podgate", "name": format!("podgate-{component}-x"),
            "labels": {"app.kubernetes.io/component": component, "app.kubernetes.io/name": "podgate"}},
        "spec": {"containers": [{"name": component, "args": arguments}]},
        "status": {"conditions": [{"type": "Ready", "status": ready}], "containerStatuses": [{"name": component, "image": "", "imageID": "",
            "ready": false, "restartCount": 1, "state": {"waiting": {"reason": waits}}}]}});
    Component::of(&of(pod)).unwrap()
}

pub(super) fn answer(outcome: &str, policy: &str) -> Option<Fact<Answer>> {
    let body = json!({"outcome": outcome, "stages": [{"stage": "policy", "facts": policy}],
        "state": [{"of": "pods of node node1", "problem": null}]});
    Some(Fact::Known(Answer::read(200, body.to_string().as_bytes())))
}

pub(super) fn gives() -> Option<Fact<Answer>> {
    answer(
        "a token would be asked for",
        "any identity that is bound to the pod",
    )
}

/// The gateway says no; the facts have to say why.
pub(super) fn refuses() -> Option<Fact<Answer>> {
    answer(
        "503: not assigned yet",
        "any identity that is bound to the pod",
    )
}

pub(super) fn forbidden<T>(what: &str, verb: &'static str, resource: &str) -> Fact<T> {
    let right = Right {
        verb,
        resource: resource.to_owned(),
        subresource: None,
        name: None,
        scope: Scope::Everywhere,
    };
    Fact::Unknown(Gap {
        what: what.to_owned(),
        why: Why::Forbidden(right),
    })
}

pub(super) fn event(about: &str, message: &str) -> EventFacts {
    EventFacts {
        at: Some(NOW.parse().unwrap()),
        warning: true,
        about: about.to_owned(),
        reason: "binding apply error".to_owned(),
        message: message.to_owned(),
    }
}

pub(super) fn lease(renewed: &str) -> Fact<Option<LeaseFacts>> {
    Fact::Known(Some(LeaseFacts {
        holder: Some("podgate-controller-x".to_owned()),
        renewed: Some(renewed.parse().unwrap()),
        seconds: 15,
    }))
}

/// A pod that gets its tokens, in standard mode.
pub(super) fn healthy() -> Facts {
    Facts {
        asked: Asked {
            pod: named("shop", "web"),
            client_id: None,
        },
        now: NOW.parse().unwrap(),
        pod: Fact::Known(Some(pod(|_| {}))),
        bindings: Fact::Known(vec![of(binding("shop", "web", "web"))]),
        identities: Fact::Known(vec![of(managed("shop", "web", CLIENT))]),
        elsewhere: None,
        exceptions: Fact::Known(Vec::new()),
        records: [(named("shop", "web"), Fact::Known(Some(record("Assigned", "2026-11-21T11:56:30Z"))))].into(),
        secrets: [].into(),
        provider_id: Fact::Known(Some(
            "azure:///subscriptions/s/resourceGroups/mc_shop/providers/Microsoft.Compute/virtualMachineScaleSets/pool/virtualMachines/0"
                .to_owned(),
        )),
        gateways: Fact::Known(vec![component("gateway", &["--operation-mode=standard", "--forceNamespaced=true"], None)]),
        controllers: Fact::Known(vec![component("controller", &[], None)]),
        lease: lease("2026-11-21T11:59:55Z"),
        answer: gives(),
        events: Vec::new(),
        unread_events: Vec::new(),
    }
}

/// What is diagnosed where the gateway says no and this is so.
pub(super) fn without(change: impl FnOnce(&mut Facts)) -> Diagnosis {
    with(|facts| {
        facts.answer = refuses();
        change(facts);
    })
}

/// What is diagnosed where this is so.
pub(super) fn with(change: impl FnOnce(&mut Facts)) -> Diagnosis {
    let mut facts = healthy();
    change(&mut facts);
    diagnose(&facts)
}

/// The cause, and every word in what is said.
#[track_caller]
pub(super) fn says(diagnosis: &Diagnosis, cause: Cause, words: &[&str]) {
    let Diagnosis { what, next, .. } = diagnosis;
    let all = format!("{what} {next:?}");
    assert_eq!(diagnosis.cause, cause, "{all}");
    for word in words {
        assert!(all.contains(word), "{word} is not in: {all}");
    }
    assert_eq!(
        next.is_none(),
        diagnosis.verdict == Verdict::GetsTokens,
        "one thing to do, or none: {all}"
    );
}

pub(super) fn bound(identities: &[(&str, &str)]) -> impl FnOnce(&mut Facts) {
    let (mut bindings, mut wires) = (Vec::new(), Vec::new());
    for (name, client) in identities {
        bindings.push(of(binding("shop", name, "web")));
        wires.push(of(managed("shop", name, client)));
    }
    move |facts| {
        facts.bindings = Fact::Known(bindings);
        facts.identities = Fact::Known(wires);
    }
}

pub(super) fn environment(facts: &mut Facts, variable: Value) {
    facts.pod = Fact::Known(Some(pod(|pod| {
        pod["spec"]["containers"][0]["env"] = json!([variable])
    })));
}

pub(super) fn with_state(facts: &mut Facts, record: Option<AzureAssignedIdentity>) {
    facts.records = [(named("shop", "web"), Fact::Known(record))].into();
}
