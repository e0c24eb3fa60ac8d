use serde_json::{Value, json};

use super::*;

fn definitions() -> Vec<Value> {
    let crds = crds().into_iter();
    crds.map(|crd| serde_json::to_value(crd).unwrap()).collect()
}

fn definition(kind: &str) -> Value {
    let named = |crd: &Value| crd["spec"]["names"]["kind"] == kind;
    definitions().into_iter().find(named).unwrap()
}

fn version(kind: &str) -> Value {
    definition(kind)["spec"]["versions"][0].clone()
}

/// Everything but the prose.
fn without_descriptions(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            // A property may be called so; a keyword is text.
            fields.retain(|name, value| name != "description" || !value.is_string());
            fields.values_mut().for_each(without_descriptions);
        }
        Value::Array(items) => items.iter_mut().for_each(without_descriptions),
        _ => {}
    }
}

fn schema(kind: &str) -> Value {
    let mut schema = version(kind)["schema"]["openAPIV3Schema"].clone();
    without_descriptions(&mut schema);
    schema
}

/// Each schema inside a schema, with its path.
fn walk(path: &str, schema: &Value, seen: &mut Vec<(String, Value)>) {
    seen.push((path.to_owned(), schema.clone()));
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        walk(&format!("{path}.{name}"), property, seen);
    }
    for inner in ["items", "additionalProperties"] {
        if schema[inner].is_object() {
            walk(&format!("{path}[]"), &schema[inner], seen);
        }
    }
}

#[test]
fn the_four_definitions_are_named_as_they_always_were() {
    let names: Vec<Value> = definitions()
        .iter()
        .map(|crd| {
            json!([
                crd["metadata"]["name"],
                crd["spec"]["names"],
                crd["spec"]["scope"],
                crd["spec"]["group"]
            ])
        })
        .collect();
    let expected = |kind: &str, plural: &str| {
        let names = json!({
            "kind": kind, "listKind": format!("{kind}List"), "plural": plural, "singular": kind.to_lowercase(),
        });
        json!([
            format!("{plural}.aadpodidentity.k8s.io"),
            names,
            "Namespaced",
            "aadpodidentity.k8s.io"
        ])
    };
    assert_eq!(
        names,
        [
            expected("AzureAssignedIdentity", "azureassignedidentities"),
            expected("AzureIdentity", "azureidentities"),
            expected("AzureIdentityBinding", "azureidentitybindings"),
            expected("AzurePodIdentityException", "azurepodidentityexceptions"),
        ]
    );
}

#[test]
fn each_definition_has_one_version_and_the_approval_its_group_needs() {
    for crd in definitions() {
        assert_eq!(
            crd["metadata"]["annotations"]["api-approved.kubernetes.io"],
            "unapproved"
        );
        let versions = crd["spec"]["versions"].as_array().unwrap();
        assert_eq!(versions.len(), 1);
        assert_eq!(versions[0]["name"], "v1");
        assert_eq!(versions[0]["served"], true);
        assert_eq!(versions[0]["storage"], true);
    }
}

#[test]
fn no_kind_has_a_status_subresource_and_two_have_an_empty_list_of_them() {
    for kind in ["AzureIdentity", "AzureIdentityBinding"] {
        assert_eq!(version(kind)["subresources"], json!({}));
    }
    for kind in ["AzureAssignedIdentity", "AzurePodIdentityException"] {
        assert_eq!(version(kind).get("subresources"), None);
    }
}

#[test]
fn printer_columns_are_the_old_ones() {
    let column =
        |name: &str, kind: &str, path: &str| json!({"name": name, "type": kind, "jsonPath": path});
    let age = column("Age", "date", ".metadata.creationTimestamp");
    assert_eq!(
        version("AzureIdentity")["additionalPrinterColumns"],
        json!([
            column("Type", "string", ".spec.type"),
            column("ClientID", "string", ".spec.clientID"),
            age
        ])
    );
    assert_eq!(
        version("AzureIdentityBinding")["additionalPrinterColumns"],
        json!([
            column("AzureIdentity", "string", ".spec.azureIdentity"),
            column("Selector", "string", ".spec.selector"),
            age
        ])
    );
    for kind in ["AzureAssignedIdentity", "AzurePodIdentityException"] {
        assert_eq!(version(kind).get("additionalPrinterColumns"), None);
    }
}

#[test]
fn the_schema_of_azureidentity_is_the_old_one() {
    assert_eq!(schema("AzureIdentity"), identity());
}

#[test]
fn the_schema_of_azureidentitybinding_is_the_old_one() {
    assert_eq!(schema("AzureIdentityBinding"), binding());
}

#[test]
fn the_schema_of_azureassignedidentity_is_the_old_one_with_two_whole_objects_inside() {
    let embedded = |mut schema: Value| {
        schema["x-kubernetes-embedded-resource"] = json!(true);
        schema
    };
    let spec = json!({
        "azureBindingRef": embedded(binding()),
        "azureIdentityRef": embedded(identity()),
        "metadata": {"type": "object"},
        "nodename": {"type": "string"},
        "pod": {"type": "string"},
        "podNamespace": {"type": "string"},
        "replicas": {"format": "int32", "nullable": true, "type": "integer"},
    });
    let status = json!({
        "availableReplicas": {"format": "int32", "type": "integer"},
        "metadata": {"type": "object"},
        "status": {"type": "string"},
    });
    assert_eq!(schema("AzureAssignedIdentity"), whole(&spec, &status));
}

#[test]
fn the_schema_of_azurepodidentityexception_is_the_old_one() {
    let spec = json!({
        "metadata": {"type": "object"},
        "podLabels": {"additionalProperties": {"type": "string"}, "type": "object"},
    });
    let status = json!({"metadata": {"type": "object"}, "status": {"type": "string"}});
    assert_eq!(schema("AzurePodIdentityException"), whole(&spec, &status));
}

#[test]
fn schemas_are_structural_and_ask_for_nothing() {
    for crd in definitions() {
        let mut seen = Vec::new();
        walk(
            "",
            &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"],
            &mut seen,
        );
        assert!(seen.len() > 8);
        for (path, schema) in seen {
            assert!(schema["type"].is_string(), "{path} has no type");
            for keyword in [
                "required", "enum", "pattern", "default", "anyOf", "oneOf", "allOf", "$ref",
                "title",
            ] {
                assert_eq!(schema.get(keyword), None, "{path} has {keyword}");
            }
        }
    }
}

#[test]
fn kinds_and_specs_are_described() {
    for crd in definitions() {
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        for described in [
            schema,
            &schema["properties"]["spec"],
            &schema["properties"]["status"],
        ] {
            let text = described["description"].as_str().unwrap();
            assert!(text.ends_with('.') && !text.contains("  "), "{text}");
        }
    }
}

// The old definitions, from config/crd/aadpodidentity.k8s.io.yaml of aad-pod-identity, without descriptions.

fn whole(spec: &Value, status: &Value) -> Value {
    json!({
        "type": "object",
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": {"type": "object", "properties": spec},
            "status": {"type": "object", "properties": status},
        },
    })
}

fn replicas() -> Value {
    json!({"availableReplicas": {"format": "int32", "type": "integer"}, "metadata": {"type": "object"}})
}

fn identity() -> Value {
    let text = json!({"type": "string"});
    let spec = json!({
        "adEndpoint": text,
        "adResourceID": text,
        "auxiliaryTenantIDs": {"items": text, "nullable": true, "type": "array"},
        "clientID": text,
        "clientPassword": {"properties": {"name": text, "namespace": text}, "type": "object"},
        "metadata": {"type": "object"},
        "replicas": {"format": "int32", "nullable": true, "type": "integer"},
        "resourceID": text,
        "tenantID": text,
        "type": {"type": "integer"},
    });
    whole(&spec, &replicas())
}

fn binding() -> Value {
    let spec = json!({
        "azureIdentity": {"type": "string"},
        "metadata": {"type": "object"},
        "selector": {"type": "string"},
        "weight": {"type": "integer"},
    });
    whole(&spec, &replicas())
}
