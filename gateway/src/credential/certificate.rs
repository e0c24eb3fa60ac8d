//! Type 2: a service principal with a certificate. The key is read here and stays here; the credential
//! plugin builds the assertion and asks for signatures by handle.

use std::sync::Arc;
use std::time::Duration;

use podgate_api::Resource;
use podgate_azure::failure::Failure;
use podgate_azure::token::Token;
use podgate_plugin_host as host;
use podgate_plugin_host::{Credential, CredentialFailure, CredentialQuestion, PluginError};

use super::key::CertificateKey;
use super::refused;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::world::{ObjectRef, SecretData, ServicePrincipal};
use keys::Keys;

mod keys;

/// The last second of the year 9999: a later end is none.
const LATEST: u64 = 253_402_300_799;

/// Gets tokens with certificates.
pub struct Certificates {
    plugin: Option<Arc<dyn Credential>>,
    keys: Keys,
    metrics: Arc<Metrics>,
}

impl Certificates {
    /// Through this plugin; without one, identities of type 2 are refused.
    pub fn new(plugin: Option<Arc<dyn Credential>>, metrics: Arc<Metrics>) -> Self {
        Self {
            plugin,
            keys: Keys::new(),
            metrics,
        }
    }

    pub(super) async fn fetch(
        &self,
        principal: &ServicePrincipal,
        secret: &SecretData,
        resource: &Resource,
    ) -> Result<Token, Failure> {
        let plugin = self.plugin.as_ref().ok_or_else(|| {
            refused("no credential plugin is configured, so identities of type 2 get no tokens")
        })?;
        let key = self.keys.get(&principal.secret, secret).await?;
        ended(&key)
            .map_err(|problem| refused(format!("Secret {}: {problem}", principal.secret)))?;
        let asked = plugin.acquire(&question(principal, resource), key).await;
        self.metrics
            .plugin_call(plugin.name(), "credential", &asked);
        match asked {
            Ok(Ok(token)) if token.expires_on > LATEST => Err(Failure::Unavailable {
                description: format!(
                    "credential plugin {} answered with a token that never ends",
                    plugin.name()
                ),
                retry_after: None,
                throttled: false,
            }),
            Ok(Ok(token)) => Ok(Token {
                access_token: token.access_token.secret().to_owned().into(),
                token_type: token.token_type,
                expires_on: token.expires_on,
                not_before: token.not_before,
            }),
            Ok(Err(failure)) => Err(from_plugin(failure)),
            Err(error) => Err(broken(plugin.name(), &error)),
        }
    }

    /// Drops the private key of a Secret that was edited or removed.
    pub(super) fn forget(&self, secret: &ObjectRef) {
        self.keys.forget(secret);
    }
}

/// Entra ID would refuse it as well, in words that say less.
fn ended(key: &CertificateKey) -> Result<(), &'static str> {
    let now = Clock::system().now();
    match u64::try_from(key.not_after()).is_ok_and(|end| end > now) {
        true => Ok(()),
        false => Err(
            "the certificate has ended; put a new one there, and register it with the application",
        ),
    }
}

fn question(principal: &ServicePrincipal, resource: &Resource) -> CredentialQuestion {
    CredentialQuestion {
        identity: host::CredentialIdentity {
            client_id: principal.client_id.to_string(),
            tenant_id: principal.tenant.to_string(),
            authority: principal.authority.to_string(),
        },
        resource: resource.to_string(),
        request_id: uuid::Uuid::new_v4().to_string(),
    }
}

fn from_plugin(failure: CredentialFailure) -> Failure {
    match failure {
        CredentialFailure::Refused {
            error,
            description,
            stale_credential,
        } => Failure::Refused {
            error,
            description,
            stale_credential,
        },
        CredentialFailure::Unavailable {
            description,
            retry_after,
            throttled,
        } => Failure::Unavailable {
            description,
            retry_after: retry_after.map(|seconds| Duration::from_secs(seconds.into())),
            throttled,
        },
    }
}

/// The pod's owner learns that a plugin failed, the operator's log says how.
fn broken(plugin: &str, error: &PluginError) -> Failure {
    tracing::error!(plugin, %error, "credential plugin failed");
    Failure::Unavailable {
        description: format!("credential plugin {plugin} failed; the gateway's log says how"),
        retry_after: None,
        throttled: false,
    }
}
