//! `podgate:types/http`: requests to granted hosts, checked here and sent by the gateway.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::bindings::credential::podgate::types::http;
use crate::bindings::credential::podgate::types::http::{Error, Host, Request, Response};
use crate::guest::State;
use crate::{Method, Outbound, OutboundError, OutboundResponse, text};

mod check;
mod origin;

pub(crate) use origin::Origin;

/// What one call may send, and how much of it is left.
pub(crate) struct Allowance {
    pub(crate) outbound: Arc<dyn Outbound>,
    /// The operator's grants.
    pub(crate) granted: Arc<[Origin]>,
    /// The authority of the identity that the call is about.
    pub(crate) authority: Option<Origin>,
    /// The end of the call.
    pub(crate) deadline: Instant,
    pub(crate) requests_left: usize,
    /// The longest body, either way.
    pub(crate) max_body: usize,
}

impl Host for State {
    async fn send(&mut self, request: Request) -> Result<Response, Error> {
        self.http.send(request).await
    }
}

// === impl Allowance ===

impl Allowance {
    async fn send(&mut self, request: Request) -> Result<Response, Error> {
        self.requests_left = self
            .requests_left
            .checked_sub(1)
            .ok_or_else(|| Error::Invalid("too many requests in one call".into()))?;
        let request = check::request(self, request)?;
        let deadline = self.time_left().ok_or(Error::Timeout)?;
        let sent = self.outbound.send(request, deadline, self.max_body).await;
        let response = sent.map_err(Error::from)?;
        match response.body.len() <= self.max_body {
            true => Ok(response.into()),
            false => Err(Error::TooLarge(self.max_body as u64)),
        }
    }

    fn permits(&self, origin: &Origin) -> bool {
        self.granted.contains(origin) || self.authority.as_ref() == Some(origin)
    }

    /// A tenth of the time stays with the plugin: to say in its own words that there was no answer.
    fn time_left(&self) -> Option<Duration> {
        let left = self.deadline.checked_duration_since(Instant::now())?;
        Some(left - left / 10).filter(|left| !left.is_zero())
    }
}

impl From<OutboundError> for Error {
    fn from(error: OutboundError) -> Self {
        let shown = |cause: String| text::clean(&cause, text::MAX_SHOWN);
        match error {
            OutboundError::Invalid(cause) => Self::Invalid(shown(cause)),
            OutboundError::Unreachable(cause) => Self::Unreachable(shown(cause)),
            OutboundError::Timeout => Self::Timeout,
            OutboundError::TooLarge(limit) => Self::TooLarge(limit),
        }
    }
}

impl From<OutboundResponse> for Response {
    fn from(response: OutboundResponse) -> Self {
        let header = |(name, value): (String, String)| http::Header {
            name: name.to_ascii_lowercase(),
            value,
        };
        Self {
            status: response.status,
            headers: response.headers.into_iter().map(header).collect(),
            body: response.body,
        }
    }
}

impl From<http::Method> for Method {
    fn from(method: http::Method) -> Self {
        match method {
            http::Method::Get => Self::Get,
            http::Method::Post => Self::Post,
        }
    }
}
