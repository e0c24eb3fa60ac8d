//! Who podgate itself is towards Azure Resource Manager.
//!
//! | credential | by |
//! |---|---|
//! | managed identity of the node | `azure_identity::ManagedIdentityCredential` |
//! | workload identity (a projected service account token) | `azure_identity::ClientAssertionCredential` |
//! | certificate | `azure_identity::ClientAssertionCredential`, its assertion signed here |
//! | client secret | podgate's own [`EntraClient`] |
//!
//! The SDK runs over podgate's own HTTP client (`transport`): bounded, without proxies and redirects, one
//! request for one question. What it does not do well is done around it: its error texts lose Entra's reason, so
//! the transport keeps it; its cache can be neither bounded nor told that a token is refused, so a new object is
//! made for each token and the cache is here; its certificate credential needs OpenSSL and cannot read the PFX
//! files that aad-pod-identity's users have, so the assertion is made here. The client secret goes another way
//! because the SDK copies it into memory that is not wiped, and cannot ask AD FS, which Azure Stack Hub has.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use podgate_api::Resource;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::answer::now;
use crate::cloud::Authority;
use crate::entra::EntraClient;
use crate::failure::Failure;
use crate::http::HttpClient;
use crate::token::{AccessToken, Token};

mod assertion;
mod certificate;
mod kind;
mod sdk;
mod settings;
mod transport;

pub(crate) use assertion::without_tokens;
pub use certificate::{CertificateError, ClientCertificate};
pub use kind::{ClientSecret, CredentialKind};
pub use settings::{CloudEndpoints, CloudSettings, SettingsError};
use transport::SdkTransport;

/// A token is replaced when it has less left: longer than any operation's polls are apart, and what the SDKs do.
const MARGIN: u64 = 5 * 60;

/// How long a token that still holds is used without asking again, when a newer one was refused.
const PAUSE: Duration = Duration::from_secs(30);

/// A credential for ARM, and the token that it last gave. Clones share both.
#[derive(Clone)]
pub struct ArmCredential(Arc<Inner>);

struct Inner {
    kind: CredentialKind,
    authority: Authority,
    audience: Resource,
    transport: SdkTransport,
    entra: EntraClient,
    /// Held while a token is fetched: whoever comes meanwhile waits for that one.
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    token: Option<Token>,
    /// When it was asked for last and in vain.
    failed: Option<Instant>,
    /// Left at half of a short life, else at [`MARGIN`] before its end; seconds since 1970.
    replace_at: u64,
}

/// Where the token comes from.
#[derive(Clone, Debug)]
pub struct TokenSources {
    /// Entra ID, or an AD FS.
    pub authority: Authority,
    /// The node's IMDS, `http://169.254.169.254/` on a real node.
    pub imds: url::Url,
    /// A client of `https` for Entra ID.
    pub https: HttpClient,
}

// === impl ArmCredential ===

impl ArmCredential {
    /// A credential of this kind, for tokens of this audience.
    pub fn new(kind: CredentialKind, audience: Resource, sources: TokenSources) -> Self {
        let TokenSources {
            authority,
            imds,
            https,
        } = sources;
        Self(Arc::new(Inner {
            transport: SdkTransport::new(https.clone(), imds, &authority),
            entra: EntraClient::new(https),
            held: Mutex::default(),
            kind,
            authority,
            audience,
        }))
    }

    /// A token that holds for some minutes at least, where one can be had. A token that still holds is given
    /// while none newer comes.
    ///
    /// # Errors
    /// Why there is none: the credential is refused, or whom it asks is not there.
    pub async fn token(&self) -> Result<AccessToken, Failure> {
        let mut held = self.0.held.lock().await;
        if let Some(token) = held.fresh() {
            return Ok(token);
        }
        match self.0.fetch().await {
            Ok(token) => Ok(held.keep(token)),
            Err(failure) => held.otherwise(failure),
        }
    }

    /// Drops a token that ARM refused. A newer one that came meanwhile stays.
    pub async fn forget(&self, refused: &AccessToken) {
        let mut held = self.0.held.lock().await;
        let same = |token: &Token| token.access_token.secret() == refused.secret();
        if held.token.as_ref().is_some_and(same) {
            *held = Held::default();
        }
    }

    /// Whose credential it is, for the log.
    pub fn describe(&self) -> String {
        self.0.kind.to_string()
    }
}

impl Held {
    fn fresh(&self) -> Option<AccessToken> {
        let token = self
            .token
            .as_ref()
            .filter(|token| token.expires_on > now())?;
        let paused = self.failed.is_some_and(|at| at.elapsed() < PAUSE);
        (now() < self.replace_at || paused).then(|| token.access_token.clone())
    }

    fn keep(&mut self, token: Token) -> AccessToken {
        let left = token.expires_on.saturating_sub(now());
        let access_token = token.access_token.clone();
        *self = Self {
            replace_at: token.expires_on.saturating_sub(MARGIN.min(left / 2)),
            token: Some(token),
            failed: None,
        };
        access_token
    }

    fn otherwise(&mut self, failure: Failure) -> Result<AccessToken, Failure> {
        let still_good = self.token.as_ref().filter(|token| token.expires_on > now());
        let Some(token) = still_good else {
            return Err(failure);
        };
        tracing::warn!(%failure, "no newer token for ARM; the one at hand still holds");
        self.failed = Some(Instant::now());
        Ok(token.access_token.clone())
    }
}

/// The kind says whose it is; nothing here prints a secret.
impl fmt::Debug for ArmCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ArmCredential({}, for {})", self.0.kind, self.0.audience)
    }
}

#[cfg(test)]
mod tests;
