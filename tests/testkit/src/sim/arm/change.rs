//! A PATCH: whether it may be, and what it begins.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::{HeaderName, HeaderValue};
use serde_json::json;
use uuid::Uuid;

use super::auth::Caller;
use super::body::Change;
use super::clock::{Due, settle, settle_at};
use super::errors::Refusal;
use super::hand::PREEMPTED;
use super::operation::Operation;
use super::route::{ComputeRef, Request};
use super::settings::ArmSettings;
use super::state::{Resource, State};
use crate::sim::World;
use crate::sim::faults::ArmEffect;
use crate::sim::reply::Reply;

/// Checks a change in ARM's order and begins it.
pub(super) fn begin(
    world: &Arc<World>,
    id: &ComputeRef,
    request: &Request,
    caller: &Caller,
    change: Change,
    effect: Option<ArmEffect>,
) -> Result<Reply, Refusal> {
    let name = Uuid::new_v4().to_string();
    let (time, due, location) = {
        let settings = &world.arm.settings;
        let mut state = world.arm.lock();
        may_write(settings, caller, id)?;
        let resource = state.find(id)?;
        let preempts = settings.preempts && state.is_ours(resource);
        is_free(resource, request, &change, preempts)?;
        is_right(&state, resource, caller, &change)?;
        let location = resource.location.clone();
        let time = Duration::from_millis(state.operation_ms);
        let due = state.start(id, &name, change, effect.as_ref());
        (time, due, location)
    };
    match time.is_zero() {
        true => settle(world),
        false => settle_at(world, due),
    }
    let reply = world.arm.show(world, id, request)?;
    Ok(match time.is_zero() {
        true => reply,
        false => followed(world, id, &location, &name, effect, reply),
    })
}

/// With where to ask for the operation, which a script may have led astray.
fn followed(
    world: &World,
    id: &ComputeRef,
    location: &str,
    name: &str,
    effect: Option<ArmEffect>,
    reply: Reply,
) -> Reply {
    let url = match effect {
        Some(ArmEffect::PollUrl { url }) => url,
        _ => format!(
            "{}subscriptions/{}/providers/Microsoft.Compute/locations/{location}/operations/{name}?p={}&api-version=2024-07-01",
            world.arm_url,
            id.subscription,
            Uuid::new_v4()
        ),
    };
    let reply = super::after(reply, world.arm.settings.retry_after_seconds);
    match HeaderValue::from_str(&url) {
        Ok(url) => reply.header(HeaderName::from_static("azure-asyncoperation"), url),
        Err(_) => reply,
    }
}

fn may_write(settings: &ArmSettings, caller: &Caller, id: &ComputeRef) -> Result<(), Refusal> {
    match caller.is_one_of(settings.writers.as_deref()) {
        true => Ok(()),
        false => Err(caller.lacks(
            &format!("Microsoft.Compute/{}/write", id.resource_type()),
            &id.path,
        )),
    }
}

/// Nothing else is under way, and nothing has changed since the caller looked.
fn is_free(
    resource: &Resource,
    request: &Request,
    change: &Change,
    preempts: bool,
) -> Result<(), Refusal> {
    let id = &resource.id;
    if resource.state == "Deleting" {
        let message = format!(
            "Operation is not allowed on '{}' since it is marked for deletion.",
            id.name
        );
        return Err(Refusal::new(
            StatusCode::CONFLICT,
            "OperationNotAllowed",
            message,
        ));
    }
    if change
        .if_match
        .as_ref()
        .is_some_and(|etag| *etag != resource.etag())
    {
        let message = "The precondition given in one of the request header fields evaluated to false: the etag \
                       is not that of the resource.";
        return Err(Refusal::new(
            StatusCode::PRECONDITION_FAILED,
            "PreconditionFailed",
            message,
        ));
    }
    if resource.running.is_some() && !preempts {
        let message =
            format!("Another operation on '{id}' or a dependent resource is in progress.");
        return Err(Refusal::new(
            StatusCode::CONFLICT,
            "AnotherOperationInProgress",
            message,
        ));
    }
    let last = !change.user && !resource.assigned.is_empty();
    match last && change.if_match.is_none() && request.has_etags() {
        true => Err(Refusal::strict(
            "azure-sim: to take all identities by the type may take one that somebody else has just assigned: \
             send If-Match",
        )),
        false => Ok(()),
    }
}

fn is_right(
    state: &State,
    resource: &Resource,
    caller: &Caller,
    change: &Change,
) -> Result<(), Refusal> {
    if change.system != resource.system.is_some() {
        return Err(Refusal::invalid_parameter(
            "azure-sim: this type would add or delete the system-assigned identity, which is not podgate's to do",
        ));
    }
    may_assign(state, resource, caller, change)?;
    if let Some(missing) = change
        .add
        .iter()
        .find(|id| !state.identities.contains_key(&id.to_lowercase()))
    {
        return Err(unknown_identity(resource, missing));
    }
    let strange = change
        .remove
        .iter()
        .find(|id| !resource.assigned.contains_key(&id.to_lowercase()));
    if let Some(strange) = strange {
        return Err(Refusal::invalid_parameter(format!(
            "azure-sim: '{strange}' is to be removed from '{}', where it is not",
            resource.id
        )));
    }
    let left = resource.assigned.len() + change.add.len() > change.remove.len();
    match change.user && !left {
        true => Err(Refusal::invalid_parameter(
            "The identity type 'UserAssigned' needs at least one identity, and none would be left.",
        )),
        false => Ok(()),
    }
}

/// All that may not be assigned are named in one quoted list.
fn may_assign(
    state: &State,
    resource: &Resource,
    caller: &Caller,
    change: &Change,
) -> Result<(), Refusal> {
    let forbidden = |id: &&String| state.unassignable.contains(&id.to_lowercase());
    let named: Vec<&str> = change
        .add
        .iter()
        .filter(forbidden)
        .map(String::as_str)
        .collect();
    if named.is_empty() {
        return Ok(());
    }
    let message = format!(
        "The client '{0}' with object id '{1}' has permission to perform action 'Microsoft.Compute/{2}/write' on scope \
         '{3}'; however, it does not have permission to perform action \
         'Microsoft.ManagedIdentity/userAssignedIdentities/assign/action' on the linked scope(s) '{4}' or the linked \
         scope(s) are invalid.",
        caller.client_id,
        caller.object_id,
        resource.id.resource_type(),
        resource.id.path,
        named.join(",")
    );
    Err(Refusal::new(
        StatusCode::FORBIDDEN,
        "LinkedAuthorizationFailed",
        message,
    ))
}

fn unknown_identity(resource: &Resource, id: &str) -> Refusal {
    let response = json!({"error": {"code": "BadRequest", "message": format!("Resource '{id}' was not found.")}});
    Refusal::new(
        StatusCode::BAD_REQUEST,
        "FailedIdentityOperation",
        format!(
            "Identity operation for resource '{}' failed with error 'Failed to perform resource identity operation. \
             Status: 'BadRequest'. Response: '{response}'.'.",
            resource.id.path
        ),
    )
}

impl State {
    /// Whether the operation that is under way has a name of ours.
    fn is_ours(&self, resource: &Resource) -> bool {
        let running = resource.running.as_ref();
        running.is_some_and(|name| self.operations.contains_key(name))
    }

    /// Begins an operation, in place of one that is under way. Returns when it ends.
    fn start(
        &mut self,
        id: &ComputeRef,
        name: &str,
        change: Change,
        effect: Option<&ArmEffect>,
    ) -> Duration {
        self.cancel(&id.key(), PREEMPTED.0, PREEMPTED.1);
        let started = self.clock.now();
        let due = started + Duration::from_millis(self.operation_ms);
        let failure = match effect {
            Some(ArmEffect::OperationFails {
                code,
                message,
                adds,
            }) => Some((json!({"code": code, "message": message}), *adds)),
            _ => None,
        };
        let operation = Operation {
            on: id.key(),
            change,
            failure,
            canceled: None,
            started,
            ended: None,
        };
        self.agenda.add(due, Due::End(name.to_owned()));
        self.operations.insert(name.to_owned(), operation);
        if let Some(resource) = self.resources.get_mut(&id.key()) {
            resource.running = Some(name.to_owned());
            resource.state = "Updating".to_owned();
            resource.version += 1;
        }
        due
    }
}
