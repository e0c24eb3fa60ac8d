use serde_json::json;

use super::*;

/// As the website of aad-pod-identity shows them, with what `kubectl get -o yaml` adds.
fn managed() -> Value {
    json!({
        "apiVersion": "aadpodidentity.k8s.io/v1",
        "kind": "AzureIdentity",
        "metadata": {
            "name": "demo",
            "namespace": "shop",
            "uid": "5bd2b6ff-0d17-4ed7-a5a4-2b4f2a1b6d11",
            "resourceVersion": "4711",
            "annotations": {"aadpodidentity.k8s.io/Behavior": "namespaced"},
        },
        "spec": {
            "resourceID": "/subscriptions/s/resourcegroups/g/providers/Microsoft.ManagedIdentity/\
                           userAssignedIdentities/demo",
            "clientID": "01234567-89ab-cdef-0123-456789abcdef",
        },
    })
}

fn principal() -> Value {
    json!({
        "apiVersion": "aadpodidentity.k8s.io/v1",
        "kind": "AzureIdentity",
        "metadata": {"name": "sp"},
        "spec": {
            "type": 1,
            "clientID": "01234567-89ab-cdef-0123-456789abcdef",
            "clientPassword": {"name": "sp-secret", "namespace": "shop"},
            "tenantID": "contoso.com",
            "auxiliaryTenantIDs": ["fabrikam.com"],
            "adResourceID": "https://graph.microsoft.com",
            "adEndpoint": "https://login.chinacloudapi.cn/",
            "replicas": 3,
        },
        "status": {"availableReplicas": 1},
    })
}

fn read(value: &Value) -> AzureIdentity {
    serde_json::from_value(value.clone()).unwrap()
}

fn spec(value: Value) -> AzureIdentitySpec {
    serde_json::from_value(value).unwrap()
}

#[test]
fn an_identity_is_written_as_it_was_read() {
    for manifest in [managed(), principal()] {
        assert_eq!(serde_json::to_value(read(&manifest)).unwrap(), manifest);
    }
}

#[test]
fn every_field_of_the_wire_has_its_place() {
    let identity = read(&principal());
    let spec = &identity.spec;
    assert_eq!(spec.identity_type, IdentityType::ServicePrincipal);
    assert_eq!(
        spec.client_id.as_deref(),
        Some("01234567-89ab-cdef-0123-456789abcdef")
    );
    assert_eq!(spec.tenant_id.as_deref(), Some("contoso.com"));
    assert_eq!(spec.auxiliary_tenant_ids, ["fabrikam.com"]);
    assert_eq!(
        spec.ad_endpoint.as_deref(),
        Some("https://login.chinacloudapi.cn/")
    );
    let secret = spec.client_password.clone().unwrap();
    assert_eq!(secret.name.as_deref(), Some("sp-secret"));
    assert_eq!(secret.namespace.as_deref(), Some("shop"));
    assert_eq!(spec.resource_id, None);
    assert!(read(&managed()).spec.resource_id.is_some());
}

#[test]
fn type_zero_is_dropped_when_written_and_assumed_when_missing() {
    let mut manifest = managed();
    manifest["spec"]["type"] = json!(0);
    let identity = read(&manifest);
    assert_eq!(
        identity.spec.identity_type,
        IdentityType::UserAssignedManagedIdentity
    );
    assert_eq!(identity, read(&managed()));
    assert_eq!(
        serde_json::to_value(identity).unwrap()["spec"].get("type"),
        None
    );
}

#[test]
fn every_type_is_a_number_on_the_wire_and_an_unknown_one_survives() {
    for number in [1, 2, 3, -1, i64::MAX] {
        let read = spec(json!({"type": number}));
        assert_eq!(i64::from(read.identity_type), number);
        assert_eq!(
            serde_json::to_value(&read).unwrap(),
            json!({"type": number})
        );
    }
    assert_eq!(
        spec(json!({"type": 7})).identity_type,
        IdentityType::Unknown(7)
    );
    assert_eq!(
        spec(json!({"type": null})).identity_type,
        IdentityType::default()
    );
    let fraction = spec(json!({"type": 0.5})).identity_type;
    assert_eq!(fraction, IdentityType::Unknown(i64::MAX));
}

#[test]
fn a_type_that_is_no_number_is_refused_with_the_right_ones() {
    let error = serde_json::from_value::<AzureIdentitySpec>(json!({"type": "1"})).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("type: \"1\" is no number; use 0 (managed identity)"),
        "{text}"
    );
}

#[test]
fn null_and_leftovers_of_a_wrong_type_do_no_harm() {
    let read = spec(json!({
        "type": null, "resourceID": null, "clientID": null, "clientPassword": null, "tenantID": null,
        "auxiliaryTenantIDs": null, "adResourceID": 5, "adEndpoint": null, "replicas": null, "metadata": null,
    }));
    assert_eq!(read, AzureIdentitySpec::default());
    assert_eq!(
        spec(json!({"replicas": "many"})),
        AzureIdentitySpec::default()
    );
}

#[test]
fn unknown_fields_and_the_old_casing_are_ignored() {
    let read = spec(json!({
        "ClientID": "x", "ResourceID": "y", "metadata": {"creationTimestamp": null}, "future": [1],
        "clientPassword": {"Name": "n", "Namespace": "s"},
    }));
    assert_eq!(read.client_id, None);
    assert_eq!(read.resource_id, None);
    assert_eq!(read.client_password, Some(SecretReference::default()));
}

#[test]
fn an_identity_without_a_spec_is_an_empty_one() {
    for spec in [
        json!({"metadata": {"name": "a"}}),
        json!({"metadata": {"name": "a"}, "spec": null, "status": null}),
    ] {
        assert_eq!(read(&spec).spec, AzureIdentitySpec::default());
    }
}

#[test]
fn a_field_that_matters_and_has_a_wrong_type_is_an_error() {
    for wrong in [
        json!({"clientID": 5}),
        json!({"auxiliaryTenantIDs": "a"}),
        json!({"clientPassword": "a"}),
    ] {
        assert!(
            serde_json::from_value::<AzureIdentitySpec>(wrong.clone()).is_err(),
            "{wrong}"
        );
    }
}
