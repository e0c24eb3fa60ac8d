use serde_json::{Value, json};

use super::*;

fn manifest() -> Value {
    json!({
        "apiVersion": "aadpodidentity.k8s.io/v1",
        "kind": "AzureIdentityBinding",
        "metadata": {"name": "demo-binding", "namespace": "shop"},
        "spec": {"azureIdentity": "demo", "selector": "orders", "weight": 10},
    })
}

#[test]
fn a_binding_is_written_as_it_was_read() {
    let binding: AzureIdentityBinding = serde_json::from_value(manifest()).unwrap();
    assert_eq!(binding.spec.azure_identity, "demo");
    assert_eq!(binding.spec.selector, "orders");
    assert_eq!(binding.spec.weight, 10);
    assert_eq!(serde_json::to_value(binding).unwrap(), manifest());
}

#[test]
fn what_is_missing_or_null_is_empty_and_not_written() {
    let wire = json!({"azureIdentity": null, "selector": "", "weight": null, "AzureIdentity": "old casing"});
    let spec: AzureIdentityBindingSpec = serde_json::from_value(wire).unwrap();
    assert_eq!(spec, AzureIdentityBindingSpec::default());
    assert_eq!(serde_json::to_value(spec).unwrap(), json!({}));
    let bare = json!({"metadata": {}, "status": {"availableReplicas": "x", "metadata": {}}});
    let binding: AzureIdentityBinding = serde_json::from_value(bare).unwrap();
    assert_eq!(binding.spec, AzureIdentityBindingSpec::default());
    assert_eq!(binding.status, Some(AzureIdentityBindingStatus::default()));
}
