//! What an answer of ARM that is no success means.
//!
//! Facts: Microsoft's "Troubleshoot Azure deployment errors", "Troubleshooting API throttling errors", and the
//! messages that aad-pod-identity's users reported. ARM's codes are few and broad: what a `FailedIdentityOperation`
//! is about stands in its message only, with the status of the identity service in quotes.

use std::collections::BTreeSet;
use std::time::Duration;

use ::http::{Response, StatusCode};
use bytes::Bytes;
use podgate_api::ResourceId;
use serde_json::Value;

use super::error::{ArmError, ErrorClass, Scope};
use crate::answer::sentence;
use crate::credential::without_tokens;
use crate::throttle::{LONGEST_RETRY_AFTER, retry_after};

/// What is taken where ARM throttles without a word on when: a bucket of the documented limits gets new tokens
/// every minute.
const THROTTLED: Duration = Duration::from_secs(60);

/// Identities that one error can name: more than a request has.
const MAX_NAMED: usize = 200;

/// Details of an error that are read.
const MAX_DETAILS: usize = 20;

/// An error of ARM, as far as it is one: `{"error": {"code", "message", "details"}}`.
pub(super) struct Said {
    code: Option<String>,
    /// In full, details included: for reading, never for showing.
    text: String,
    /// The limits that were met, by the names of Compute.
    targets: Vec<String>,
}

impl Said {
    /// Out of a body, which may be the error of an operation as well.
    pub(super) fn read(body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        // The front door wraps it, some resource providers do not.
        let error = body
            .get("error")
            .filter(|error| error.is_object())
            .unwrap_or(&body);
        let text =
            |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let details = error
            .get("details")
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice);
        let details = &details[..details.len().min(MAX_DETAILS)];
        let spoken = details
            .iter()
            .flat_map(|one| [text(one, "code"), text(one, "message")]);
        let whole = [text(error, "message")].into_iter().chain(spoken).flatten();
        Self {
            code: text(error, "code").filter(|code| is_code(code)),
            text: whole.collect::<Vec<_>>().join(" "),
            targets: details
                .iter()
                .filter_map(|one| text(one, "target"))
                .collect(),
        }
    }

    fn is(&self, codes: &[&str]) -> bool {
        self.code
            .as_deref()
            .is_some_and(|own| codes.iter().any(|code| own.eq_ignore_ascii_case(code)))
    }

    fn mentions(&self, word: &str) -> bool {
        self.text.to_ascii_lowercase().contains(word)
    }
}

fn is_code(code: &str) -> bool {
    (1..=64).contains(&code.len())
        && code
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

/// The error of a whole answer.
pub(super) fn of_answer(tried: &str, answer: &Response<Bytes>) -> ArmError {
    let said = Said::read(answer.body());
    let asked = retry_after(answer.headers());
    let status = answer.status();
    ArmError {
        class: class(&said, Some(status), asked),
        tried: tried.to_owned(),
        status: Some(status.as_u16()),
        message: message(&said, status.canonical_reason().unwrap_or("unknown status")),
        code: said.code,
    }
}

/// The error of an operation that came to a bad end.
pub(super) fn of_operation(tried: &str, end: &str, body: &[u8]) -> ArmError {
    let said = Said::read(body);
    ArmError {
        class: class(&said, None, None),
        tried: tried.to_owned(),
        status: None,
        message: message(&said, &format!("the operation ended as {}", sentence(end))),
        code: said.code,
    }
}

fn message(said: &Said, otherwise: &str) -> String {
    match said.text.is_empty() {
        true => format!("{otherwise}, without a reason"),
        false => sentence(&without_tokens(&said.text)),
    }
}

/// Words before numbers: a throttled identity service is a 400 of ARM, and a bad identity may be a 404.
fn class(said: &Said, status: Option<StatusCode>, asked: Option<Duration>) -> ErrorClass {
    let identities = identities(&said.text);
    if is_throttled(said, status) {
        let retry_after = asked
            .or_else(|| spoken_wait(&said.text))
            .unwrap_or(THROTTLED);
        return ErrorClass::Throttled {
            retry_after,
            scope: scope(said),
        };
    }
    if said.is(&["LinkedAuthorizationFailed", "LinkedAccessCheckFailed"]) {
        return ErrorClass::LinkedAuthorization(identities);
    }
    if said.is(&["ResourceGroupBeingDeleted"]) || is_deleting(said, status) {
        return ErrorClass::Deleting;
    }
    match by_identity_service(said).or_else(|| by_code(said, status, asked)) {
        Some(class) => class,
        None if names_bad_ones(said, status, &identities) => ErrorClass::Identities(identities),
        None => by_status(status, asked),
    }
}

fn is_throttled(said: &Said, status: Option<StatusCode>) -> bool {
    let codes = [
        "TooManyRequests",
        "SubscriptionRequestsThrottled",
        "TenantRequestsThrottled",
        "RequestThrottled",
    ];
    status == Some(StatusCode::TOO_MANY_REQUESTS)
        || said.is(&codes)
        || (said.is(&["FailedIdentityOperation"]) && said.mentions("status: '429'"))
        || said.mentions("is temporarily throttled")
}

/// Compute says "for this subscription" of every limit, and names the limit beside it.
fn scope(said: &Said) -> Scope {
    let door = said.is(&["SubscriptionRequestsThrottled", "TenantRequestsThrottled"]);
    let one = said
        .targets
        .iter()
        .any(|limit| limit.to_ascii_lowercase().contains("resource"));
    match door || (said.mentions("for this subscription") && !one) {
        true => Scope::Subscription,
        false => Scope::Resource,
    }
}

fn is_deleting(said: &Said, status: Option<StatusCode>) -> bool {
    let refused = status.is_none_or(|status| matches!(status.as_u16(), 400 | 404 | 409));
    let words = [
        "is marked for deletion",
        "is being deleted",
        "provisioningstate: deleting",
    ];
    refused && words.iter().any(|words| said.mentions(words))
}

/// `Failed to perform resource identity operation. Status: 'Conflict'. Response: …`
fn by_identity_service(said: &Said) -> Option<ErrorClass> {
    if !said.is(&["FailedIdentityOperation"]) {
        return None;
    }
    let has = |words: &[&str]| {
        words
            .iter()
            .any(|word| said.mentions(&format!("status: '{word}")))
    };
    if has(&["conflict", "409", "preconditionfailed"]) {
        return Some(ErrorClass::Conflict {
            retry_after: spoken_wait(&said.text),
        });
    }
    has(&[
        "internalservererror",
        "serviceunavailable",
        "badgateway",
        "gatewaytimeout",
        "requesttimeout",
        "5",
    ])
    .then(|| ErrorClass::Unavailable {
        retry_after: spoken_wait(&said.text),
    })
}

/// Codes that say more than the status; an operation that failed has nothing else.
fn by_code(
    said: &Said,
    status: Option<StatusCode>,
    retry_after: Option<Duration>,
) -> Option<ErrorClass> {
    let busy = [
        "AnotherOperationInProgress",
        "Conflict",
        "OperationPreempted",
        "OperationPreemptedByDelete",
    ];
    let broken = [
        "InternalExecutionError",
        "InternalServerError",
        "InternalError",
        "InternalOperationError",
        "ServiceUnavailable",
        "ServerTimeout",
        "NetworkingInternalOperationError",
        "RetryableError",
    ];
    let settled = status.is_some_and(|status| status != StatusCode::BAD_REQUEST);
    if settled {
        None
    } else if said.is(&busy) {
        Some(ErrorClass::Conflict { retry_after })
    } else {
        said.is(&broken)
            .then_some(ErrorClass::Unavailable { retry_after })
    }
}

fn names_bad_ones(said: &Said, status: Option<StatusCode>, identities: &[ResourceId]) -> bool {
    let refused = status.is_none_or(|status| matches!(status.as_u16(), 400 | 404));
    !identities.is_empty() && (refused || said.is(&["FailedIdentityOperation"]))
}

fn by_status(status: Option<StatusCode>, retry_after: Option<Duration>) -> ErrorClass {
    match status.map(|status| status.as_u16()) {
        Some(401) => ErrorClass::Unauthorized,
        Some(403) => ErrorClass::Forbidden,
        Some(404) => ErrorClass::NotFound,
        Some(409) => ErrorClass::Conflict { retry_after },
        Some(412) => ErrorClass::PreconditionFailed,
        // What is neither a success nor a refusal is not ARM speaking, or ARM in trouble. A redirect is not
        // followed: the token is for ARM alone.
        Some(408 | 500..=599 | 100..=399) => ErrorClass::Unavailable { retry_after },
        Some(_) | None => ErrorClass::Invalid,
    }
}

/// `Retry after 20 seconds.`
fn spoken_wait(text: &str) -> Option<Duration> {
    let lower = text.to_ascii_lowercase();
    let (_, rest) = lower.split_once("retry after ")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let rest = rest[digits.len()..].trim_start();
    let seconds: u64 = digits.parse().ok()?;
    let factor = if rest.starts_with("minute") { 60 } else { 1 };
    Some(Duration::from_secs(seconds.saturating_mul(factor)).min(LONGEST_RETRY_AFTER))
}

/// The user-assigned identities that a message names, each once.
fn identities(text: &str) -> Vec<ResourceId> {
    let lower = text.to_ascii_lowercase();
    let starts = lower.match_indices("/subscriptions/").map(|(at, _)| at);
    // Lower-casing ASCII keeps every position.
    let found = starts.filter_map(|at| identity(&text[at..]));
    found
        .take(MAX_NAMED)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

fn identity(text: &str) -> Option<ResourceId> {
    let inside = |c: char| c.is_alphanumeric() || matches!(c, '/' | '-' | '_' | '.' | '(' | ')');
    let end = text.find(|c: char| !inside(c)).unwrap_or(text.len());
    // Names of identities end in a letter, a digit, `-` or `_`: what follows is the sentence's.
    text[..end]
        .trim_end_matches(['.', '(', ')', '/'])
        .parse()
        .ok()
}

#[cfg(test)]
mod tests;
