//! The pod itself.

use serde_json::{Value, json};

use super::fixture::{answer, object, of, pod, says, with, without};
use crate::explain::diagnose::Cause;
use crate::explain::facts::{Fact, Facts};

#[test]
fn a_healthy_pod_gets_tokens() {
    says(&with(|_| {}), Cause::GetsTokens, &["shop/web"]);
}

#[test]
fn an_excepted_pod_without_a_label_gets_the_nodes_identities() {
    let diagnosis = with(|facts| {
        facts.pod = Fact::Known(Some(pod(|pod| {
            pod["metadata"]["labels"] = json!({"app": "addon"})
        })));
        facts.exceptions = Fact::Known(vec![of(object(
            "AzurePodIdentityException",
            "shop",
            "addons",
            json!({"podLabels": {"app": "ADDON"}}),
        ))]);
        facts.answer = answer(
            "a token would be asked for",
            "the node's own identities (the pod is excepted)",
        );
    });
    says(&diagnosis, Cause::NodeIdentities, &["node's own"]);
}

#[test]
fn an_exception_that_matches_a_bound_pod_takes_its_identities() {
    let exception = |facts: &mut Facts| {
        facts.exceptions = Fact::Known(vec![of(object(
            "AzurePodIdentityException",
            "shop",
            "all",
            json!({"podLabels": {"x": "y", "aadpodidbinding": "web"}}),
        ))]);
    };
    let diagnosis = with(|facts| {
        exception(facts);
        facts.answer = None;
    });
    says(
        &diagnosis,
        Cause::ExceptionMatches,
        &[
            "shop/all",
            "kubectl get azurepodidentityexception all -n shop",
        ],
    );
    // The chain of this node may have no exception-matcher, or one with other settings.
    says(&with(exception), Cause::GetsTokens, &[]);
}

#[test]
fn no_such_pod() {
    says(
        &with(|facts| facts.pod = Fact::Known(None)),
        Cause::NoSuchPod,
        &["kubectl get pods -n shop"],
    );
}

#[test]
fn a_pod_that_has_ended() {
    let ended = |pod: &mut Value| pod["status"]["phase"] = json!("Succeeded");
    says(
        &with(|facts| facts.pod = Fact::Known(Some(pod(ended)))),
        Cause::PodEnded,
        &["Succeeded"],
    );
}

#[test]
fn a_pod_on_the_nodes_network_is_no_gateways_whatever_it_is_bound_to() {
    let diagnosis = with(|facts| {
        facts.pod = Fact::Known(Some(pod(|pod| pod["spec"]["hostNetwork"] = json!(true))))
    });
    says(&diagnosis, Cause::HostNetwork, &["bindings have no effect"]);
}

#[test]
fn a_pod_without_a_node_or_an_address() {
    let scheduled = without(|facts| {
        facts.pod = Fact::Known(Some(pod(|pod| pod["spec"]["nodeName"] = Value::Null)));
    });
    says(
        &scheduled,
        Cause::NotScheduled,
        &["kubectl describe pod web -n shop"],
    );
    let addressed = without(|facts| {
        facts.pod = Fact::Known(Some(pod(|pod| pod["status"] = json!({"phase": "Pending"}))));
    });
    says(
        &addressed,
        Cause::NoAddress,
        &["kubectl describe pod web -n shop"],
    );
}
