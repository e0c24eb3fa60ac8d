use serde_json::{Value, json};

use super::*;
use crate::IdentityType;

/// As the old controller writes it.
fn manifest() -> Value {
    json!({
        "apiVersion": "aadpodidentity.k8s.io/v1",
        "kind": "AzureAssignedIdentity",
        "metadata": {
            "name": "web-0-shop-demo",
            "namespace": "default",
            "labels": {"nodename": "aks-pool1-1234-vmss000002"},
            "finalizers": ["azureassignedidentity.finalizers.aadpodidentity.k8s.io"],
        },
        "spec": {
            "azureIdentityRef": {
                "apiVersion": "aadpodidentity.k8s.io/v1",
                "kind": "AzureIdentity",
                "metadata": {
                    "name": "demo",
                    "namespace": "shop",
                    "resourceVersion": "17",
                    "uid": "5bd2b6ff-0d17-4ed7-a5a4-2b4f2a1b6d11",
                },
                "spec": {"type": 2, "clientID": "01234567-89ab-cdef-0123-456789abcdef"},
                "status": {},
            },
            "azureBindingRef": {
                "apiVersion": "aadpodidentity.k8s.io/v1",
                "kind": "AzureIdentityBinding",
                "metadata": {"name": "demo-binding", "namespace": "shop", "resourceVersion": "18"},
                "spec": {"azureIdentity": "demo", "selector": "orders"},
                "status": {},
            },
            "pod": "web-0",
            "podNamespace": "shop",
            "nodename": "aks-pool1-1234-vmss000002",
        },
        "status": {"status": "Assigned", "availableReplicas": 1},
    })
}

fn read(value: Value) -> AzureAssignedIdentity {
    serde_json::from_value(value).unwrap()
}

#[test]
fn an_assigned_identity_is_written_as_it_was_read_with_both_objects_inside() {
    let assigned = read(manifest());
    let identity = &assigned.spec.azure_identity_ref;
    assert_eq!(identity.metadata.name.as_deref(), Some("demo"));
    assert_eq!(identity.metadata.resource_version.as_deref(), Some("17"));
    assert_eq!(
        identity.spec.identity_type,
        IdentityType::ServicePrincipalCertificate
    );
    assert_eq!(assigned.spec.azure_binding_ref.spec.selector, "orders");
    assert_eq!(serde_json::to_value(assigned).unwrap(), manifest());
}

#[test]
fn the_node_is_spelled_in_lower_case_and_the_pods_namespace_in_camel_case() {
    let assigned = read(manifest());
    assert_eq!(assigned.spec.node_name, "aks-pool1-1234-vmss000002");
    assert_eq!(assigned.spec.pod_namespace, "shop");
    let mut other = manifest();
    other["spec"] = json!({"nodeName": "a", "podnamespace": "b"});
    assert_eq!(read(other).spec, AzureAssignedIdentitySpec::default());
}

#[test]
fn each_word_is_a_state_and_none_is_the_old_controllers() {
    let state = |status: Value| {
        let mut object = manifest();
        object["status"] = status;
        read(object).state()
    };
    assert_eq!(state(json!({"status": "Created"})), AssignedState::Created);
    assert_eq!(
        state(json!({"status": "Assigned"})),
        AssignedState::Assigned
    );
    assert_eq!(
        state(json!({"status": "Unassigned"})),
        AssignedState::Unassigned
    );
    for none in [
        json!({"status": ""}),
        json!({"status": null}),
        json!({}),
        json!(null),
    ] {
        assert_eq!(state(none), AssignedState::Legacy);
    }
    let unknown = AssignedState::Unknown("assigned".to_owned());
    assert_eq!(state(json!({"status": "assigned"})), unknown);
    assert_eq!(unknown.to_string(), "assigned");
}

#[test]
fn a_state_is_read_from_the_word_it_is_written_as() {
    for word in ["", "Created", "Assigned", "Unassigned", "Later"] {
        assert_eq!(AssignedState::from(word).as_str(), word);
    }
}

#[test]
fn embedded_objects_may_lack_anything() {
    for reference in [
        json!(null),
        json!({}),
        json!({"metadata": null, "spec": null, "status": null}),
    ] {
        let mut object = manifest();
        object["spec"]["azureIdentityRef"] = reference.clone();
        object["spec"]["azureBindingRef"] = reference;
        let assigned = read(object);
        assert_eq!(assigned.spec.azure_identity_ref, AzureIdentity::default());
        assert_eq!(
            assigned.spec.azure_binding_ref,
            AzureIdentityBinding::default()
        );
        assert_eq!(assigned.spec.pod, "web-0");
    }
}

#[test]
fn embedded_objects_are_written_with_version_and_kind() {
    let written = serde_json::to_value(AzureAssignedIdentity::default()).unwrap();
    let reference = &written["spec"]["azureIdentityRef"];
    assert_eq!(reference["apiVersion"], "aadpodidentity.k8s.io/v1");
    assert_eq!(reference["kind"], "AzureIdentity");
    assert_eq!(
        written["spec"]["azureBindingRef"]["kind"],
        "AzureIdentityBinding"
    );
}

#[test]
fn what_go_leaves_behind_does_no_harm() {
    let mut object = manifest();
    object["spec"]["azureIdentityRef"]["metadata"]["creationTimestamp"] = json!(null);
    object["spec"]["azureIdentityRef"]["status"] = json!({"metadata": {"creationTimestamp": null}});
    object["spec"]["metadata"] = json!({"creationTimestamp": null});
    object["spec"]["replicas"] = json!(null);
    object["status"]["metadata"] = json!({});
    assert_eq!(read(object), read(manifest()));
}

#[test]
fn the_name_joins_pod_namespace_and_identity() {
    assert_eq!(assigned_name("web-0", "shop", "demo"), "web-0-shop-demo");
}
