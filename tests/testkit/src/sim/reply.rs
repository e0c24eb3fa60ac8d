//! Answers: whole ones, and the ways in which an answer can be broken.

use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;

/// IMDS and Entra both say so.
const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// An answer, and why it is a refusal if it is one.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) refusal: Option<String>,
}

impl Reply {
    pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("answers are plain maps of strings and numbers");
        Self::raw(status, body).header(CONTENT_TYPE, JSON)
    }

    pub(crate) fn text(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self::raw(status, body).header(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        )
    }

    pub(crate) fn raw(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            body: body.into(),
            refusal: None,
        }
    }

    pub(crate) fn because(mut self, refusal: impl Into<String>) -> Self {
        self.refusal = Some(refusal.into());
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// The first half of the body, as a complete answer.
    pub(crate) fn halved(mut self) -> Self {
        self.body.truncate(self.body.len() / 2);
        self
    }
}

/// What goes out on the connection.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The reply.
    Whole(Reply),
    /// The reply's head and half of its body; then the connection ends.
    Cut(Reply),
    /// So many bytes of JSON string.
    Huge(u64),
    /// TCP RST.
    Reset,
}

impl Outcome {
    pub(crate) fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Whole(reply) | Self::Cut(reply) => Some(reply.status),
            Self::Huge(_) => Some(StatusCode::OK),
            Self::Reset => None,
        }
    }

    pub(crate) fn refusal(&self) -> Option<String> {
        match self {
            Self::Whole(reply) | Self::Cut(reply) => reply.refusal.clone(),
            Self::Huge(_) | Self::Reset => None,
        }
    }
}

impl From<Reply> for Outcome {
    fn from(reply: Reply) -> Self {
        Self::Whole(reply)
    }
}
