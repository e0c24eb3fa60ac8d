//! The wire out: the only place that knows a status, an error body or a `Retry-After`.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use http_body_util::Full;
use podgate_azure::failure::Failure;
use serde_json::json;

use crate::refusal::Refusal;

/// What every route answers with.
pub type Reply = Response<Full<Bytes>>;

/// The form of error bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ErrorFormat {
    /// `{"error": …, "error_description": …}`, as IMDS writes it. SDKs print the description.
    Json,
    /// Plain text, as the old gateway wrote it. SDKs only say "unavailable".
    Text,
}

/// When to come back where nothing says more: sooner than a person would retry, later than a loop.
const SOON: Duration = Duration::from_secs(2);

/// A token.
pub fn token(body: Bytes) -> Reply {
    let mut reply = Response::new(Full::new(body));
    let headers = reply.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=utf-8"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// The tokens of an identity and its auxiliary tenants, as the JSON array that the old gateway wrote.
pub fn tokens(bodies: &[Bytes]) -> Reply {
    let mut array = Vec::with_capacity(bodies.iter().map(Bytes::len).sum::<usize>() + 8);
    array.push(b'[');
    for (position, body) in bodies.iter().enumerate() {
        if position > 0 {
            array.push(b',');
        }
        array.extend_from_slice(body);
    }
    array.push(b']');
    token(array.into())
}

/// The token of a pod for a driver of the node: the old gateway's JSON, with the identity's client id beside the token.
pub fn host_token(body: &[u8], client_id: &str) -> Reply {
    let client_id = serde_json::Value::from(client_id).to_string();
    token(
        [
            b"{\"token\":",
            body,
            b",\"clientid\":",
            client_id.as_bytes(),
            b"}",
        ]
        .concat()
        .into(),
    )
}

/// The answer, after which the connection is closed.
#[must_use]
pub fn last(mut reply: Reply) -> Reply {
    let close = HeaderValue::from_static("close");
    reply.headers_mut().insert(CONNECTION, close);
    reply
}

/// Other metadata, as it came from upstream: status, type and body, no other header.
pub fn metadata(upstream: Response<Bytes>) -> Reply {
    let (parts, body) = upstream.into_parts();
    let mut reply = Response::new(Full::new(body));
    *reply.status_mut() = parts.status;
    if let Some(content_type) = parts.headers.get(CONTENT_TYPE) {
        reply
            .headers_mut()
            .insert(CONTENT_TYPE, content_type.clone());
    }
    reply
}

/// A refusal.
pub fn refusal(refusal: &Refusal, format: ErrorFormat) -> Reply {
    let (status, error) = status(refusal);
    // The header-less probe is answered in JSON in any case: the old gateway did so too.
    let text = format == ErrorFormat::Text && *refusal != Refusal::NoMetadataHeader;
    let (content_type, body) = match text {
        true => ("text/plain; charset=utf-8", format!("{refusal}\n")),
        false => (
            "application/json; charset=utf-8",
            json!({"error": error, "error_description": sentence(refusal)}).to_string(),
        ),
    };
    let mut reply = Response::new(Full::new(Bytes::from(body)));
    *reply.status_mut() = status;
    reply
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Some(wait) = retry_after(refusal).map(|wait| wait.min(LONGEST_WAIT)) {
        let seconds =
            wait.as_secs().max(1) + u64::from(wait.subsec_nanos() > 0 && wait.as_secs() > 0);
        reply
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    match refusal {
        Refusal::PodChanged { .. } => last(reply),
        _ => reply,
    }
}

/// A refusal on `/host/token`. Its drivers know the old gateway's statuses: 404 for a pod without the identity, and
/// never `Retry-After` with it, since they have a rhythm of their own.
pub fn host_refusal(refused: &Refusal, format: ErrorFormat) -> Reply {
    let mut reply = refusal(refused, format);
    if matches!(
        refused,
        Refusal::NoIdentity(_) | Refusal::SeveralIdentities(_) | Refusal::NotAssignedYet(_)
    ) {
        *reply.status_mut() = StatusCode::NOT_FOUND;
        reply.headers_mut().remove(RETRY_AFTER);
    }
    reply
}

/// An authority or a plugin may ask for hours. The gateway itself asks again sooner, so its pods may as well.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// 400 and 403 are final to every SDK; 404, 410, 429 and 5xx are retried, and `Retry-After` is obeyed on 429
/// and 503. The words of `error` are those of the service's own description.
pub(crate) fn status(refusal: &Refusal) -> (StatusCode, &'static str) {
    match refusal {
        Refusal::BadRequest(_)
        | Refusal::NoMetadataHeader
        | Refusal::NoIdentity(_)
        | Refusal::SeveralIdentities(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
        Refusal::NotFound(_) | Refusal::NoSuchPod(_) => (StatusCode::NOT_FOUND, "not_found"),
        Refusal::MethodNotAllowed(_) => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
        Refusal::Denied { .. }
        | Refusal::PolicyFailed { .. }
        | Refusal::Misconfigured(_)
        | Refusal::NotHost(_)
        | Refusal::InstanceMetadataBlocked => (StatusCode::FORBIDDEN, "access_denied"),
        Refusal::TooMany { .. } | Refusal::CacheFull { .. } => {
            (StatusCode::TOO_MANY_REQUESTS, "too_many_requests")
        }
        Refusal::Upstream(failure) => upstream(failure),
        Refusal::UnknownPod { .. }
        | Refusal::AmbiguousPod { .. }
        | Refusal::PodChanged { .. }
        | Refusal::NamedPodChanged(_)
        | Refusal::NotAssignedYet(_)
        | Refusal::PolicyUnavailable { .. }
        | Refusal::Deadline(_) => (StatusCode::SERVICE_UNAVAILABLE, "service_unavailable"),
    }
}

/// A bad audience is the pod's own mistake, as on real IMDS; any other refusal is one of access.
fn upstream(failure: &Failure) -> (StatusCode, &'static str) {
    match failure {
        Failure::Refused { error, .. }
            if error == "invalid_resource" || error == "invalid_scope" =>
        {
            (StatusCode::BAD_REQUEST, "invalid_resource")
        }
        Failure::Refused { error, .. } if error == "invalid_request" => {
            (StatusCode::BAD_REQUEST, "invalid_request")
        }
        Failure::Refused { .. } => (StatusCode::FORBIDDEN, "unauthorized_client"),
        Failure::Unavailable {
            throttled: true, ..
        } => (StatusCode::TOO_MANY_REQUESTS, "too_many_requests"),
        Failure::Unavailable { .. } => (StatusCode::SERVICE_UNAVAILABLE, "service_unavailable"),
    }
}

fn retry_after(refusal: &Refusal) -> Option<Duration> {
    match refusal {
        Refusal::TooMany { retry_after, .. } => Some(*retry_after),
        Refusal::Upstream(Failure::Unavailable { retry_after, .. }) => {
            Some(retry_after.unwrap_or(SOON))
        }
        Refusal::CacheFull { .. } => Some(Duration::from_secs(60)),
        Refusal::AmbiguousPod { .. }
        | Refusal::UnknownPod { .. }
        | Refusal::NotAssignedYet(_)
        | Refusal::PolicyUnavailable { .. }
        | Refusal::Deadline(_) => Some(SOON),
        Refusal::PodChanged { .. } | Refusal::NamedPodChanged(_) => Some(Duration::from_secs(1)),
        _ => None,
    }
}

/// Several SDKs read a 403 that contains this word as "there is no IMDS here at all".
fn sentence(refusal: &Refusal) -> String {
    refusal.to_string().replace("unreachable", "not reachable")
}

#[cfg(test)]
mod tests;
