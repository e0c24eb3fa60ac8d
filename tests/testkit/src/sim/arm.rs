//! Azure Resource Manager: the identities of virtual machines and scale sets, stricter than the real one.
//!
//! Sources: azure-rest-api-specs `Microsoft.Compute/ComputeRP`; "Track asynchronous Azure operations"; "Compute
//! throttling limits"; "Understand how Azure Resource Manager throttles requests"; messages that users of
//! aad-pod-identity reported. Where azure-sim refuses what ARM may let pass, the message says `azure-sim:`.

mod auth;
mod body;
mod buckets;
mod change;
mod clock;
mod control;
mod counts;
mod document;
mod errors;
mod fleet;
mod hand;
mod list;
mod operation;
mod route;
mod settings;
mod state;

use std::sync::Arc;

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Method, StatusCode};

use super::World;
use super::faults::{ArmEffect, Ask, Met, Target};
use super::record::Ticket;
use super::reply::{Outcome, Reply};
use super::serve::Visit;
use auth::Caller;
use buckets::{Charge, Verb};
use errors::Refusal;
use route::{Request, Route};

pub(crate) use clock::advance;
pub use counts::ArmCalls;
pub(crate) use errors::documented;
pub use fleet::{Fleet, FleetNode};
pub use hand::{HandChange, StateChange};
pub(crate) use hand::{change as change_by_hand, delete, preempt, set_state};
pub(crate) use operation::tell_imds;
pub use settings::{ArmBucket, ArmLimit, ArmSettings, Compute, SystemIdentity};
pub(crate) use state::Arm;

/// What a client that signs in lists first (Subscriptions - List).
const SUBSCRIPTIONS: &str = "/subscriptions";

/// None: the identities of pods have no role on any here.
fn subscriptions(world: &World, visit: &Visit) -> Result<Reply, Refusal> {
    route::own_host(world, visit)?;
    auth::check(world, visit)?;
    Ok(Reply::json(
        StatusCode::OK,
        &serde_json::json!({"value": []}),
    ))
}

/// Answers, and records.
pub(crate) async fn answer(world: &Arc<World>, visit: &Visit) -> Outcome {
    let ticket = world.record.begin(visit.call(Target::Arm));
    if visit.path() == SUBSCRIPTIONS {
        let outcome = subscriptions(world, visit)
            .unwrap_or_else(Refusal::into_reply)
            .into();
        world.record.finish(ticket, &outcome);
        return outcome;
    }
    let outcome = match admit(world, visit, ticket) {
        Ok(admitted) => admitted.answer(world, visit, ticket).await,
        Err(refusal) => refusal.into_reply().into(),
    };
    world.record.finish(ticket, &outcome);
    outcome
}

/// A request that is well-formed, from somebody known, and within the limits.
struct Admitted {
    caller: Caller,
    request: Request,
    charges: Vec<Charge>,
}

/// In ARM's order: who asks, what for, how often. Strangers and requests for nothing cost nothing.
fn admit(world: &World, visit: &Visit, ticket: Ticket) -> Result<Admitted, Refusal> {
    route::own_host(world, visit)?;
    let caller = auth::check(world, visit)?;
    let request = Request::parse(visit)?;
    let charges = world.arm.charge(&request, &caller)?;
    let spent = charges.iter().map(ToString::to_string).collect();
    world.record.amend(ticket, |call| call.charges = spent);
    Ok(Admitted {
        caller,
        request,
        charges,
    })
}

impl Admitted {
    async fn answer(self, world: &Arc<World>, visit: &Visit, ticket: Ticket) -> Outcome {
        let change = match self.change(world, visit, ticket) {
            Ok(change) => change,
            Err(refusal) => return self.charged(refusal.into_reply()).into(),
        };
        let mut met = self.meet(world);
        world
            .record
            .amend(ticket, |call| call.faulted = met.is_fault());
        let effect = met.take_arm();
        let right = || self.charged(self.right(world, change, effect));
        met.answer(Target::Arm, right).await
    }

    /// The body of a PATCH, checked for its form before the script of faults.
    fn change(
        &self,
        world: &World,
        visit: &Visit,
        ticket: Ticket,
    ) -> Result<Option<body::Change>, Refusal> {
        if self.request.verb() != Verb::Update {
            return match visit.body.is_empty() {
                true => Ok(None),
                false => Err(Refusal::strict("azure-sim: a GET has no body")),
            };
        }
        let sent = serde_json::from_slice(&visit.body).ok();
        world.record.amend(ticket, |call| call.body = sent);
        json_only(visit)?;
        body::Change::parse(&visit.body, visit, &self.request).map(Some)
    }

    fn meet(&self, world: &World) -> Met {
        let ask = Ask {
            target: Target::Arm,
            client_id: Some(&self.caller.client_id),
            resource: self.request.resource(),
        };
        world.faults.meet_method(&ask, self.request.verb().as_str())
    }

    fn right(
        &self,
        world: &Arc<World>,
        change: Option<body::Change>,
        effect: Option<ArmEffect>,
    ) -> Reply {
        let reply = match (&self.request.route, change) {
            (Route::Compute(id), Some(change)) => {
                change::begin(world, id, &self.request, &self.caller, change, effect)
            }
            (Route::Compute(id), None) => world.arm.show(world, id, &self.request),
            (Route::List(list), _) => list::page(world, list, &self.request, &self.caller),
            (Route::Operation { name, .. }, _) => world.arm.show_operation(name),
        };
        reply.unwrap_or_else(Refusal::into_reply)
    }

    /// With what remains of each bucket (Microsoft's "Call rate informational response headers").
    fn charged(&self, mut reply: Reply) -> Reply {
        for charge in &self.charges {
            let (name, value) = charge.header();
            reply.headers.append(name, value);
        }
        let one = HeaderValue::from_static("1");
        reply.header(HeaderName::from_static("x-ms-request-charge"), one)
    }
}

fn json_only(visit: &Visit) -> Result<(), Refusal> {
    let values = visit.header_values(&CONTENT_TYPE);
    let json = values.len() == 1
        && values[0].to_str().is_ok_and(|text| {
            text.split(';')
                .next()
                .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
        });
    match json {
        true => Ok(()),
        false => Err(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UnsupportedMediaType",
            "The content media type is not supported. Only 'application/json' is supported.",
        )),
    }
}

/// `Retry-After` in whole seconds.
fn after(reply: Reply, seconds: Option<u64>) -> Reply {
    match seconds {
        Some(seconds) => reply.header(RETRY_AFTER, HeaderValue::from(seconds)),
        None => reply,
    }
}

/// The methods that are known on a resource.
fn verb(method: &Method) -> Option<Verb> {
    match *method {
        Method::GET => Some(Verb::Get),
        Method::PATCH => Some(Verb::Update),
        _ => None,
    }
}
