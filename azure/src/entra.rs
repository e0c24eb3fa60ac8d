//! Microsoft Entra ID: tokens of service principals with a client secret.
//!
//! Facts: Microsoft's "OAuth 2.0 client credentials flow" (v2) and, for v1, what go-autorest sends. Certificates
//! are a credential plugin's work.

use std::fmt;
use std::time::Duration;

use ::http::header::{ACCEPT, CONTENT_TYPE};
use ::http::{HeaderValue, Request, StatusCode};
use bytes::Bytes;
use podgate_api::{ClientId, Resource, TenantId};
use url::form_urlencoded::Serializer;
use zeroize::Zeroizing;

use crate::answer::{self, MAX_BODY};
use crate::cloud::Authority;
use crate::failure::Failure;
use crate::http::{Bounds, HttpClient};
use crate::token::Token;

mod refusal;

pub use refusal::is_stale_credential;

/// One call. Entra answers in a fraction of a second; SDKs give up on the whole at 30 s or more.
const DEADLINE: Duration = Duration::from_secs(10);

/// Gets tokens of service principals. Clones share connections.
#[derive(Clone, Debug)]
pub struct EntraClient {
    http: HttpClient,
    deadline: Duration,
}

/// Which token endpoint is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EndpointVersion {
    /// `/oauth2/token`, with a `resource`: what aad-pod-identity asked, and the only one of AD FS 2016.
    #[default]
    V1,
    /// `/oauth2/v2.0/token`, with a `scope`.
    V2,
}

/// What is asked.
#[derive(Clone, Copy)]
pub struct ClientSecretRequest<'a> {
    /// Where: permitted by the operator's [`crate::cloud::AuthorityHosts`], which is the caller's to see to.
    pub authority: &'a Authority,
    /// The tenant.
    pub tenant: &'a TenantId,
    /// The application.
    pub client_id: &'a ClientId,
    /// Its secret, as Entra ID showed it.
    pub secret: &'a str,
    /// The audience.
    pub resource: &'a Resource,
    /// The endpoint.
    pub version: EndpointVersion,
}

// === impl EntraClient ===

impl EntraClient {
    /// A client over this transport, which must be one for `https`.
    pub fn new(http: HttpClient) -> Self {
        Self {
            http,
            deadline: DEADLINE,
        }
    }

    /// The same with another deadline for one call, 10 s by default.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Gets a token with a client secret.
    ///
    /// # Errors
    /// [`Failure::Refused`] with Entra's code and its `AADSTS` sentence where it refuses for good;
    /// `stale_credential` where the secret itself is wrong or has ended. [`Failure::Unavailable`] for throttling,
    /// outages, and answers that are not Entra's. The secret is in none of them.
    pub async fn client_secret(&self, request: ClientSecretRequest<'_>) -> Result<Token, Failure> {
        let bounds = Bounds {
            deadline: self.deadline,
            max_body: MAX_BODY,
        };
        let answer = self.http.send(request.build()?, bounds).await?;
        let host = request.authority.host();
        if answer.status() != StatusCode::OK {
            return Err(refusal::read(&answer, host, request.secret));
        }
        answer::token(answer.body(), answer::now())
            .map_err(|problem| Failure::outage(format!("{host} answered 200, but {problem}")))
    }
}

// === impl ClientSecretRequest ===

impl ClientSecretRequest<'_> {
    fn build(&self) -> Result<Request<Bytes>, Failure> {
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        Request::post(self.url())
            .header(CONTENT_TYPE, form)
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            .body(self.body())
            .map_err(|error| {
                Failure::outage(format!("a request to Entra ID cannot be built: {error}"))
            })
    }

    fn url(&self) -> String {
        let tenant = self.tenant;
        self.authority.below(&match self.version {
            EndpointVersion::V1 => format!("{tenant}/oauth2/token?api-version=1.0"),
            EndpointVersion::V2 => format!("{tenant}/oauth2/v2.0/token"),
        })
    }

    /// The form holds the secret: written into memory that never moves, and wiped once it is sent.
    fn body(&self) -> Bytes {
        let longest_when_encoded = 3 * (self.secret.len() + self.resource.as_str().len());
        let mut form = Zeroizing::new(String::with_capacity(longest_when_encoded + 256));
        let mut fields = Serializer::new(&mut *form);
        fields.append_pair("grant_type", "client_credentials");
        fields.append_pair("client_id", self.client_id.as_str());
        fields.append_pair("client_secret", self.secret);
        match self.version {
            EndpointVersion::V1 => fields.append_pair("resource", self.resource.as_str()),
            // Appended even where the resource ends in a slash: the double one keeps the token's audience.
            EndpointVersion::V2 => {
                fields.append_pair("scope", &format!("{}/.default", self.resource))
            }
        };
        Bytes::from_owner(Wiped(form))
    }
}

impl fmt::Debug for ClientSecretRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSecretRequest")
            .field("authority", &self.authority)
            .field("tenant", &self.tenant)
            .field("client_id", &self.client_id)
            .field("secret", &"[redacted]")
            .field("resource", &self.resource)
            .field("version", &self.version)
            .finish()
    }
}

/// Bytes of a text that is wiped with the last of them.
struct Wiped(Zeroizing<String>);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

#[cfg(test)]
mod tests;
