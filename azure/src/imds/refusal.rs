//! What an answer of IMDS without a token means.

use std::time::Duration;

use ::http::{Response, StatusCode};
use bytes::Bytes;

use crate::answer::{ErrorBody, sentence};
use crate::failure::Failure;
use crate::throttle::retry_after;

/// Microsoft promises that IMDS is back 70 s after its first 410.
const UPGRADE: Duration = Duration::from_secs(70);

/// Between two tries while it upgrades, as MSAL does.
const UPGRADE_STEP: Duration = Duration::from_secs(10);

pub(super) fn read(answer: &Response<Bytes>) -> Failure {
    let status = answer.status();
    let body = ErrorBody::read(answer.body());
    let asked = retry_after(answer.headers());
    match status {
        StatusCode::GONE => unavailable(
            status,
            &body,
            Some(asked.unwrap_or(UPGRADE_STEP).min(UPGRADE)),
        ),
        // 404: "the endpoint is updating"; 408, 429 and 5xx speak for themselves; a 2xx without a token or a
        // redirect is not IMDS speaking.
        StatusCode::NOT_FOUND | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
            unavailable(status, &body, asked)
        }
        _ if status.is_client_error() => refused(status, &body),
        _ => unavailable(status, &body, asked),
    }
}

fn refused(status: StatusCode, body: &ErrorBody) -> Failure {
    let by_status = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "access_denied",
        StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
        _ => "invalid_request",
    };
    Failure::Refused {
        error: body.code().unwrap_or(by_status).to_owned(),
        description: description(status, body),
        stale_credential: false,
    }
}

fn unavailable(status: StatusCode, body: &ErrorBody, retry_after: Option<Duration>) -> Failure {
    Failure::Unavailable {
        description: format!(
            "IMDS answered {}: {}",
            status.as_u16(),
            description(status, body)
        ),
        retry_after,
        throttled: status == StatusCode::TOO_MANY_REQUESTS,
    }
}

/// IMDS's own words: operators know them, and search for them.
fn description(status: StatusCode, body: &ErrorBody) -> String {
    let said = body.description().or(body.code()).map(sentence);
    said.unwrap_or_else(|| {
        let meaning = status.canonical_reason().unwrap_or("unknown status");
        format!("{meaning}, without a reason")
    })
}
