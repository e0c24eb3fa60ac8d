//! What a cache plugin is asked and what it answers: `podgate:cache/lifetime` in the gateway's words.

use async_trait::async_trait;

use crate::PluginError;

pub(crate) mod component;

/// The way an identity gets its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IdentityType {
    /// A user-assigned managed identity of the node.
    ManagedIdentity,
    /// A service principal with a client secret.
    ClientSecret,
    /// A service principal with a certificate.
    ClientCertificate,
    /// The node's own identities, for a pod that a policy let through.
    Node,
}

/// Whose token it is. The token itself is never shown to a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subject {
    /// The identity's client id, empty for the node's own.
    pub client_id: String,
    /// How it gets its tokens.
    pub identity_type: IdentityType,
    /// The audience.
    pub resource: String,
}

/// The times of a new token, in seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// When the gateway got it.
    pub obtained: u64,
    /// When it ends.
    pub expires: u64,
    /// A random number below 1,000,000, fresh for each token.
    pub jitter: u32,
}

/// How to keep a token, in seconds since 1970-01-01T00:00:00Z. Whoever uses it cuts each time at the token's
/// real end: the plugin's word is not trusted with that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// From here on it is renewed in the background while it is still served.
    pub refresh_at: u64,
    /// Until here it is served without asking again.
    pub fresh_until: u64,
    /// From here on it is not served at all.
    pub keep_until: u64,
}

/// A loaded cache plugin.
#[async_trait]
pub trait CachePolicy: Send + Sync {
    /// The plugin's name in the operator's configuration.
    fn name(&self) -> &str;

    /// The plugin's part of a cache key, at most 256 bytes; none to get a token anew for each request.
    ///
    /// # Errors
    /// The plugin failed.
    async fn key(&self, subject: &Subject) -> Result<Option<String>, PluginError>;

    /// How to keep a new token.
    ///
    /// # Errors
    /// The plugin failed.
    async fn plan(&self, subject: &Subject, times: Times) -> Result<Plan, PluginError>;
}
