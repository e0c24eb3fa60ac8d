//! The instance metadata service of one VM, stricter than the real one.
//!
//! Sources: Azure compute docs "Instance Metadata Service"; Entra docs "How to use managed identities on a VM to
//! acquire an access token"; the published OpenAPI file `imds.json` 2023-07-01. Where azure-sim refuses what IMDS
//! may let pass, or where IMDS is silent, the description begins with `azure-sim:`.

mod metadata;
mod query;
mod refusal;
mod rules;
mod token;

use http::StatusCode;
use serde_json::json;

use super::World;
use super::faults::{Ask, Target};
use super::limits::{Exceeded, InFlight};
use super::record::Ticket;
use super::reply::{Outcome, Reply};
use super::serve::Visit;
use refusal::Refusal;

/// Where a request goes. Paths are exact: the real service is lax about the case of `/metadata`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route<'a> {
    Token,
    Info,
    Versions,
    Instance(&'a str),
    /// Exists at Azure, and podgate must never ask for it.
    Forbidden,
    Unknown,
}

impl<'a> Route<'a> {
    fn of(path: &'a str) -> Self {
        match path {
            "/metadata/identity/oauth2/token" => Self::Token,
            "/metadata/identity/info" => Self::Info,
            "/metadata/versions" => Self::Versions,
            "/metadata/instance" => Self::Instance(""),
            _ if is_forbidden(path) => Self::Forbidden,
            _ => path
                .strip_prefix("/metadata/instance/")
                .map_or(Self::Unknown, Self::Instance),
        }
    }

    fn is_identity(path: &str) -> bool {
        path.to_ascii_lowercase().starts_with("/metadata/identity")
    }
}

/// IMDSv2 credentials, the signed document, and events that can be approved, however they are spelt.
fn is_forbidden(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    let dangerous = [
        "getplatformmetadata",
        "issuecredential",
        "identity/credential",
        "attested",
        "scheduledevents",
    ];
    dangerous.iter().any(|name| path.contains(name))
}

/// Answers, and records.
pub(crate) async fn answer(world: &World, visit: &Visit) -> Outcome {
    let route = Route::of(visit.path());
    let mut call = visit.call(Target::Imds);
    call.forbidden = route == Route::Forbidden;
    let ticket = world.record.begin(call);
    let outcome = match admit(world, visit.path()) {
        Ok(_in_flight) => admitted(world, visit, route, ticket).await,
        Err(exceeded) => throttled(exceeded).into(),
    };
    world.record.finish(ticket, &outcome);
    outcome
}

fn admit<'w>(world: &'w World, path: &str) -> Result<Option<InFlight<'w>>, Exceeded> {
    match Route::is_identity(path) {
        true => world.limits.identity().map(Some),
        false => world.limits.metadata().map(|()| None),
    }
}

async fn admitted(world: &World, visit: &Visit, route: Route<'_>, ticket: Ticket) -> Outcome {
    let question = match understand(visit, route) {
        Ok(question) => question,
        Err(refusal) => return refusal.into(),
    };
    let met = world.faults.meet(&question.ask());
    world
        .record
        .amend(ticket, |call| call.faulted = met.is_fault());
    met.answer(Target::Imds, || question.reply(world)).await
}

/// A well-formed request.
enum Question {
    Token(token::Request),
    Info,
    Versions,
    Instance { path: String, text: bool },
}

impl Question {
    fn ask(&self) -> Ask<'_> {
        let (client_id, resource) = match self {
            Self::Token(request) => (request.client_id(), Some(request.resource.as_str())),
            Self::Info | Self::Versions | Self::Instance { .. } => (None, None),
        };
        Ask {
            target: Target::Imds,
            client_id,
            resource,
        }
    }

    fn reply(&self, world: &World) -> Reply {
        match self {
            Self::Token(request) => token::reply(world, request),
            Self::Info => Reply::json(
                StatusCode::OK,
                &json!({"tenantId": world.directory.tenant()}),
            ),
            Self::Versions => {
                Reply::json(StatusCode::OK, &json!({"apiVersions": metadata::VERSIONS}))
            }
            Self::Instance { path, text } => metadata::reply(path, *text),
        }
    }
}

fn understand(visit: &Visit, route: Route<'_>) -> Result<Question, Refusal> {
    if matches!(route, Route::Unknown | Route::Forbidden) {
        return Err(not_found());
    }
    rules::check(visit)?;
    let query = query::parse(visit.query())?;
    match route {
        Route::Token => token::Request::parse(&query).map(Question::Token),
        Route::Info => metadata::info(&query).map(|()| Question::Info),
        Route::Versions => query.only(&[]).map(|()| Question::Versions),
        Route::Instance(path) => metadata::instance(&query).map(|text| Question::Instance {
            path: path.to_owned(),
            text,
        }),
        Route::Unknown | Route::Forbidden => Err(not_found()),
    }
}

fn not_found() -> Refusal {
    Refusal::oauth(
        StatusCode::NOT_FOUND,
        "not_found",
        "The requested path does not exist",
    )
}

fn throttled(exceeded: Exceeded) -> Refusal {
    let why = match exceeded {
        Exceeded::Concurrency => "Too many requests: too many are in flight for this VM",
        Exceeded::Rate => "Too many requests: too many came in the last second for this VM",
    };
    // Whether IMDS sends Retry-After is not documented; a client must manage without.
    Refusal::oauth(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", why)
}

/// What IMDS says with this status, when a script gives no body.
pub(crate) fn documented(status: StatusCode) -> Reply {
    let (error, description) = match status.as_u16() {
        400 => ("invalid_request", "Identity not found"),
        403 => ("forbidden", "The request is forbidden"),
        404 => ("not_found", "The endpoint is being updated"),
        405 => ("method_not_allowed", "Method not allowed"),
        410 => (
            "service_unavailable",
            "IMDS is being updated and will be back within 70 seconds",
        ),
        429 => ("too_many_requests", "Too many requests"),
        500 => ("server_error", "An internal error occurred"),
        _ => (
            "service_unavailable",
            "The service is temporarily unavailable",
        ),
    };
    Refusal::oauth(status, error, description).into()
}
