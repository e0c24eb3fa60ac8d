//! Type 2: a service principal with a certificate. The key is read here and stays here; the credential
//! plugin builds the assertion and asks for signatures by handle.

use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
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

/// Parsed keys that are kept: one per certificate identity of a node's pods, and room.
const MAX_KEYS: usize = 256;

/// The last second of the year 9999: a later end is none.
const LATEST: u64 = 253_402_300_799;

/// Gets tokens with certificates.
pub struct Certificates {
    plugin: Option<Arc<dyn Credential>>,
    /// Reading a PFX derives keys, a hundred milliseconds by design, so it is done once per edition.
    keys: DashMap<(ObjectRef, u64), Arc<CertificateKey>>,
    metrics: Arc<Metrics>,
}

impl Certificates {
    /// Through this plugin; without one, identities of type 2 are refused.
    pub fn new(plugin: Option<Arc<dyn Credential>>, metrics: Arc<Metrics>) -> Self {
        Self {
            plugin,
            keys: DashMap::new(),
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
        let key = self.key(principal, secret).await?;
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

    async fn key(
        &self,
        principal: &ServicePrincipal,
        secret: &SecretData,
    ) -> Result<Arc<CertificateKey>, Failure> {
        let edition = (principal.secret.clone(), secret.version);
        if let Some(key) = self.keys.get(&edition) {
            return Ok(Arc::clone(&key));
        }
        let (name, data) = (principal.secret.clone(), secret.clone());
        let read = tokio::task::spawn_blocking(move || CertificateKey::from_secret(&data))
            .await
            .map_err(|_| refused(format!("reading the certificate of Secret {name} failed")))?;
        let key = read
            .map(Arc::new)
            .map_err(|error| refused(format!("Secret {}: {error}", principal.secret)))?;
        ended(&key)
            .map_err(|problem| refused(format!("Secret {}: {problem}", principal.secret)))?;
        if self.keys.len() >= MAX_KEYS {
            self.keys.clear();
        }
        // The key of an older edition has no further use.
        self.keys.retain(|(name, _), _| *name != principal.secret);
        self.keys.insert(edition, Arc::clone(&key));
        Ok(key)
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
