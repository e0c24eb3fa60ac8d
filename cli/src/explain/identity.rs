//! Whether an AzureIdentity can be used at all, from the object alone.

use std::fmt::Display;
use std::str::FromStr;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use podgate_api::{
    AzureIdentity, AzureIdentitySpec, ClientId, IdentityType, ObjectRef, ResourceId, TenantId,
};
use podgate_azure::cloud::Authority;
use serde_json::{Map, Value};

use super::view::Rules;

/// Where `kubectl apply` keeps what its user wrote.
const APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The fields of `spec` that the API server knows.
const IDENTITY_FIELDS: [&str; 9] = [
    "type",
    "resourceID",
    "clientID",
    "clientPassword",
    "tenantID",
    "auxiliaryTenantIDs",
    "adResourceID",
    "adEndpoint",
    "replicas",
];
const BINDING_FIELDS: [&str; 3] = ["azureIdentity", "selector", "weight"];
const SECRET_FIELDS: [&str; 2] = ["name", "namespace"];

/// What is wrong with it: the field, and what would be right. An `adEndpoint` that the gateway does not trust is the
/// gateway's to tell.
pub(super) fn problem(identity: &AzureIdentity, rules: Rules) -> Option<String> {
    let spec = &identity.spec;
    match spec.identity_type {
        IdentityType::UserAssignedManagedIdentity => managed(spec, rules),
        IdentityType::ServicePrincipal | IdentityType::ServicePrincipalCertificate => {
            principal(identity, rules)
        }
        IdentityType::Unknown(number) => Some(format!(
            "spec.type: {number} has no meaning; use 0 (managed identity), 1 (client secret) or 2 (certificate)"
        )),
    }
}

/// The controller assigns by the resource id; a gateway without one is content with either.
fn managed(spec: &AzureIdentitySpec, rules: Rules) -> Option<String> {
    let client = field::<ClientId>("spec.clientID", &spec.client_id);
    let resource = field::<ResourceId>("spec.resourceID", &spec.resource_id);
    if let Some(Err(problem)) = client {
        return Some(problem);
    }
    match (resource, rules.is_managed()) {
        (Some(Ok(())), _) => None,
        (Some(Err(problem)), false) => Some(problem),
        (None, false) => {
            Some("spec.resourceID is missing: the ARM id of the managed identity".to_owned())
        }
        (_, true) if client.is_some() => None,
        (_, true) => {
            Some("neither spec.clientID nor a well-formed spec.resourceID is there".to_owned())
        }
    }
}

fn principal(identity: &AzureIdentity, rules: Rules) -> Option<String> {
    let spec = &identity.spec;
    let checks = [
        required(
            field::<ClientId>("spec.clientID", &spec.client_id),
            "spec.clientID",
        ),
        required(
            field::<TenantId>("spec.tenantID", &spec.tenant_id),
            "spec.tenantID",
        ),
        field::<Authority>("spec.adEndpoint", &spec.ad_endpoint).unwrap_or(Ok(())),
    ];
    if let Some(problem) = checks.into_iter().find_map(Result::err) {
        return Some(problem);
    }
    let Some(secret) = secret(identity) else {
        // Without a key, a credential plugin may know another way: the gateway tells.
        if spec.identity_type == IdentityType::ServicePrincipalCertificate {
            return None;
        }
        return Some(
            "spec.clientPassword.name is missing: the Secret that holds the credential".to_owned(),
        );
    };
    if !is_name(&secret.name) || !is_name(&secret.namespace) {
        return Some(
            "spec.clientPassword: name or namespace is no name that a Secret can have".to_owned(),
        );
    }
    let own = ObjectRef::of(&identity.metadata).namespace;
    (secret.namespace != own && !rules.foreign_secrets).then(|| {
        format!(
            "spec.clientPassword.namespace: {} is not the identity's own namespace; move the Secret, or start the \
             gateway with --allow-foreign-secrets",
            secret.namespace
        )
    })
}

/// None where the field is missing or empty, which is the same on the wire.
fn field<T>(name: &str, text: &Option<String>) -> Option<Result<(), String>>
where
    T: FromStr<Err: Display>,
{
    let text = filled(text)?;
    let read = text.parse::<T>();
    Some(
        read.map(|_| ())
            .map_err(|problem| format!("{name}: {problem}")),
    )
}

fn required(field: Option<Result<(), String>>, name: &str) -> Result<(), String> {
    field.unwrap_or_else(|| Err(format!("{name} is missing")))
}

fn filled(text: &Option<String>) -> Option<&str> {
    text.as_deref()
        .map(str::trim)
        .filter(|text| !text.is_empty())
}

/// The Secret that it names, of types 1 and 2.
pub(super) fn secret(identity: &AzureIdentity) -> Option<ObjectRef> {
    if identity.spec.identity_type == IdentityType::UserAssignedManagedIdentity {
        return None;
    }
    let reference = identity.spec.client_password.as_ref()?;
    let own = ObjectRef::of(&identity.metadata).namespace;
    let namespace = filled(&reference.namespace).map_or(own, str::to_owned);
    Some(ObjectRef::new(namespace, filled(&reference.name)?))
}

/// A name of Kubernetes (RFC 1123 subdomain), as far as that keeps it apart from paths and options.
pub(super) fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    !text.is_empty()
        && text.len() <= 253
        && !text.starts_with(['-', '.'])
        && text.chars().all(plain)
}

/// What it is, in a few words.
pub(super) fn kind(identity: &AzureIdentity) -> String {
    match identity.spec.identity_type {
        IdentityType::UserAssignedManagedIdentity => "managed identity".to_owned(),
        IdentityType::ServicePrincipal => "service principal with a secret".to_owned(),
        IdentityType::ServicePrincipalCertificate => {
            "service principal with a certificate".to_owned()
        }
        IdentityType::Unknown(number) => format!("unknown type {number}"),
    }
}

/// The fields of an identity that the API server dropped, since they are spelt as before aad-pod-identity 1.6: the
/// old spelling and the right one. Known only of what `kubectl apply` wrote.
pub(super) fn dropped_of_identity(metadata: &ObjectMeta) -> Vec<String> {
    let Some(spec) = applied(metadata) else {
        return Vec::new();
    };
    let mut dropped = dropped(&spec, &IDENTITY_FIELDS);
    if let Some(Value::Object(secret)) = spec.get("clientPassword") {
        dropped.extend(self::dropped(secret, &SECRET_FIELDS));
    }
    dropped
}

/// The same of a binding.
pub(super) fn dropped_of_binding(metadata: &ObjectMeta) -> Vec<String> {
    applied(metadata).map_or_else(Vec::new, |spec| dropped(&spec, &BINDING_FIELDS))
}

fn applied(metadata: &ObjectMeta) -> Option<Map<String, Value>> {
    let text = metadata.annotations.as_ref()?.get(APPLIED)?;
    let mut object: Map<String, Value> = serde_json::from_str(text).ok()?;
    match object.remove("spec")? {
        Value::Object(spec) => Some(spec),
        _ => None,
    }
}

fn dropped(spec: &Map<String, Value>, known: &[&str]) -> Vec<String> {
    let renamed = |key: &String| {
        let now = known.iter().find(|field| field.eq_ignore_ascii_case(key))?;
        (key != now && !spec.contains_key(*now)).then(|| format!("{key} (now {now})"))
    };
    spec.keys().filter_map(renamed).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CLIENT: &str = "11111111-1111-4111-8111-111111111111";
    const ARM: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/web";

    fn identity(spec: Value) -> AzureIdentity {
        let object = json!({"apiVersion": "aadpodidentity.k8s.io/v1", "kind": "AzureIdentity",
            "metadata": {"namespace": "shop", "name": "web"}, "spec": spec});
        serde_json::from_value(object).unwrap()
    }

    fn wrong(spec: Value, managed: bool) -> String {
        let rules = Rules {
            managed: Some(managed),
            ..Rules::default()
        };
        problem(&identity(spec), rules).unwrap_or_default()
    }

    #[test]
    fn the_controller_needs_the_resource_id_and_managed_mode_is_content_with_either() {
        assert_eq!(
            wrong(json!({"clientID": CLIENT, "resourceID": ARM}), false),
            ""
        );
        assert!(
            wrong(json!({"clientID": CLIENT}), false).starts_with("spec.resourceID is missing")
        );
        assert_eq!(wrong(json!({"clientID": CLIENT}), true), "");
        assert_eq!(wrong(json!({"resourceID": ARM}), true), "");
        assert!(wrong(json!({}), true).contains("neither"));
        assert!(
            wrong(json!({"clientID": "web", "resourceID": ARM}), false).contains("spec.clientID")
        );
        assert!(wrong(json!({"resourceID": "web"}), false).contains("spec.resourceID"));
        assert!(wrong(json!({"type": 7}), false).contains('7'));
    }

    #[test]
    fn a_service_principal_needs_client_tenant_and_a_secret_of_its_own_namespace() {
        let spec = |secret: Value| json!({"type": 1, "clientID": CLIENT, "tenantID": "contoso.com", "clientPassword": secret});
        assert_eq!(wrong(spec(json!({"name": "s"})), false), "");
        assert!(wrong(spec(json!({})), false).contains("clientPassword.name"));
        assert!(
            wrong(spec(json!({"name": "s", "namespace": "other"})), false)
                .contains("--allow-foreign-secrets")
        );
        assert!(
            wrong(json!({"type": 2, "clientID": CLIENT}), false)
                .contains("spec.tenantID is missing")
        );
        let mut endpoint = spec(json!({"name": "s"}));
        endpoint["adEndpoint"] = json!("http://login");
        assert!(wrong(endpoint, false).contains("spec.adEndpoint"));
    }

    #[test]
    fn fields_of_the_old_spelling_are_found_in_what_was_applied() {
        let applied = |spec: Value| {
            let text = json!({"kind": "AzureIdentity", "spec": spec}).to_string();
            serde_json::from_value::<ObjectMeta>(json!({"annotations": {APPLIED: text}})).unwrap()
        };
        let old =
            applied(json!({"type": 0, "ClientID": CLIENT, "ResourceID": ARM, "colour": "red"}));
        assert_eq!(
            dropped_of_identity(&old),
            ["ClientID (now clientID)", "ResourceID (now resourceID)"]
        );
        let nested = applied(json!({"clientPassword": {"Name": "s"}}));
        assert_eq!(dropped_of_identity(&nested), ["Name (now name)"]);
        let binding = applied(json!({"AzureIdentity": "web", "Selector": "web"}));
        assert_eq!(dropped_of_binding(&binding).len(), 2);
        assert!(dropped_of_binding(&ObjectMeta::default()).is_empty());
    }
}
