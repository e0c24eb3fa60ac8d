//! Type 0: a user-assigned managed identity, through the node's IMDS.

use std::time::Duration;

use podgate_api::Resource;
use podgate_azure::failure::Failure;
use podgate_azure::imds::ImdsClient;
use podgate_azure::token::Token;

use super::{refused, upstream};
use crate::world::Identity;

/// IMDS learns of a new assignment some seconds after ARM: a client that comes back finds it.
const LAG: Duration = Duration::from_secs(5);

pub(super) async fn fetch(
    imds: &ImdsClient,
    identity: &Identity,
    resource: &Resource,
) -> Result<Token, Failure> {
    let selector = upstream(identity)
        .ok_or_else(|| refused("the identity has neither client nor resource id"))?;
    imds.token(&selector, resource, &identity.object.namespace)
        .await
        .map_err(|failure| not_on_node(identity, failure))
}

/// Bound here, unknown there: the identity is not on this node, or not yet.
fn not_on_node(identity: &Identity, failure: Failure) -> Failure {
    match failure {
        Failure::Refused { description, .. } if description.contains("Identity not found") => {
            Failure::Unavailable {
                description: format!(
                    "{identity} is bound to the pod, but IMDS does not know it on this node ({description}); \
                     if this lasts, assign it to the node's VM or scale set"
                ),
                retry_after: Some(LAG),
                throttled: false,
            }
        }
        other => other,
    }
}
