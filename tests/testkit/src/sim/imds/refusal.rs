//! Why IMDS does not answer, in the two shapes it has for that.

use http::StatusCode;
use http::header::{ALLOW, HeaderValue};
use serde_json::{Value, json};

use crate::sim::reply::{Outcome, Reply};

/// A refusal: status, body, and the reason for the record.
pub(super) struct Refusal {
    status: StatusCode,
    body: Value,
    why: String,
}

impl Refusal {
    /// The identity category's shape.
    pub(super) fn oauth(status: StatusCode, error: &str, why: impl Into<String>) -> Self {
        let why = why.into();
        Self {
            status,
            body: json!({"error": error, "error_description": why}),
            why,
        }
    }

    /// The instance category's shape, with more members where the docs show some.
    pub(super) fn instance(status: StatusCode, why: &str, more: Option<(&str, Value)>) -> Self {
        let mut body = json!({"error": why});
        if let Some((name, value)) = more {
            body[name] = value;
        }
        Self {
            status,
            body,
            why: why.to_owned(),
        }
    }

    /// The commonest of all: 400 `invalid_request`.
    pub(super) fn invalid(why: impl Into<String>) -> Self {
        Self::oauth(StatusCode::BAD_REQUEST, "invalid_request", why)
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        let reply = Self::json(refusal.status, &refusal.body).because(refusal.why);
        match refusal.status {
            StatusCode::METHOD_NOT_ALLOWED => reply.header(ALLOW, HeaderValue::from_static("GET")),
            _ => reply,
        }
    }
}

impl From<Refusal> for Outcome {
    fn from(refusal: Refusal) -> Self {
        Self::Whole(refusal.into())
    }
}
