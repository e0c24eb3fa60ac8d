//! Kubernetes YAML, as `kubectl apply` takes it, into objects.

use k8s_openapi::api::core::v1 as core;
use podgate_api::{
    AzureAssignedIdentity, AzureIdentity, AzureIdentityBinding, AzurePodIdentityException,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::world::{Object, Pod};

/// One file. Larger ones are no hand-written manifests.
pub(super) const MAX_FILE: u64 = 4 * 1024 * 1024;

#[derive(Deserialize)]
struct Kind {
    #[serde(default, rename = "apiVersion")]
    api_version: String,
    #[serde(default)]
    kind: String,
}

/// Reads every document of a file. What is good counts, what is bad is named: one broken document harms
/// only itself.
pub(crate) fn read(text: &str) -> (Vec<Object>, Vec<String>) {
    if text.len() as u64 > MAX_FILE {
        return (Vec::new(), vec![format!("longer than {MAX_FILE} bytes")]);
    }
    let documents: Vec<Value> = match serde_saphyr::from_multiple(text) {
        Ok(documents) => documents,
        // Its usual form shows the lines around the place, which may be a Secret's.
        Err(error) => return (Vec::new(), vec![error.without_snippet().to_string()]),
    };
    let (mut objects, mut problems) = (Vec::new(), Vec::new());
    for (position, document) in documents.into_iter().enumerate() {
        for document in items(document) {
            match object(document) {
                Ok(found) => objects.extend(found),
                Err(problem) => problems.push(format!("document {}: {problem}", position + 1)),
            }
        }
    }
    (objects, problems)
}

/// A `List` stands for its items.
fn items(mut document: Value) -> Vec<Value> {
    let is_list = document.get("kind").is_some_and(|kind| kind == "List");
    match document.get_mut("items") {
        Some(Value::Array(items)) if is_list => std::mem::take(items),
        _ => vec![document],
    }
}

/// Nothing for an empty document and for kinds that the gateway has no use for.
fn object(document: Value) -> Result<Option<Object>, String> {
    if document.is_null() {
        return Ok(None);
    }
    let kind: Kind = parse("document", document.clone())?;
    let name = document.pointer("/metadata/name").and_then(Value::as_str);
    let name = name.map(str::to_owned);
    let place = format!(
        "{} {}",
        kind.kind,
        name.as_deref().unwrap_or("(without metadata.name)")
    );
    let object = match (kind.api_version.as_str(), kind.kind.as_str()) {
        ("v1", "Pod") => Object::Pod(pod(&place, document)?),
        ("v1", "Secret") => Object::from(parse::<core::Secret>(&place, document)?),
        ("aadpodidentity.k8s.io/v1", "AzureIdentity") => {
            Object::Identity(Box::new(parse::<AzureIdentity>(&place, document)?))
        }
        ("aadpodidentity.k8s.io/v1", "AzureIdentityBinding") => {
            Object::Binding(parse::<AzureIdentityBinding>(&place, document)?.into())
        }
        ("aadpodidentity.k8s.io/v1", "AzureAssignedIdentity") => {
            Object::Assigned(Box::new(parse::<AzureAssignedIdentity>(&place, document)?))
        }
        ("aadpodidentity.k8s.io/v1", "AzurePodIdentityException") => {
            Object::from(parse::<AzurePodIdentityException>(&place, document)?)
        }
        (version, kind) if version.starts_with("aadpodidentity.k8s.io/") => {
            return Err(format!(
                "{version} {kind} is unknown; there are AzureIdentity, AzureIdentityBinding, \
                 AzureAssignedIdentity and AzurePodIdentityException of aadpodidentity.k8s.io/v1"
            ));
        }
        ("", _) | (_, "") => return Err("apiVersion or kind is missing".to_owned()),
        _ => return Ok(None),
    };
    match name {
        Some(_) => Ok(Some(object)),
        None => Err(format!("{}: metadata.name is missing", kind.kind)),
    }
}

/// An address that is none would silently belong to nobody.
fn pod(place: &str, document: Value) -> Result<Pod, String> {
    let wire = parse::<core::Pod>(place, document)?;
    addresses(&wire).map_err(|problem| format!("{place}: {problem}"))?;
    Ok(wire.into())
}

/// Whether every address of a pod is one.
pub(super) fn addresses(wire: &core::Pod) -> Result<(), String> {
    let status = wire.status.as_ref();
    let first = status.and_then(|status| status.pod_ip.as_deref());
    let all = status.and_then(|status| status.pod_ips.as_deref());
    let ips = all.unwrap_or_default().iter().map(|ip| ip.ip.as_str());
    for ip in first.into_iter().chain(ips).filter(|ip| !ip.is_empty()) {
        if ip.parse::<std::net::IpAddr>().is_err() {
            return Err(format!("status.podIP: {ip:?} is no IP address"));
        }
    }
    Ok(())
}

/// The message of a Secret's failure must not carry its content, so only the place is told.
fn parse<T: DeserializeOwned>(place: &str, document: Value) -> Result<T, String> {
    serde_json::from_value(document).map_err(|error| match place.starts_with("Secret ") {
        true => format!("{place}: `data` must be a map of names to base64 text"),
        false => format!("{place}: {}", without_value(&error.to_string())),
    })
}

/// serde quotes the text it cannot use, and that may be a password where the reference to its Secret belongs.
pub(super) fn without_value(message: &str) -> String {
    match (message.find('"'), message.rfind('"')) {
        (Some(first), Some(last)) if first < last => {
            format!("{}…{}", &message[..=first], &message[last..])
        }
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests;
