//! One object off the wire, trimmed at once: nothing of it is kept but what a request needs.

use k8s_openapi::api::core::v1 as core;
use podgate_api::{
    AzureAssignedIdentity, AzureIdentity, AzureIdentityBinding, AzurePodIdentityException,
};
use podgate_watch::Reading;
use serde::de::DeserializeOwned;

use super::kind::{Kind, node_of};
use crate::source::manifest;
use crate::world::{InvalidIdentity, Object, ObjectKey, ObjectRef, Pod};

/// What a typed object comes to: none where it is another node's.
type Typed = Result<Option<Object>, String>;

/// Reads an object.
///
/// One that cannot be read harms only itself, and counts as gone: an identity or a binding that nobody can read must
/// not go on giving tokens.
pub(super) fn read(kind: &Kind, object: &ObjectRef, json: &str) -> Reading<Object> {
    match typed(kind, json) {
        Ok(Some(read)) => Reading::Object(read),
        Ok(None) => Reading::Foreign,
        Err(problem) => Reading::Unreadable {
            stand_in: stand_in(kind, object, &problem),
            problem,
        },
    }
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
