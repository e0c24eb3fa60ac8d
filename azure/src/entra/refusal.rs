//! What an answer of Entra ID without a token means.
//!
//! Facts: Microsoft's "Microsoft Entra authentication and authorization error codes". Decisions rest on the status,
//! `error` and `error_codes`, never on the wording of a description.

use std::time::Duration;

use ::http::{Response, StatusCode};
use bytes::Bytes;
use url::form_urlencoded::byte_serialize;

use crate::answer::{ErrorBody, sentence};
use crate::failure::Failure;
use crate::throttle::retry_after;

/// What Entra ID asks for when it throttles; taken where the answer does not say.
const THROTTLED: Duration = Duration::from_secs(60);

/// Errors that a newer credential may cure. The list is that of Microsoft.Identity.Web's certificate reload,
/// and the two of client secrets.
const STALE_CREDENTIAL: [u64; 8] = [
    7_000_215, // the client secret is wrong
    7_000_222, // the client secret has expired
    700_027,   // the assertion's signature or key is unknown
    700_024,   // the assertion is outside its time range
    7_000_214, // the certificate was revoked
    1_000_502, // the certificate is outside its time range
    7_000_274, // the certificate is not accepted
    7_000_277, // the certificate is not accepted any more
];

/// Whether an `AADSTS` code says that the credential may be old: reading it again and trying once more may help.
pub fn is_stale_credential(code: u64) -> bool {
    STALE_CREDENTIAL.contains(&code)
}

pub(super) fn read(answer: &Response<Bytes>, host: &str, secret: &str) -> Failure {
    let status = answer.status();
    let body = ErrorBody::read(answer.body());
    let asked = retry_after(answer.headers());
    let description = describe(&body, secret);
    match (body.code(), description) {
        (Some(error), description) if is_final(status, error) => Failure::Refused {
            error: without(secret, error),
            description: description.unwrap_or_else(|| format!("{host} gave no reason")),
            stale_credential: codes(&body).into_iter().any(is_stale_credential),
        },
        (_, description) => unavailable(status, host, description, asked),
    }
}

/// Whatever is no OAuth error does not come from Entra ID but from something in between.
fn is_final(status: StatusCode, error: &str) -> bool {
    status.is_client_error()
        && status != StatusCode::REQUEST_TIMEOUT
        && status != StatusCode::TOO_MANY_REQUESTS
        && !matches!(
            error,
            "temporarily_unavailable" | "server_error" | "service_unavailable"
        )
}

fn unavailable(
    status: StatusCode,
    host: &str,
    description: Option<String>,
    asked: Option<Duration>,
) -> Failure {
    let throttled = status == StatusCode::TOO_MANY_REQUESTS;
    let said = description.unwrap_or_else(|| match status.is_client_error() && !throttled {
        true => "no OAuth error came with it; is a proxy in between?".to_owned(),
        false => "without a reason".to_owned(),
    });
    Failure::Unavailable {
        description: format!("{host} answered {}: {said}", status.as_u16()),
        retry_after: asked.or(throttled.then_some(THROTTLED)),
        throttled,
    }
}

/// The first line, which holds the `AADSTS` code; of the others only the id that Microsoft's support asks for.
fn describe(body: &ErrorBody, secret: &str) -> Option<String> {
    let whole = without(secret, body.description()?);
    let first = whole.trim_start().lines().next().unwrap_or_default();
    let first = first.split(" Trace ID:").next().unwrap_or_default();
    let said = sentence(first);
    let id = body.text("correlation_id");
    Some(match id.filter(|id| is_guid(id) && *id != secret) {
        Some(id) => format!("{said} (correlation id {id})"),
        None => said,
    })
}

fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// Entra ID never repeats a secret. What stands in for it might.
fn without(secret: &str, text: &str) -> String {
    let encoded: String = byte_serialize(secret.as_bytes()).collect();
    let mut clean = text.to_owned();
    for form in [secret, encoded.as_str()] {
        if !form.is_empty() {
            clean = clean.replace(form, "[redacted]");
        }
    }
    clean
}

/// `error_codes`, or the number of `AADSTS7000215: …` where a proxy or AD FS dropped them.
fn codes(body: &ErrorBody) -> Vec<u64> {
    let mut codes = body.numbers("error_codes");
    let said = body
        .text("error_description")
        .and_then(|text| text.strip_prefix("AADSTS"));
    let digits = said.map(|text| {
        text.split(|c: char| !c.is_ascii_digit())
            .next()
            .unwrap_or_default()
    });
    codes.extend(digits.and_then(|digits| digits.parse::<u64>().ok()));
    codes
}
