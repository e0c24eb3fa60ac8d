//! Plugins' outgoing HTTPS: the host checks a request against the grants, an [`Outbound`] sends it.

use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;

/// The methods a plugin may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET, without a body.
    Get,
    /// POST.
    Post,
}

/// A request that passed every check of the host: `https`, a granted host, no forbidden header.
#[derive(Clone, PartialEq, Eq)]
pub struct OutboundRequest {
    /// The method.
    pub method: Method,
    /// The absolute URL, normalised: no user, no fragment.
    pub url: String,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, empty for GET.
    pub body: Vec<u8>,
}

/// What came back, whatever its status.
#[derive(Clone, PartialEq, Eq)]
pub struct OutboundResponse {
    /// The status code.
    pub status: u16,
    /// The header fields that are text.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

/// Why there is no response. The texts reach the plugin.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum OutboundError {
    /// The request cannot be sent as it is.
    #[error("invalid request: {0}")]
    Invalid(String),
    /// No connection, or it broke.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// The deadline passed.
    #[error("no whole answer before the deadline")]
    Timeout,
    /// The answer is longer than allowed, in bytes.
    #[error("the answer is longer than {0} bytes")]
    TooLarge(u64),
}

/// Sends plugins' requests: without redirects, proxies or cookies.
#[async_trait]
pub trait Outbound: Send + Sync {
    /// Sends one request and reads the whole answer.
    ///
    /// # Errors
    /// No whole answer of at most `max_body` bytes came before `deadline` was over.
    async fn send(
        &self,
        request: OutboundRequest,
        deadline: Duration,
        max_body: usize,
    ) -> Result<OutboundResponse, OutboundError>;
}

// Bodies carry assertions and tokens: neither form prints them.
impl std::fmt::Debug for OutboundRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:?} {} ({} bytes)",
            self.method,
            self.url,
            self.body.len()
        )
    }
}

impl std::fmt::Debug for OutboundResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} bytes)", self.status, self.body.len())
    }
}
