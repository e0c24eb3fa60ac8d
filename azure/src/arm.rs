//! Azure Resource Manager: the identities of virtual machines and scale sets.
//!
//! ```text
//! ArmLimits ──▶ ArmCredential ──▶ HttpClient::https ──▶ management.azure.com
//!     ▲  what remains, Retry-After        │
//!     └───────────────────────────────────┴──▶ Compute | Operation | ArmError
//! ```
//!
//! Facts: azure-rest-api-specs `Microsoft.Compute/ComputeRP`, "Track asynchronous Azure operations", and what
//! aad-pod-identity's controller sent. One call is one request; [`ArmClient::wait`] alone makes several, and
//! [`ArmClient::apply`] is the whole round for who needs no more than that. Where our own count of what Azure allows
//! says so, a call waits before it is made; that is no failure.

use std::time::Duration;

use ::http::header::{ACCEPT, CONTENT_TYPE, IF_MATCH, USER_AGENT};
use ::http::request::Builder;
use ::http::{HeaderValue, Method, Request, StatusCode};
use bytes::Bytes;
use tokio::time::{Instant, sleep, timeout_at};
use url::Url;

use crate::credential::ArmCredential;
use crate::http::{Gate, HttpClient};

mod apply;
pub mod compute;
pub mod endpoint;
pub mod error;
pub mod id;
pub mod limits;
pub mod operation;
pub mod patch;
mod refusal;
mod send;

pub use compute::{AssignedIds, Compute, Etag, IdentityType, ProvisioningState};
pub use endpoint::{ArmEndpoint, InvalidEndpoint, UntrustedUrl};
pub use error::{ArmError, ErrorClass, Scope};
pub use id::{ComputeId, ComputeKind, InvalidComputeId};
pub use limits::{ArmLimits, CallKind};
pub use operation::{Operation, Progress};
pub use patch::{IdentityChange, IdentityPatch, MAX_IDENTITIES};
use send::{Call, Observer};

/// Longest answer, in bytes. A scale set with a thousand identities has some 400 KiB.
const MAX_BODY: usize = 4 * 1024 * 1024;

/// How long things take. The defaults are for Azure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// One request. A GET of a large scale set takes seconds, and minutes have been seen.
    pub request: Duration,
    /// The longest time between two polls where ARM does not say. At 15 polls a minute a bucket never empties.
    pub poll: Duration,
    /// Least time between two polls, whatever ARM says; the first where it says nothing.
    pub poll_least: Duration,
    /// Following one operation. They take 10 to 60 s as a rule.
    pub operation: Duration,
}

/// A client of one ARM. Clones share connections, token and limits.
#[derive(Clone, Debug)]
pub struct ArmClient {
    http: HttpClient,
    endpoint: ArmEndpoint,
    credential: ArmCredential,
    limits: ArmLimits,
    timing: Timing,
    user_agent: HeaderValue,
    observer: Observer,
}

/// What a PATCH led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Patched {
    /// It is done.
    Done,
    /// It goes on, and is to be followed.
    Started(Operation),
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            request: Duration::from_secs(60),
            poll: Duration::from_secs(5),
            poll_least: Duration::from_secs(1),
            operation: Duration::from_secs(10 * 60),
        }
    }
}

// === impl ArmClient ===

impl ArmClient {
    /// A client of the ARM at `endpoint`. `http` must be one for `https`.
    pub fn new(
        http: HttpClient,
        endpoint: ArmEndpoint,
        credential: ArmCredential,
        limits: ArmLimits,
    ) -> Self {
        let user_agent = concat!("podgate/", env!("CARGO_PKG_VERSION"));
        Self {
            http,
            endpoint,
            credential,
            limits,
            timing: Timing::default(),
            user_agent: HeaderValue::from_static(user_agent),
            observer: Observer::new(|_, _| {}),
        }
    }

    /// The same with other times.
    #[must_use]
    pub fn with_timing(self, timing: Timing) -> Self {
        Self { timing, ..self }
    }

    /// The same under another name: Azure's support finds a client's calls by it.
    #[must_use]
    pub fn with_user_agent(self, user_agent: HeaderValue) -> Self {
        Self { user_agent, ..self }
    }

    /// The same, and `observer` is told of each request that was sent: what it was, and `ok` or the
    /// [category](ErrorClass::category) of its failure.
    #[must_use]
    pub fn with_observer(
        self,
        observer: impl Fn(CallKind, &'static str) + Send + Sync + 'static,
    ) -> Self {
        Self {
            observer: Observer::new(observer),
            ..self
        }
    }

    /// Looks at a virtual machine or scale set.
    ///
    /// # Errors
    /// See [`ErrorClass`]. `Throttled` comes without a request until the time that ARM named with a 429.
    pub async fn get(&self, id: &ComputeId) -> Result<Compute, ArmError> {
        let tried = format!("reading {id}");
        let request = self.request(Method::GET, &self.endpoint.resource(id));
        let call = Call::new(id, CallKind::Get, &tried);
        let answer = self.send(&call, request, Bytes::new()).await?;
        if answer.status() != StatusCode::OK {
            return Err(refusal::of_answer(&tried, &answer));
        }
        Compute::read(id, answer.body()).map_err(|problem| unavailable(&tried, problem))
    }

    /// Sends one change, if `gate` is still open at the moment when it would be sent: after every wait, with a token, on a
    /// connection. Its effect is there when the operation has come to its end.
    ///
    /// # Errors
    /// See [`ErrorClass`]; `Superseded` where the gate was closed, and nothing was sent. With `Untrusted` and `Unavailable`
    /// the change may have been taken: look again.
    pub async fn patch(
        &self,
        id: &ComputeId,
        patch: &IdentityPatch,
        gate: Gate,
    ) -> Result<Patched, ArmError> {
        let tried = format!("changing the identities of {id}");
        let call = Call {
            gate: Some(gate),
            ..Call::new(id, CallKind::Patch, &tried)
        };
        let body = Bytes::from(patch.body().to_string());
        let answer = self.send(&call, self.change(id, patch), body).await?;
        if !answer.status().is_success() {
            return Err(refusal::of_answer(&tried, &answer));
        }
        let operation = Operation::started(&self.endpoint, id, &answer)
            .map_err(|url| ArmError::new(ErrorClass::Untrusted, &tried, url.to_string()))?;
        Ok(operation.map_or(Patched::Done, Patched::Started))
    }

    fn change(&self, id: &ComputeId, patch: &IdentityPatch) -> Builder {
        let request = self
            .request(Method::PATCH, &self.endpoint.resource(id))
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match patch.if_match() {
            Some(etag) => request.header(IF_MATCH, etag.as_str()),
            None => request,
        }
    }

    /// Asks once how far an operation is.
    ///
    /// # Errors
    /// Why there is no answer to the poll. That the operation failed is an answer.
    pub async fn poll(&self, operation: &Operation) -> Result<Progress, ArmError> {
        let id = operation.id();
        let tried = format!("following the change of {id}");
        let request = self.request(Method::GET, &operation.url(&self.endpoint));
        let call = Call::new(id, CallKind::Poll, &tried);
        let answer = self.send(&call, request, Bytes::new()).await?;
        operation.read(&tried, &answer)
    }

    /// Follows an operation to its end. A poll that fails for a moment is made again.
    ///
    /// # Errors
    /// How the operation failed, or why it cannot be followed; `Unfinished` when it takes longer than
    /// [`Timing::operation`]. It goes on then, and can be followed further.
    pub async fn wait(&self, operation: &Operation) -> Result<(), ArmError> {
        let end = Instant::now() + self.timing.operation;
        match timeout_at(end, self.follow(operation)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let message = format!("the operation took longer than {:?}", self.timing.operation);
                let tried = format!("following the change of {}", operation.id());
                Err(ArmError::new(ErrorClass::Unfinished, tried, message))
            }
        }
    }

    /// Where ARM does not say when to ask, more and more seldom: what is quick is known soon, and what takes long costs
    /// few calls.
    async fn follow(&self, operation: &Operation) -> Result<(), ArmError> {
        let Timing {
            poll, poll_least, ..
        } = self.timing;
        let (mut said, mut own) = (operation.first, poll_least);
        loop {
            sleep(said.unwrap_or(own).max(poll_least)).await;
            own = (own * 2).min(poll);
            said = match self.poll(operation).await {
                Ok(Progress::Done) => return Ok(()),
                Ok(Progress::Running { retry_after }) => retry_after,
                Ok(Progress::Failed(error)) => return Err(self.heeded(operation.id(), error)),
                Err(error) if error.class.is_transient() => error.retry_after(),
                Err(error) => return Err(error),
            };
        }
    }

    fn request(&self, method: Method, url: &Url) -> Builder {
        Request::builder()
            .method(method)
            .uri(url.as_str())
            .header(USER_AGENT, &self.user_agent)
            .header(ACCEPT, HeaderValue::from_static("application/json"))
    }

    /// The identity service throttles as well, and says so in the operation that it fails.
    fn heeded(&self, id: &ComputeId, error: ArmError) -> ArmError {
        if let ErrorClass::Throttled { retry_after, scope } = error.class {
            self.limits.close(id, CallKind::Patch, scope, retry_after);
        }
        error
    }
}

fn unavailable(tried: &str, problem: &str) -> ArmError {
    ArmError::new(
        ErrorClass::Unavailable { retry_after: None },
        tried,
        problem,
    )
}

#[cfg(test)]
mod tests;
