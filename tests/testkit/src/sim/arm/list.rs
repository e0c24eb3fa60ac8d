//! Lists of a resource group's virtual machines or scale sets, page by page.
//!
//! Source: azure-rest-api-specs, "Virtual Machines - List", "Virtual Machine Scale Sets - List".

use http::StatusCode;
use serde_json::json;

use super::auth::Caller;
use super::document;
use super::errors::Refusal;
use super::route::{ListRef, Request};
use super::state::Resource;
use crate::sim::World;
use crate::sim::reply::Reply;

/// One page, and where the next one is.
pub(super) fn page(
    world: &World,
    list: &ListRef,
    request: &Request,
    caller: &Caller,
) -> Result<Reply, Refusal> {
    may_read(world, list, caller)?;
    let state = world.arm.lock();
    let mut all = state.of_group(&list.subscription, &list.group)?;
    all.retain(|one| one.id.scale_set == list.scale_sets);
    let size = world.arm.settings.page_size.unwrap_or(all.len()).max(1);
    let on_page = all.iter().skip(request.skip).take(size);
    let show = |one: &&Resource| document::of(world, &state, one, request);
    let mut body = json!({"value": on_page.map(show).collect::<Vec<_>>()});
    let next = request.skip.saturating_add(size);
    if next < all.len() {
        body["nextLink"] = json!(link(world, list, request, next));
    }
    Ok(Reply::json(StatusCode::OK, &body))
}

fn link(world: &World, list: &ListRef, request: &Request, next: usize) -> String {
    format!(
        "{}{}?api-version={}&$skiptoken={next}",
        world.arm_url.trim_end_matches('/'),
        list.path,
        request.version
    )
}

fn may_read(world: &World, list: &ListRef, caller: &Caller) -> Result<(), Refusal> {
    let kind = match list.scale_sets {
        true => "virtualMachineScaleSets",
        false => "virtualMachines",
    };
    match caller.is_one_of(world.arm.settings.readers.as_deref()) {
        true => Ok(()),
        false => Err(caller.lacks(&format!("Microsoft.Compute/{kind}/read"), &list.path)),
    }
}
