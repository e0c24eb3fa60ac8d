//! One object off the wire, trimmed at once: nothing of it is kept but what a request needs.

use k8s_openapi::api::core::v1 as core;
use podgate_api::{
    AzureAssignedIdentity, AzureIdentity, AzureIdentityBinding, AzurePodIdentityException,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::kind::{Kind, node_of};
use crate::source::manifest;
use crate::world::{InvalidIdentity, Object, ObjectKey, ObjectRef, Pod};

/// An object as it was read.
#[derive(Debug)]
pub(super) struct Item {
    /// Which one.
    pub(super) key: ObjectKey,
    /// `metadata.resourceVersion`
    pub(super) version: String,
    /// What goes into the world. Without it, what was there goes: it is not this node's any more, or cannot be read.
    pub(super) object: Option<Object>,
    /// What is wrong with it.
    pub(super) problem: Option<String>,
}

#[derive(Deserialize)]
struct Head {
    metadata: Metadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    resource_version: String,
}

/// What a typed object comes to: none where it is another node's.
type Typed = Result<Option<Object>, String>;

/// Reads an object. None where not even its name can be read.
///
/// One that cannot be read harms only itself, and counts as gone: what it said before is no longer what its author
/// says, and an identity or a binding that nobody can read must not go on giving tokens.
pub(super) fn read(kind: &Kind, raw: &RawValue) -> Option<Item> {
    let (object, version) = head(raw)?;
    let (read, problem) = match typed(kind, raw.get()) {
        Ok(read) => (read, None),
        Err(problem) => (stand_in(kind, &object, &problem), Some(problem)),
    };
    Some(Item {
        key: kind.key(object),
        version,
        object: read,
        problem,
    })
}

/// The name and the version of an object, whatever else is in it.
pub(super) fn head(raw: &RawValue) -> Option<(ObjectRef, String)> {
    let Head { metadata } = serde_json::from_str(raw.get()).ok()?;
    let named = !metadata.name.is_empty() && !metadata.namespace.is_empty();
    named.then(|| {
        let object = ObjectRef::new(metadata.namespace, metadata.name);
        (object, metadata.resource_version)
    })
}

fn typed(kind: &Kind, text: &str) -> Typed {
    match kind {
        Kind::Pods(_) => pod(kind, text),
        Kind::Identities => Ok(Some(Object::Identity(Box::new(parse::<AzureIdentity>(
            text,
        )?)))),
        Kind::Bindings => Ok(Some(Object::Binding(
            parse::<AzureIdentityBinding>(text)?.into(),
        ))),
        Kind::Exceptions => Ok(Some(parse::<AzurePodIdentityException>(text)?.into())),
        Kind::Assigned(_) => assigned(kind, text),
        Kind::Secret(wanted) => secret(wanted, text),
    }
}

fn pod(kind: &Kind, text: &str) -> Typed {
    let wire: core::Pod = parse(text)?;
    if !kind.is_of(node_of(&wire)) {
        return Ok(None);
    }
    manifest::addresses(&wire)?;
    if wire.metadata.uid.is_none() {
        return Err("metadata.uid is missing".to_owned());
    }
    Ok(Some(Object::Pod(Pod::from(wire))))
}

fn assigned(kind: &Kind, text: &str) -> Typed {
    let wire: AzureAssignedIdentity = parse(text)?;
    let own = kind.is_of(Some(&wire.spec.node_name));
    Ok(own.then(|| Object::Assigned(Box::new(wire))))
}

/// What is wrong with a Secret is not told: the words could quote it.
fn secret(wanted: &ObjectRef, text: &str) -> Typed {
    let wire: core::Secret = serde_json::from_str(text)
        .map_err(|_| "`data` must be a map of names to base64 text".to_owned())?;
    let object = Object::from(wire);
    let asked_for = object.key() == ObjectKey::Secret(wanted.clone());
    Ok(Some(object).filter(|_| asked_for))
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| manifest::without_value(&error.to_string()))
}

/// Says in a refusal what is wrong, where pods ask for the object by name.
fn stand_in(kind: &Kind, object: &ObjectRef, problem: &str) -> Option<Object> {
    match kind {
        Kind::Identities => Some(Object::Unusable(InvalidIdentity {
            object: object.clone(),
            problem: problem.to_owned(),
        })),
        Kind::Secret(_) => Some(Object::NoSecret(object.clone(), problem.to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
