//! The definitions of the four kinds, as a cluster gets them.
//!
//! They are those of aad-pod-identity 1.8: the schema says the types of the fields and asks for nothing more, so
//! every object that a cluster holds stays valid. Only the descriptions are podgate's own.

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceSubresources,
};
use kube::CustomResourceExt;

use crate::{
    AzureAssignedIdentity, AzureIdentity, AzureIdentityBinding, AzurePodIdentityException,
};

mod schema;

/// The API server wants it for groups under `k8s.io`, and this is what the group has always had.
const APPROVAL: (&str, &str) = ("api-approved.kubernetes.io", "unapproved");

/// The four definitions, ordered by name.
///
/// Use these rather than [`CustomResourceExt::crd`] of the kinds, which adds a status subresource: with one,
/// the old controller's way of writing a status (to the object itself) would be ignored by the API server.
pub fn crds() -> Vec<CustomResourceDefinition> {
    let empty = CustomResourceSubresources::default;
    vec![
        definition(AzureAssignedIdentity::crd(), None),
        definition(AzureIdentity::crd(), Some(empty())),
        definition(AzureIdentityBinding::crd(), Some(empty())),
        definition(AzurePodIdentityException::crd(), None),
    ]
}

fn definition(
    mut crd: CustomResourceDefinition,
    subresources: Option<CustomResourceSubresources>,
) -> CustomResourceDefinition {
    let (key, value) = APPROVAL;
    crd.metadata.annotations = Some(BTreeMap::from([(key.to_owned(), value.to_owned())]));
    crd.spec.names.list_kind = Some(format!("{}List", crd.spec.names.kind));
    for version in &mut crd.spec.versions {
        version.subresources.clone_from(&subresources);
        let schema = version.schema.as_mut();
        if let Some(schema) = schema.and_then(|schema| schema.open_api_v3_schema.as_mut()) {
            // The generator's own addition.
            schema.title = None;
        }
    }
    crd
}

#[cfg(test)]
mod tests;
