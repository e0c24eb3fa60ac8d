//! What Entra ID's error answer means: who is to do what, and whether to ask again.
//!
//! The status and `error` decide, as Microsoft asks; its numbered codes only hint at what to read again and
//! at the cure (entra-docs, reference-error-codes).

use serde_json::Value;

use super::text::{guid, sentence};
use super::{Failure, Outage, Refusal};

/// Codes after which the Secret is read again: the credential is wrong, has ended or was revoked, and a new
/// one may lie there already. Of Microsoft.Identity.Web's list and of the secrets' own.
const STALE: [u64; 7] = [
    7_000_215, 7_000_222, 700_027, 7_000_214, 1_000_502, 7_000_274, 7_000_277,
];

/// What an answer other than 200 means. `wait` is its `retry-after` in seconds.
#[must_use]
pub fn of_error_body(status: u16, body: &[u8], wait: Option<u32>) -> Failure {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let error = body
        .get("error")
        .and_then(Value::as_str)
        .filter(|error| is_code(error));
    match error {
        Some(error) if !may_pass(status, error) => Failure::Refused(refusal(error, &body)),
        _ => Failure::Unavailable(Outage {
            description: outage(status, error, &body),
            retry_after: wait,
            throttled: status == 429,
        }),
    }
}

fn may_pass(status: u16, error: &str) -> bool {
    let refuses = (400..500).contains(&status) && !matches!(status, 408 | 429);
    !refuses || error == "temporarily_unavailable"
}

/// Whether it can be an OAuth error code: a page of a proxy also has fields of that name.
fn is_code(error: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    !error.is_empty() && error.len() <= 64 && error.bytes().all(fits)
}

fn refusal(error: &str, body: &Value) -> Refusal {
    let codes = codes(body);
    let advice = codes.iter().find_map(|code| advice(*code));
    Refusal {
        error: error.to_owned(),
        description: described(error, body, &codes, advice),
        stale_credential: is_stale(error, &codes),
    }
}

/// AD FS has no codes: any `invalid_client` of it may be a certificate that was just replaced.
fn is_stale(error: &str, codes: &[u64]) -> bool {
    codes.iter().any(|code| STALE.contains(code)) || (codes.is_empty() && error == "invalid_client")
}

fn codes(body: &Value) -> Vec<u64> {
    let listed = body.get("error_codes").and_then(Value::as_array);
    listed
        .into_iter()
        .flatten()
        .filter_map(Value::as_u64)
        .collect()
}

fn outage(status: u16, error: Option<&str>, body: &Value) -> String {
    match error {
        Some(error) => format!(
            "the authority answered {status}: {}",
            described(error, body, &codes(body), None)
        ),
        None if (300..400).contains(&status) => {
            format!(
                "the authority answered {status}, and redirects are not followed: check spec.adEndpoint"
            )
        }
        None => format!(
            "the authority answered {status} without an OAuth error: something in between may have answered"
        ),
    }
}

fn described(error: &str, body: &Value, codes: &[u64], advice: Option<&str>) -> String {
    let text = |name| body.get(name).and_then(Value::as_str);
    let said = text("error_description")
        .map(sentence)
        .filter(|said| !said.is_empty());
    let said = with_code(said.unwrap_or_else(|| error.to_owned()), codes);
    let to_do = advice.map(|advice| format!("To do: {advice}"));
    let id = text("correlation_id")
        .and_then(guid)
        .map(|id| format!("Correlation ID: {id}"));
    let parts = [Some(said), to_do, id].into_iter().flatten();
    let parts: Vec<String> = parts
        .map(|part| part.trim_end_matches('.').to_owned())
        .collect();
    parts.join(". ")
}

fn with_code(said: String, codes: &[u64]) -> String {
    match codes.first() {
        Some(code) if !said.contains("AADSTS") => format!("AADSTS{code}: {said}"),
        _ => said,
    }
}

fn advice(code: u64) -> Option<&'static str> {
    Some(match code {
        700_016 => {
            "check clientID and tenantID of the AzureIdentity: this tenant has no such application"
        }
        90_002 => {
            "check tenantID of the AzureIdentity and its adEndpoint: this cloud has no such tenant"
        }
        500_011 => "check the resource asked for, and that its application exists in the tenant",
        70_011 | 1_002_012 => "check the resource asked for: it is no valid audience",
        700_027 => {
            "add the certificate of the Secret to the application, or put the application's into the Secret"
        }
        700_024 => "check the node's clock: the assertion was not valid at the authority's time",
        7_000_214 | 1_000_502 | 7_000_274 | 7_000_277 => {
            "renew the certificate in the Secret: it has ended or was revoked"
        }
        _ => return None,
    })
}

#[cfg(test)]
#[path = "refusal/tests.rs"]
mod tests;
