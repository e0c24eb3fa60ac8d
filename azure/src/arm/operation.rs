//! Long-running operations: what follows a PATCH.
//!
//! Facts: "Track asynchronous Azure operations" of Microsoft's ARM documents, and the pollers of its Go SDK.

use std::fmt;
use std::time::Duration;

use ::http::header::LOCATION;
use ::http::{HeaderMap, Response, StatusCode};
use bytes::Bytes;
use serde_json::Value;
use url::Url;

use super::compute::{Compute, ProvisioningState};
use super::endpoint::{ArmEndpoint, UntrustedUrl};
use super::error::ArmError;
use super::id::ComputeId;
use super::refusal;
use crate::throttle::retry_after;

/// A change that ARM has taken and not finished.
#[derive(Clone, PartialEq, Eq)]
pub struct Operation {
    id: ComputeId,
    way: Way,
    /// When ARM wants to be asked first.
    pub(super) first: Option<Duration>,
}

/// How an operation is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Way {
    /// `Azure-AsyncOperation`: a document with a status.
    Status(Url),
    /// `Location`: 202 until it is done.
    Location(Url),
    /// Neither was given: the resource's own provisioning state.
    Resource,
}

/// How far an operation is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It goes on.
    Running {
        /// When ARM wants to be asked again, where it says so.
        retry_after: Option<Duration>,
    },
    /// It succeeded.
    Done,
    /// It came to a bad end, as far as ARM says why.
    Failed(ArmError),
}

// === impl Operation ===

impl Operation {
    /// What follows this answer to a PATCH, `None` where it is done already.
    pub(super) fn started(
        endpoint: &ArmEndpoint,
        id: &ComputeId,
        answer: &Response<Bytes>,
    ) -> Result<Option<Self>, UntrustedUrl> {
        let header = |name: &str| url(endpoint, answer.headers(), name);
        let way = if let Some(url) = header("azure-asyncoperation")? {
            Way::Status(url)
        } else if let Some(url) = header(LOCATION.as_str())? {
            Way::Location(url)
        } else if is_done(id, answer) {
            return Ok(None);
        } else {
            Way::Resource
        };
        let first = retry_after(answer.headers());
        Ok(Some(Self {
            id: id.clone(),
            way,
            first,
        }))
    }

    /// What is being changed.
    pub fn id(&self) -> &ComputeId {
        &self.id
    }

    pub(super) fn url(&self, endpoint: &ArmEndpoint) -> Url {
        match &self.way {
            Way::Status(url) | Way::Location(url) => url.clone(),
            Way::Resource => endpoint.resource(&self.id),
        }
    }

    /// What an answer to a poll says.
    pub(super) fn read(&self, tried: &str, answer: &Response<Bytes>) -> Result<Progress, ArmError> {
        let running = Progress::Running {
            retry_after: retry_after(answer.headers()),
        };
        match &self.way {
            Way::Location(_) if answer.status() == StatusCode::ACCEPTED => Ok(running),
            _ if !answer.status().is_success() => Err(refusal::of_answer(tried, answer)),
            Way::Location(_) => Ok(Progress::Done),
            Way::Status(_) => by_status(tried, answer, running),
            Way::Resource => by_state(&self.id, tried, answer, running),
        }
    }
}

/// Whether an answer without headers to follow needs no following.
fn is_done(id: &ComputeId, answer: &Response<Bytes>) -> bool {
    let state = Compute::read(id, answer.body()).map(|compute| compute.state);
    answer.status() == StatusCode::OK && state == Ok(ProvisioningState::Succeeded)
}

fn url(
    endpoint: &ArmEndpoint,
    headers: &HeaderMap,
    name: &str,
) -> Result<Option<Url>, UntrustedUrl> {
    let text = headers
        .get(name)
        .map(|value| value.to_str().unwrap_or_default());
    text.map(|text| endpoint.trust(text)).transpose()
}

fn by_status(
    tried: &str,
    answer: &Response<Bytes>,
    running: Progress,
) -> Result<Progress, ArmError> {
    let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    match body.get("status").and_then(Value::as_str) {
        Some(end) => Ok(by_end(tried, end, answer.body(), running)),
        None => Err(nonsense(tried)),
    }
}

fn by_state(
    id: &ComputeId,
    tried: &str,
    answer: &Response<Bytes>,
    running: Progress,
) -> Result<Progress, ArmError> {
    let compute = Compute::read(id, answer.body()).map_err(|_| nonsense(tried))?;
    match compute.state {
        ProvisioningState::Succeeded => Ok(Progress::Done),
        ProvisioningState::Failed => Ok(Progress::Failed(refusal::of_operation(
            tried, "Failed", b"",
        ))),
        ProvisioningState::Canceled => Ok(Progress::Failed(refusal::of_operation(
            tried, "Canceled", b"",
        ))),
        ProvisioningState::Updating | ProvisioningState::Deleting => Ok(running),
    }
}

/// `Succeeded`, `Failed` and `Canceled` are the ends; every other word means that it goes on.
fn by_end(tried: &str, end: &str, body: &[u8], running: Progress) -> Progress {
    match ProvisioningState::read(end) {
        ProvisioningState::Succeeded => Progress::Done,
        ProvisioningState::Failed | ProvisioningState::Canceled => {
            Progress::Failed(refusal::of_operation(tried, end, body))
        }
        ProvisioningState::Updating | ProvisioningState::Deleting => running,
    }
}

fn nonsense(tried: &str) -> ArmError {
    super::unavailable(
        tried,
        "ARM answered a poll with what is no status of an operation",
    )
}

/// Without the query, which holds what identifies the operation to ARM.
impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = match &self.way {
            Way::Status(url) => format!("status {}", url.path()),
            Way::Location(url) => format!("location {}", url.path()),
            Way::Resource => "resource".to_owned(),
        };
        write!(f, "Operation({}: {way})", self.id)
    }
}
