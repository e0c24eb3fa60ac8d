use k8s_openapi::api::core::v1 as core;
use podgate_api::{AzureIdentity, AzureIdentityBinding};
use serde_json::json;

use super::*;
use crate::index::{Node, Object};

const SET: &str =
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachineScaleSets/v";

fn index() -> Index {
    let mut index = Index::default();
    let node: core::Node = serde_json::from_value(json!({
        "metadata": {"name": "node"}, "spec": {"providerID": format!("azure://{SET}/virtualMachines/0")},
    }))
    .unwrap();
    index.apply(Object::Node(Node::read(&node)));
    index
}

fn identity(index: &mut Index, namespace: &str, name: &str, namespaced: bool) {
    let behavior = if namespaced { "namespaced" } else { "" };
    let wire: AzureIdentity = serde_json::from_value(json!({
        "apiVersion": "aadpodidentity.k8s.io/v1", "kind": "AzureIdentity",
        "metadata": {"name": name, "namespace": namespace, "annotations": {"aadpodidentity.k8s.io/Behavior": behavior}},
        "spec": {"resourceID": format!("/subscriptions/s/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}")},
    }))
    .unwrap();
    index.apply(Object::Identity(Identity::read(wire)));
}

fn binding(index: &mut Index, namespace: &str, name: &str, identity: &str, weight: i64) {
    let wire: AzureIdentityBinding = serde_json::from_value(json!({
        "apiVersion": "aadpodidentity.k8s.io/v1", "kind": "AzureIdentityBinding",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"azureIdentity": identity, "selector": "web", "weight": weight},
    }))
    .unwrap();
    index.apply(Object::Binding(Binding::read(wire)));
}

fn pod(selector: &str) -> Pod {
    Pod {
        object: ObjectRef::new("shop", "p"),
        uid: "1".to_owned(),
        node: "node".to_owned(),
        selector: selector.to_owned(),
    }
}

const SHARED: Rules = Rules { namespaced: false };
const OWN: Rules = Rules { namespaced: true };

fn names(index: &Index, rules: Rules, selector: &str) -> Vec<String> {
    let matched = matched(index, rules, &pod(selector));
    matched
        .assignments
        .iter()
        .map(|assignment| assignment.record.to_string())
        .collect()
}

#[test]
fn the_label_is_compared_exactly() {
    let mut index = index();
    identity(&mut index, "shop", "i", false);
    binding(&mut index, "shop", "b", "i", 0);
    assert_eq!(names(&index, SHARED, "web"), ["default/p-shop-i"]);
    for other in ["Web", "web ", "we"] {
        assert!(names(&index, SHARED, other).is_empty(), "{other}");
    }
}

#[test]
fn namespaces_bound_where_the_flag_or_the_identity_says_so() {
    let mut index = index();
    identity(&mut index, "depot", "open", false);
    binding(&mut index, "depot", "open", "open", 0);
    identity(&mut index, "depot", "own", true);
    binding(&mut index, "depot", "own", "own", 0);
    identity(&mut index, "shop", "own", true);
    binding(&mut index, "shop", "own", "own", 0);
    assert_eq!(
        names(&index, SHARED, "web"),
        ["default/p-shop-open", "shop/p-shop-own"]
    );
    assert_eq!(names(&index, OWN, "web"), ["shop/p-shop-own"]);
}

#[test]
fn the_heavier_binding_goes_first_and_an_identity_counts_once() {
    let mut index = index();
    for (name, weight) in [("a", 0), ("b", 2), ("c", 2)] {
        identity(&mut index, "shop", name, false);
        binding(&mut index, "shop", name, name, weight);
    }
    binding(&mut index, "shop", "again", "a", 9);
    let records = names(&index, SHARED, "web");
    assert_eq!(
        records,
        ["default/p-shop-a", "default/p-shop-b", "default/p-shop-c"]
    );
}

#[test]
fn a_binding_of_an_identity_that_is_not_there_is_a_problem_of_the_binding() {
    let mut index = index();
    binding(&mut index, "shop", "b", "ghost", 0);
    let matched = matched(&index, SHARED, &pod("web"));
    assert!(matched.assignments.is_empty());
    let [problem] = &matched.problems[..] else {
        panic!("{:?}", matched.problems)
    };
    assert!(matches!(problem.about, About::Binding(..)) && problem.text.contains("shop/ghost"));
}

#[test]
fn a_name_that_no_object_can_have_is_a_problem() {
    let mut index = index();
    let long = "x".repeat(250);
    identity(&mut index, "shop", &long, false);
    binding(&mut index, "shop", "b", &long, 0);
    let matched = matched(&index, SHARED, &pod("web"));
    assert!(
        matched.problems[0].text.contains("253"),
        "{:?}",
        matched.problems
    );
}
