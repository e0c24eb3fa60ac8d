//! What a credential plugin is asked and what it answers: `podgate:credential/acquire` in the gateway's words.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use zeroize::Zeroizing;

use crate::{PluginError, SigningKey};

pub(crate) mod component;

/// The identity a token is wanted of. The gateway has checked every field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialIdentity {
    /// `spec.clientID`
    pub client_id: String,
    /// `spec.tenantID`, or one of `spec.auxiliaryTenantIDs`.
    pub tenant_id: String,
    /// The authority's URL with its trailing slash. The plugin may send requests to this host in this call.
    pub authority: String,
}

/// Everything a credential plugin is told about one token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialQuestion {
    /// The identity.
    pub identity: CredentialIdentity,
    /// The audience: an App ID URI or a GUID.
    pub resource: String,
    /// A fresh random UUID: for `jti` and `client-request-id`.
    pub request_id: String,
}

/// A token's text: wiped from memory when dropped, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken(Zeroizing<String>);

/// A token that a plugin got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcquiredToken {
    /// The token itself: printable ASCII, never empty.
    pub access_token: AccessToken,
    /// `Bearer` for every token of Entra ID.
    pub token_type: String,
    /// When it ends, in seconds since 1970-01-01T00:00:00Z, by the authority's word.
    pub expires_on: u64,
    /// When it begins, in seconds since 1970-01-01T00:00:00Z, where the authority says so.
    pub not_before: Option<u64>,
}

/// Why a plugin got no token. Texts are one printable line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialFailure {
    /// The authority refuses and will refuse again.
    Refused {
        /// The OAuth error code: `invalid_client`, `unauthorized_client`, …
        error: String,
        /// For the pod's owner: what was refused and what to do.
        description: String,
        /// The credential itself may be stale: read its Secret again and try once more.
        stale_credential: bool,
    },
    /// A fault that may pass: throttling, an outage, a broken answer.
    Unavailable {
        /// For the log and the pod's owner.
        description: String,
        /// How long to wait, in seconds, where the authority said so.
        retry_after: Option<u32>,
        /// It is throttling (429), not an outage.
        throttled: bool,
    },
}

/// A loaded credential plugin.
#[async_trait]
pub trait Credential: Send + Sync {
    /// The plugin's name in the operator's configuration.
    fn name(&self) -> &str;

    /// Whether it can do nothing for an identity without a key: it was granted no other proof of who asks.
    fn needs_key(&self) -> bool {
        true
    }

    /// Gets one token, in a fresh instance. The key stays in the gateway: the plugin holds a handle that
    /// ends with the call.
    ///
    /// # Errors
    /// Outside, the plugin failed; inside, the authority did not give a token.
    async fn acquire(
        &self,
        question: &CredentialQuestion,
        key: Arc<dyn SigningKey>,
    ) -> Result<Result<AcquiredToken, CredentialFailure>, PluginError>;
}

// === impl AccessToken ===

impl AccessToken {
    /// The text, for the one place that sends it.
    pub fn secret(&self) -> &str {
        &self.0
    }
}

impl From<String> for AccessToken {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken([redacted])")
    }
}
