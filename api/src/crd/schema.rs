//! The schemas. Written out, since what the types would derive says more than the old ones did (required
//! fields, defaults, enumerations) and so would refuse objects that clusters hold.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use crate::{
    AzureAssignedIdentity, AzureIdentity, AzureIdentityBinding, AzurePodIdentityException,
};

macro_rules! schema_of {
    ($kind:ident, $schema:ident) => {
        impl JsonSchema for $kind {
            fn schema_name() -> Cow<'static, str> {
                stringify!($kind).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                Schema::try_from($schema()).expect("every schema below is a JSON object")
            }
        }
    };
}

schema_of!(AzureIdentity, identity);
schema_of!(AzureIdentityBinding, binding);
schema_of!(AzureAssignedIdentity, assigned);
schema_of!(AzurePodIdentityException, exception);

fn identity() -> Value {
    object(
        "AzureIdentity is an identity of Azure that pods may be given: a managed identity or a service principal.",
        identity_spec(),
        replica_status("AzureIdentityStatus is not used."),
    )
}

fn identity_spec() -> Value {
    json!({
        "description": "AzureIdentitySpec says what the identity is and how to get its tokens.",
        "type": "object",
        "properties": {
            "adEndpoint": text("URL of the login host, for types 1 and 2, where it is not the cloud's own."),
            "adResourceID": text("Not used."),
            "auxiliaryTenantIDs": {
                "description": "Further tenants to get a token of, for type 1; at most three.",
                "items": {"type": "string"},
                "nullable": true,
                "type": "array",
            },
            "clientID": text("Client id of the identity, for every type."),
            "clientPassword": secret_reference(),
            "metadata": {"type": "object"},
            "replicas": unused_replicas(),
            "resourceID": text(
                "ARM id of the managed identity, for type 0: /subscriptions/S/resourceGroups/G/providers/\
                 Microsoft.ManagedIdentity/userAssignedIdentities/N."
            ),
            "tenantID": text("Tenant of the service principal, for types 1 and 2."),
            "type": {
                "description": "0: user-assigned managed identity. 1: service principal with a client \
                                secret. 2: service principal with a certificate.",
                "type": "integer",
            },
        },
    })
}

fn secret_reference() -> Value {
    json!({
        "description": "Secret that holds the credential, for types 1 and 2.",
        "type": "object",
        "properties": {
            "name": text("Name of the Secret."),
            "namespace": text("Namespace of the Secret."),
        },
    })
}

fn binding() -> Value {
    object(
        "AzureIdentityBinding gives an AzureIdentity to the pods that carry a label.",
        binding_spec(),
        replica_status("AzureIdentityBindingStatus is not used."),
    )
}

fn binding_spec() -> Value {
    json!({
        "description": "AzureIdentityBindingSpec names an AzureIdentity and the pods that are given it.",
        "type": "object",
        "properties": {
            "azureIdentity": text("Name of an AzureIdentity in the namespace of this binding."),
            "metadata": {"type": "object"},
            "selector": text("Value of the pod label aadpodidbinding. Compared by equality."),
            "weight": {
                "description": "Of several identities of a pod, the one of the heaviest binding is its default.",
                "type": "integer",
            },
        },
    })
}

fn assigned() -> Value {
    let spec = json!({
        "description": "AzureAssignedIdentitySpec names one pod, one identity and one node.",
        "type": "object",
        "properties": {
            "azureBindingRef": embedded(binding()),
            "azureIdentityRef": embedded(identity()),
            "metadata": {"type": "object"},
            "nodename": text("Node of the pod."),
            "pod": text("Name of the pod."),
            "podNamespace": text("Namespace of the pod."),
            "replicas": unused_replicas(),
        },
    });
    let mut status = replica_status("AzureAssignedIdentityStatus says how far the assignment is.");
    status["properties"]["status"] = text("Created, Assigned or Unassigned.");
    let description = "AzureAssignedIdentity says how far the node of a pod is with one of the pod's identities. \
                       Written by the controller.";
    object(description, spec, status)
}

fn exception() -> Value {
    let spec = json!({
        "description": "AzurePodIdentityExceptionSpec names the pods.",
        "type": "object",
        "properties": {
            "metadata": {"type": "object"},
            "podLabels": {
                "description": "A pod that carries any one of these labels is meant. Values compare without \
                                regard to case.",
                "additionalProperties": {"type": "string"},
                "type": "object",
            },
        },
    });
    let status = json!({
        "description": "AzurePodIdentityExceptionStatus is not used.",
        "type": "object",
        "properties": {"metadata": {"type": "object"}, "status": {"type": "string"}},
    });
    let description = "AzurePodIdentityException lets pods of its namespace use the identities of their node, \
                       without a binding.";
    object(description, spec, status)
}

/// A whole object. `apiVersion`, `kind` and `metadata` are spelled out because embedded objects need them.
fn object(description: &str, spec: Value, status: Value) -> Value {
    json!({
        "description": description,
        "type": "object",
        "properties": {
            "apiVersion": text("Group and version of this object's schema."),
            "kind": text("Kind of this object."),
            "metadata": {"type": "object"},
            "spec": spec,
            "status": status,
        },
    })
}

fn embedded(mut object: Value) -> Value {
    object["x-kubernetes-embedded-resource"] = json!(true);
    object
}

fn text(description: &str) -> Value {
    json!({"description": description, "type": "string"})
}

fn unused_replicas() -> Value {
    json!({"description": "Not used.", "format": "int32", "nullable": true, "type": "integer"})
}

fn replica_status(description: &str) -> Value {
    json!({
        "description": description,
        "type": "object",
        "properties": {
            "availableReplicas": {"format": "int32", "type": "integer"},
            "metadata": {"type": "object"},
        },
    })
}
