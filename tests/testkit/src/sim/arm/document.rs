//! A virtual machine or scale set as a GET shows it.

use serde_json::{Map, Value, json};

use super::route::Request;
use super::state::{Resource, State};
use crate::sim::World;

/// In the version that was asked for: older ones have no etag.
pub(super) fn of(world: &World, state: &State, resource: &Resource, request: &Request) -> Value {
    let id = &resource.id;
    let mut body = json!({
        "name": id.name,
        "id": id.path,
        "type": format!("Microsoft.Compute/{}", id.resource_type()),
        "location": resource.location,
        "properties": {"provisioningState": resource.state},
    });
    if id.scale_set {
        body["sku"] = json!({"name": "Standard_D2s_v5", "tier": "Standard", "capacity": 3});
    }
    if request.has_etags() {
        body["etag"] = json!(resource.etag());
    }
    if let Some(identity) = identity(world, state, resource) {
        body["identity"] = identity;
    }
    body
}

fn identity(world: &World, state: &State, resource: &Resource) -> Option<Value> {
    let (system, user) = (resource.system.as_ref(), !resource.assigned.is_empty());
    let kind = match (system.is_some(), user) {
        (false, false) => return None,
        (true, false) => "SystemAssigned",
        (false, true) => "UserAssigned",
        (true, true) => "SystemAssigned, UserAssigned",
    };
    let mut identity = json!({"type": kind});
    if let Some(system) = system {
        identity["principalId"] = json!(system.object_id);
        identity["tenantId"] = json!(world.directory.tenant());
    }
    if user {
        identity["userAssignedIdentities"] = Value::Object(listed(state, resource));
    }
    Some(identity)
}

/// An identity that was deleted while it was assigned stays, without its ids.
fn listed(state: &State, resource: &Resource) -> Map<String, Value> {
    let one = |(key, spelt): (&String, &String)| {
        let ids = state.identities.get(key).map_or_else(
            || json!({}),
            |known| json!({"principalId": known.object_id, "clientId": known.client_id}),
        );
        (spelt.clone(), ids)
    };
    resource.assigned.iter().map(one).collect()
}
