//! Azure's instance metadata service: tokens of the node's managed identities, and other metadata.
//!
//! Facts: Microsoft's "How to use managed identities on an Azure VM to acquire an access token" and the
//! specification `imds/data-plane/InstanceMetadataService` of azure-rest-api-specs.

use std::time::Duration;

use ::http::{HeaderValue, Request, Response};
use bytes::Bytes;
use podgate_api::{ClientId, ObjectId, Resource, ResourceId};
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::answer::{self, MAX_BODY};
use crate::failure::Failure;
use crate::http::{Bounds, HttpClient};
use crate::throttle::{ImdsLimits, Turn};
use crate::token::Token;

mod refusal;
mod route;

/// The version that the SDKs ask for, and the first one with tokens.
const API_VERSION: &str = "2018-02-01";

/// Longest answer of other metadata, in bytes. The whole of `/metadata/instance` has some 20 KiB; user data
/// may add 64 KiB, base64.
const MAX_METADATA: usize = 256 * 1024;

/// When a turn did not come in time, the window of the limits has moved on after this.
const NEXT_WINDOW: Duration = Duration::from_secs(1);

/// Which of the node's identities is meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    /// None is named: IMDS takes the system-assigned one, or the only one, or refuses.
    Unspecified,
    /// `client_id`
    ClientId(ClientId),
    /// `object_id`
    ObjectId(ObjectId),
    /// `msi_res_id`
    ResourceId(ResourceId),
}

/// A client of the node's IMDS. Clones share connections and limits.
#[derive(Clone, Debug)]
pub struct ImdsClient {
    http: HttpClient,
    base: Url,
    limits: ImdsLimits,
    deadline: Duration,
}

// === impl Selector ===

impl Selector {
    /// The query parameter that IMDS knows it under.
    fn parameter(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::Unspecified => None,
            Self::ClientId(id) => Some(("client_id", id.as_str())),
            Self::ObjectId(id) => Some(("object_id", id.as_str())),
            Self::ResourceId(id) => Some(("msi_res_id", id.as_str())),
        }
    }
}

// === impl ImdsClient ===

impl ImdsClient {
    /// A client of the IMDS at `base`, `http://169.254.169.254/` on a real node. `deadline` holds for one call,
    /// the wait for a turn included.
    pub fn new(base: Url, limits: ImdsLimits, deadline: Duration) -> Self {
        Self {
            http: HttpClient::plain(),
            base,
            limits,
            deadline,
        }
    }

    /// Gets a token of one of the node's identities.
    ///
    /// # Flow
    /// Waits for the turn of `party`, asks once, parses. Whoever needs many tokens needs a cache in front.
    /// A party is whoever must not wait for what others ask: on a node, a namespace.
    ///
    /// # Errors
    /// [`Failure::Refused`] where IMDS says so for good: `invalid_request` with `Identity not found` when the
    /// identity is not on the node, `invalid_resource` when the audience does not exist.
    /// [`Failure::Unavailable`] for throttling, upgrades (410), outages and answers that make no sense.
    pub async fn token(
        &self,
        selector: &Selector,
        resource: &Resource,
        party: &str,
    ) -> Result<Token, Failure> {
        let mut query = vec![
            ("api-version", API_VERSION),
            ("resource", resource.as_str()),
        ];
        query.extend(selector.parameter());
        let turn = self.limits.identity(party);
        let answer = self.get(route::TOKEN, &query, turn, MAX_BODY).await?;
        if answer.status() != ::http::StatusCode::OK {
            return Err(refusal::read(&answer));
        }
        answer::token(answer.body(), answer::now())
            .map_err(|problem| Failure::outage(format!("IMDS answered 200, but {problem}")))
    }

    /// Gets other metadata: `/metadata/instance` and below, `/metadata/versions`, `/metadata/identity/info`.
    /// The answer is the peer's, whatever its status.
    ///
    /// # Errors
    /// [`Failure::Refused`] for a path that is not plain or that leads to the node's credentials; IMDS is not
    /// asked. [`Failure::Unavailable`] where there is no answer.
    pub async fn metadata(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Response<Bytes>, Failure> {
        route::check(path)?;
        let turn = async {
            match route::is_identity(path) {
                true => self.limits.info().await,
                false => self.limits.instance().await,
            }
        };
        self.get(path, query, turn, MAX_METADATA).await
    }

    async fn get(
        &self,
        path: &str,
        query: &[(&str, &str)],
        turn: impl Future<Output = Turn>,
        max_body: usize,
    ) -> Result<Response<Bytes>, Failure> {
        let request = self.request(path, query)?;
        let end = Instant::now() + self.deadline;
        let _turn = timeout_at(end, turn).await.map_err(|_| self.no_turn())?;
        let bounds = Bounds {
            deadline: end.saturating_duration_since(Instant::now()),
            max_body,
        };
        Ok(self.http.send(request, bounds).await?)
    }

    /// The only headers are the mandatory one and `Host`: IMDS refuses requests that look forwarded.
    fn request(&self, path: &str, query: &[(&str, &str)]) -> Result<Request<Bytes>, Failure> {
        let mut url = self.base.clone();
        url.set_path(path);
        if !query.is_empty() {
            url.query_pairs_mut().clear().extend_pairs(query);
        }
        Request::get(url.as_str())
            .header("metadata", HeaderValue::from_static("true"))
            .body(Bytes::new())
            .map_err(|error| Failure::outage(format!("a request to IMDS cannot be built: {error}")))
    }

    fn no_turn(&self) -> Failure {
        Failure::Unavailable {
            description: format!(
                "no turn at IMDS within {:?}: this node asks it as often as Azure allows",
                self.deadline
            ),
            retry_after: Some(NEXT_WINDOW),
            throttled: true,
        }
    }
}

#[cfg(test)]
mod tests;
