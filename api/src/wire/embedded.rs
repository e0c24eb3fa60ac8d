//! Whole objects inside another. The API server sees to `apiVersion` and `kind` and to nothing else, so even
//! `metadata` may be missing.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Deserializer};

use super::or_default;
use crate::binding::{AzureIdentityBinding, AzureIdentityBindingSpec, AzureIdentityBindingStatus};
use crate::identity::{AzureIdentity, AzureIdentitySpec, AzureIdentityStatus};

#[derive(Deserialize)]
struct Embedded<Spec, Status> {
    #[serde(default, deserialize_with = "or_default")]
    metadata: ObjectMeta,
    spec: Spec,
    status: Option<Status>,
}

pub(crate) fn identity<'de, D: Deserializer<'de>>(d: D) -> Result<AzureIdentity, D::Error> {
    type Read = Embedded<AzureIdentitySpec, AzureIdentityStatus>;
    let read = Option::<Read>::deserialize(d)?.map(|object| AzureIdentity {
        metadata: object.metadata,
        spec: object.spec,
        status: object.status,
    });
    Ok(read.unwrap_or_default())
}

pub(crate) fn binding<'de, D: Deserializer<'de>>(d: D) -> Result<AzureIdentityBinding, D::Error> {
    type Read = Embedded<AzureIdentityBindingSpec, AzureIdentityBindingStatus>;
    let read = Option::<Read>::deserialize(d)?.map(|object| AzureIdentityBinding {
        metadata: object.metadata,
        spec: object.spec,
        status: object.status,
    });
    Ok(read.unwrap_or_default())
}
