//! One question to a loaded plugin.

use std::sync::Arc;

use podgate_plugin_host as host;
use podgate_plugin_host::{CachePolicy, Credential, Policy};
use serde_json::Value;

use super::found;
use super::key::CaseKey;
use super::place::Place;
use super::question::{Exception, REQUEST_ID, RESOURCE};
use super::suite::Case;
use crate::plugin::load::Loaded;

/// Its answer, or how it failed.
pub(super) async fn ask(
    loaded: &Loaded,
    case: &Case,
    key: Option<&Arc<CaseKey>>,
    place: &Place,
) -> anyhow::Result<Value> {
    let answer = match (loaded, key) {
        (Loaded::Policy(policy), _) => decide(policy.as_ref(), question(case)?).await,
        (Loaded::Credential(credential), Some(key)) => {
            acquire(credential.as_ref(), case, Arc::clone(key), place).await
        }
        (Loaded::Credential(_), None) => anyhow::bail!("there is no key to ask it with"),
        (Loaded::Cache(cache), _) => keep(cache.as_ref(), case).await,
    };
    Ok(answer.unwrap_or_else(|error| found::error(&error)))
}

type Answered = Result<Value, host::PluginError>;

async fn decide(policy: &dyn Policy, question: host::PolicyQuestion) -> Answered {
    Ok(found::verdict(policy.decide(&question).await?))
}

fn question(case: &Case) -> anyhow::Result<host::PolicyQuestion> {
    let exceptions: Vec<Exception> = case.exceptions.clone().unwrap_or_default();
    Ok(host::PolicyQuestion {
        pod: case.pod.clone().unwrap_or_default().into(),
        request: case.request.clone().unwrap_or_default().checked()?,
        exceptions: exceptions.into_iter().map(Into::into).collect(),
    })
}

async fn acquire(
    credential: &dyn Credential,
    case: &Case,
    key: Arc<CaseKey>,
    place: &Place,
) -> Answered {
    let text = |given: &Option<String>, usual: &str| given.clone().unwrap_or_else(|| usual.into());
    let question = host::CredentialQuestion {
        identity: case.identity.clone().unwrap_or_default().into(),
        resource: text(&case.resource, RESOURCE),
        request_id: text(&case.request_id, REQUEST_ID),
    };
    let before = place.now();
    let answer = credential.acquire(&question, key).await?;
    let moments = before..=place.now();
    Ok(match answer {
        Ok(token) => found::token(&token, expires_in(case, token.expires_on, moments)),
        Err(failure) => found::failure(failure),
    })
}

/// The expected seconds where they led to this end from any moment of the call; else counted from its beginning.
fn expires_in(case: &Case, expires_on: u64, moments: std::ops::RangeInclusive<u64>) -> u64 {
    let met = |seconds: &u64| {
        let moment = expires_on.checked_sub(*seconds);
        moment.is_some_and(|moment| moments.contains(&moment))
    };
    let counted = expires_on.saturating_sub(*moments.start());
    case.expect.expires_in().filter(met).unwrap_or(counted)
}

async fn keep(cache: &dyn CachePolicy, case: &Case) -> Answered {
    let subject: host::Subject = case.subject.clone().unwrap_or_default().into();
    let key = cache.key(&subject).await?;
    let plan = match case.times {
        Some(times) => Some(cache.plan(&subject, times.into()).await?),
        None => None,
    };
    Ok(found::lifetime(key, plan, case.now))
}
