//! Entra ID's token endpoints, v1 and v2, and AD FS's, stricter than the real ones.
//!
//! Sources: Entra docs "OAuth 2.0 client credentials flow", "Microsoft identity platform application authentication
//! certificate credentials", "Microsoft Entra authentication error codes". Where azure-sim refuses what Entra may let
//! pass, the description says `azure-sim:`.

mod assertion;
mod chain;
mod discovery;
pub(crate) mod errors;
mod federation;
mod form;
mod throttle;
mod token;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) use assertion::Replays;
use errors::Refusal;
use form::TokenForm;
use http::Method;
use http::header::HOST;
pub(crate) use throttle::Throttle;

use super::World;
use super::faults::{Ask, Target};
use super::record::{Ticket, shown};
use super::reply::{Outcome, Reply};
use super::serve::Visit;

/// Which dialect a token endpoint speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `/{tenant}/oauth2/token`: `resource`, answers in strings.
    V1,
    /// `/{tenant}/oauth2/v2.0/token`: `scope`, answers in numbers.
    V2,
    /// `/adfs/oauth2/token`: as v1; assertions RS256 with `x5t` only.
    Adfs,
}

/// Where a request goes.
enum Route<'a> {
    Token(&'a str, Dialect),
    Document(discovery::Document<'a>),
    Unknown,
}

impl<'a> Route<'a> {
    fn of(path: &'a str) -> Self {
        let segments = path.split('/').skip(1).collect::<Vec<_>>();
        match segments[..] {
            ["adfs", "oauth2", "token"] => Self::Token("adfs", Dialect::Adfs),
            [tenant, "oauth2", "token"] => Self::Token(tenant, Dialect::V1),
            [tenant, "oauth2", "v2.0", "token"] => Self::Token(tenant, Dialect::V2),
            _ => discovery::Document::of(&segments).map_or(Self::Unknown, Self::Document),
        }
    }
}

/// Answers, and records.
pub(crate) async fn answer(world: &World, visit: &Visit) -> Outcome {
    let ticket = world.record.begin(visit.call(Target::Entra));
    let outcome = match Route::of(visit.path()) {
        Route::Token(tenant, dialect) => {
            token_endpoint(world, visit, tenant, dialect, ticket).await
        }
        Route::Document(document) => match own_host(world, visit) {
            Ok(_) => document.reply(world, visit).into(),
            Err(refusal) => refusal.reply(visit).into(),
        },
        Route::Unknown => errors::not_found().into(),
    };
    world.record.finish(ticket, &outcome);
    outcome
}

async fn token_endpoint(
    world: &World,
    visit: &Visit,
    tenant: &str,
    dialect: Dialect,
    ticket: Ticket,
) -> Outcome {
    let request = match understand(world, visit, tenant, dialect, ticket) {
        Ok(request) => request,
        Err(refusal) => return refusal.reply(visit).into(),
    };
    let ask = Ask {
        target: Target::Entra,
        client_id: Some(&request.form.client_id),
        resource: Some(&request.form.resource),
    };
    let met = world.faults.meet(&ask);
    world
        .record
        .amend(ticket, |call| call.faulted = met.is_fault());
    let federated = federation::check(world, &request).await;
    let right =
        || token::grant(world, &request, federated).unwrap_or_else(|refusal| refusal.reply(visit));
    met.answer(Target::Entra, right).await
}

/// A well-formed token request, its credential not checked yet.
pub(crate) struct TokenRequest<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) dialect: Dialect,
    pub(crate) form: TokenForm,
    /// The token endpoint as the client addressed it: what an assertion's `aud` must be.
    pub(crate) endpoint: String,
    pub(crate) query: Option<&'a str>,
    /// Since the Unix epoch.
    pub(crate) now: Duration,
}

fn understand<'a>(
    world: &World,
    visit: &'a Visit,
    tenant: &'a str,
    dialect: Dialect,
    ticket: Ticket,
) -> Result<TokenRequest<'a>, Refusal> {
    if visit.head.method != Method::POST {
        return Err(Refusal::post_only(&visit.head.method));
    }
    let host = own_host(world, visit)?;
    let pairs = form::pairs(visit)?;
    let seen = pairs
        .iter()
        .map(|(name, value)| (name.clone(), shown(name, value)))
        .collect();
    world.record.amend(ticket, |call| call.form = seen);
    form::query(visit.query(), dialect)?;
    let form = TokenForm::parse(&pairs, dialect)?;
    let endpoint = format!("https://{host}{}", visit.path());
    Ok(TokenRequest {
        tenant,
        dialect,
        form,
        endpoint,
        query: visit.query(),
        now: now(),
    })
}

/// The authority the client addressed, if it is one of ours.
fn own_host(world: &World, visit: &Visit) -> Result<String, Refusal> {
    let values = visit.header_values(&HOST);
    let named = values
        .first()
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let local = visit.local.to_string();
    let known =
        values.len() == 1 && (named == local || world.entra_hosts.iter().any(|host| host == named));
    match known && visit.head.uri.authority().is_none() {
        true => Ok(named.to_owned()),
        false => Err(Refusal::strict(format!(
            "azure-sim: Host is one of {:?} or {local}",
            world.entra_hosts
        ))),
    }
}

fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

impl Refusal {
    fn reply(self, visit: &Visit) -> Reply {
        let asked = visit
            .head
            .headers
            .get("client-request-id")
            .and_then(|value| value.to_str().ok());
        self.into_reply(asked)
    }
}
