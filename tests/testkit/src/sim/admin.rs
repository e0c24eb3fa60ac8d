//! The admin API: what the library calls do, over HTTP, for programs in other languages.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::World;
use super::arm::{self, Compute, HandChange, StateChange};
use super::config::{Application, ManagedIdentity};
use super::faults::Fault;
use super::reply::Reply;
use super::serve::Visit;

/// Nothing of IMDS begins so.
const PREFIX: &str = "/admin";

/// Whether a request on IMDS's port is for the admin API.
pub(crate) fn is_for(visit: &Visit) -> bool {
    visit.path() == PREFIX || visit.path().starts_with("/admin/")
}

/// One fault or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    Many(Vec<Fault>),
    One(Fault),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lifetime {
    seconds: u64,
}

/// Answers; never recorded, never faulted.
pub(crate) fn answer(world: &Arc<World>, visit: &Visit) -> Reply {
    match (visit.head.method.clone(), visit.path()) {
        (Method::GET, "/admin") => shown(&world.addresses()),
        (Method::GET, "/admin/ca.pem") => Reply::text(StatusCode::OK, world.ca_pem.clone()),
        (Method::GET, "/admin/calls") => shown(&world.record.calls()),
        (Method::DELETE, "/admin/calls") => done(|| world.record.clear()),
        (Method::GET, "/admin/limits") => shown(&world.limits.counts()),
        (Method::GET, "/admin/faults") => shown(&world.faults.pending()),
        (Method::POST, "/admin/faults") => taken(visit, |faults| add(world, faults)),
        (Method::PUT, "/admin/faults") => taken(visit, |faults| {
            world.faults.clear();
            add(world, faults);
        }),
        (Method::DELETE, "/admin/faults") => done(|| world.faults.clear()),
        (Method::GET, "/admin/identities") => shown(&world.directory.identities()),
        (Method::PUT, "/admin/identities") => taken(visit, |all: Vec<ManagedIdentity>| {
            world.directory.set_identities(all)
        }),
        (Method::PUT, "/admin/applications") => taken(visit, |all: Vec<Application>| {
            world.directory.set_applications(all)
        }),
        (Method::PUT, "/admin/token-lifetime") => taken(visit, |lifetime: Lifetime| {
            world
                .mint
                .set_lifetime(Duration::from_secs(lifetime.seconds));
        }),
        (_, path) if path.starts_with("/admin/arm/") => of_arm(world, visit),
        (method, path) => wrong(
            StatusCode::NOT_FOUND,
            &format!("the admin API has no {method} {path}"),
        ),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Milliseconds {
    ms: u64,
}

/// Which virtual machine or scale set, and for how long where that matters.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    compute: String,
    #[serde(default)]
    ms: u64,
}

fn of_arm(world: &Arc<World>, visit: &Visit) -> Reply {
    match (visit.head.method.clone(), visit.path()) {
        (Method::GET, "/admin/arm/computes") => shown(&world.arm.computes()),
        (Method::PUT, "/admin/arm/computes") => taken(visit, |all: Vec<Compute>| {
            world.arm.set_computes(&all);
            arm::tell_imds(world);
        }),
        (Method::PUT, "/admin/arm/identities") => taken(visit, |all: Vec<ManagedIdentity>| {
            world.arm.set_identities(all);
            arm::tell_imds(world);
        }),
        (Method::POST, "/admin/arm/change") => found(visit, |change: HandChange| {
            arm::change_by_hand(world, &change)
        }),
        (Method::POST, "/admin/arm/state") => {
            found(visit, |change: StateChange| arm::set_state(world, &change))
        }
        (Method::POST, "/admin/arm/preempt") => {
            found(visit, |one: Named| arm::preempt(world, &one.compute))
        }
        (Method::POST, "/admin/arm/delete") => found(visit, |one: Named| {
            arm::delete(world, &one.compute, Duration::from_millis(one.ms))
        }),
        (Method::PUT, "/admin/arm/unassignable") => taken(visit, |ids: Vec<String>| {
            world.arm.set_unassignable(&ids);
        }),
        (Method::POST, "/admin/arm/advance") => taken(visit, |time: Milliseconds| {
            arm::advance(world, Duration::from_millis(time.ms));
        }),
        (Method::PUT, "/admin/arm/operation-time") => taken(visit, |time: Milliseconds| {
            world.arm.set_operation_ms(time.ms);
        }),
        (method, path) => wrong(
            StatusCode::NOT_FOUND,
            &format!("the admin API has no {method} {path}"),
        ),
    }
}

fn add(world: &World, faults: OneOrMany) {
    match faults {
        OneOrMany::One(fault) => world.faults.add(fault),
        OneOrMany::Many(faults) => faults.into_iter().for_each(|fault| world.faults.add(fault)),
    }
}

fn shown(what: &impl Serialize) -> Reply {
    Reply::json(StatusCode::OK, what)
}

fn done(act: impl FnOnce()) -> Reply {
    act();
    Reply::raw(StatusCode::NO_CONTENT, "")
}

fn taken<T: DeserializeOwned>(visit: &Visit, take: impl FnOnce(T)) -> Reply {
    match serde_json::from_slice(&visit.body) {
        Ok(value) => done(|| take(value)),
        Err(why) => wrong(
            StatusCode::BAD_REQUEST,
            &format!("the body is not what {} takes: {why}", visit.path()),
        ),
    }
}

/// For what must be there to be changed.
fn found<T: DeserializeOwned>(visit: &Visit, take: impl FnOnce(T) -> bool) -> Reply {
    match serde_json::from_slice(&visit.body).map(take) {
        Ok(true) => Reply::raw(StatusCode::NO_CONTENT, ""),
        Ok(false) => wrong(
            StatusCode::NOT_FOUND,
            "there is no such virtual machine or scale set",
        ),
        Err(why) => wrong(
            StatusCode::BAD_REQUEST,
            &format!("the body is not what {} takes: {why}", visit.path()),
        ),
    }
}

fn wrong(status: StatusCode, why: &str) -> Reply {
    Reply::json(status, &json!({"error": why}))
}
