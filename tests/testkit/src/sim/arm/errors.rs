//! ARM's errors: `{"error": {"code", "message"}}`.

use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use serde_json::{Value, json};

use super::settings::ArmLimit;
use crate::sim::reply::Reply;

/// Why a request gets no success.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    code: String,
    message: String,
    details: Option<Value>,
    retry_after: Option<u64>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.to_owned(),
            message: message.into(),
            details: None,
            retry_after: None,
        }
    }

    /// What ARM may let pass, or says otherwise.
    pub(super) fn strict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidRequest", message)
    }

    pub(super) fn invalid_parameter(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidParameter", message)
    }

    pub(super) fn unauthorized(code: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, message)
    }

    pub(super) fn not_found(code: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// Compute's and the front door's, as documented for each.
    pub(super) fn throttled(limit: ArmLimit, retry_after: u64) -> Self {
        let too_many = "The server rejected the request because too many requests have been received for this \
                        subscription.";
        let mut refusal = match limit.is_front_door() {
            true => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "SubscriptionRequestsThrottled",
                format!(
                    "Number of requests for the subscription exceeded the limit for {}.",
                    limit.name()
                ),
            ),
            false => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "OperationNotAllowed",
                too_many,
            ),
        };
        let measured = json!({"operationGroup": limit.name()}).to_string();
        refusal.details = (!limit.is_front_door()).then(
            || json!([{"code": "TooManyRequests", "target": limit.name(), "message": measured}]),
        );
        refusal.retry_after = Some(retry_after);
        refusal
    }

    /// `{"code", "message"}`, as an operation carries it too.
    pub(super) fn error(&self) -> Value {
        let mut error = json!({"code": self.code, "message": self.message});
        if let Some(details) = &self.details {
            error["details"] = details.clone();
        }
        error
    }

    pub(super) fn into_reply(self) -> Reply {
        let reply = Reply::json(self.status, &json!({"error": self.error()}))
            .because(format!("{}: {}", self.code, self.message));
        let reply = match self.retry_after {
            Some(seconds) => reply.header(RETRY_AFTER, HeaderValue::from(seconds)),
            None => reply,
        };
        match self.status {
            StatusCode::UNAUTHORIZED => reply.header(
                WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer error=\"invalid_token\""),
            ),
            _ => reply,
        }
    }
}

/// What ARM says with this status, when a script gives no body.
pub(crate) fn documented(status: StatusCode) -> Reply {
    let (code, message) = match status.as_u16() {
        401 => ("InvalidAuthenticationToken", "The access token is invalid."),
        403 => (
            "AuthorizationFailed",
            "The client does not have authorization to perform action over scope or the scope is invalid.",
        ),
        404 => ("ResourceNotFound", "The Resource was not found."),
        409 => (
            "AnotherOperationInProgress",
            "Another operation on this or dependent resource is in progress.",
        ),
        412 => (
            "PreconditionFailed",
            "The precondition given in one of the request header fields evaluated to false.",
        ),
        429 => (
            "SubscriptionRequestsThrottled",
            "Number of requests for the subscription exceeded the limit.",
        ),
        500 => ("InternalServerError", "Encountered internal server error."),
        503 => (
            "ServiceUnavailable",
            "The service is temporarily unavailable.",
        ),
        _ => ("ServerTimeout", "The request did not end in time."),
    };
    Refusal::new(status, code, message).into_reply()
}
