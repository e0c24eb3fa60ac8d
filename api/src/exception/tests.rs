use serde_json::{Value, json};

use super::*;

/// What the old chart installs for AKS add-ons.
fn manifest() -> Value {
    json!({
        "apiVersion": "aadpodidentity.k8s.io/v1",
        "kind": "AzurePodIdentityException",
        "metadata": {"name": "aks-addon-exception", "namespace": "kube-system"},
        "spec": {"podLabels": {"kubernetes.azure.com/managedby": "aks"}},
    })
}

#[test]
fn an_exception_is_written_as_it_was_read() {
    let exception: AzurePodIdentityException = serde_json::from_value(manifest()).unwrap();
    assert_eq!(
        exception.spec.pod_labels["kubernetes.azure.com/managedby"],
        "aks"
    );
    assert_eq!(serde_json::to_value(exception).unwrap(), manifest());
}

#[test]
fn without_labels_it_names_nobody() {
    let wires = [
        json!({"metadata": {}}),
        json!({"metadata": {}, "spec": {}}),
        json!({"metadata": {}, "spec": {"podLabels": null, "PodLabels": {"old": "casing"}, "metadata": {}}}),
    ];
    for wire in wires {
        let exception: AzurePodIdentityException = serde_json::from_value(wire).unwrap();
        assert!(exception.spec.pod_labels.is_empty());
    }
}
