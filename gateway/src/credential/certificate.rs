//! Type 2: a service principal with a certificate. The key is read here and stays here; the credential
//! plugin builds the assertion and asks for signatures by handle. Without a Secret there is no key, and the plugin shows
//! the authority what it was granted instead.

use std::sync::Arc;
use std::time::Duration;

use podgate_api::Resource;
use podgate_azure::failure::Failure;
use podgate_azure::token::Token;
use podgate_plugin_host::{
    Credential, CredentialFailure, CredentialIdentity, CredentialQuestion, PluginError, SigningKey,
};

use super::key::CertificateKey;
use super::refused;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::world::{Application, ObjectRef, SecretData, ServicePrincipal};
use keys::Keys;
use no_key::NoKey;

mod keys;
mod no_key;

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
        let plugin = self.plugin()?;
        let key = self.keys.get(&principal.secret, secret).await?;
        ended(&key)
            .map_err(|problem| refused(format!("Secret {}: {problem}", principal.secret)))?;
        let identity = CredentialIdentity {
            client_id: principal.client_id.to_string(),
            tenant_id: principal.tenant.to_string(),
            authority: principal.authority.to_string(),
        };
        self.ask(plugin, question(identity, resource), key).await
    }

    /// For an identity without a Secret, if the plugin has another proof than a key.
    pub(super) async fn federated(
        &self,
        application: &Application,
        resource: &Resource,
    ) -> Result<Token, Failure> {
        let plugin = self.plugin()?;
        if plugin.needs_key() {
            return Err(refused(
                "spec.clientPassword.name: missing; name the Secret that holds the certificate, or grant \
                 serviceAccount to a credential plugin that does without",
            ));
        }
        let identity = CredentialIdentity {
            client_id: application.client_id.to_string(),
            tenant_id: application.tenant.to_string(),
            authority: application.authority.to_string(),
        };
        let question = question(identity, resource);
        self.ask(plugin, question, Arc::new(NoKey)).await
    }

    fn plugin(&self) -> Result<&Arc<dyn Credential>, Failure> {
        self.plugin.as_ref().ok_or_else(|| {
            refused("no credential plugin is configured, so identities of type 2 get no tokens")
        })
    }

    async fn ask(
        &self,
        plugin: &Arc<dyn Credential>,
        question: CredentialQuestion,
        key: Arc<dyn SigningKey>,
    ) -> Result<Token, Failure> {
        let asked = plugin.acquire(&question, key).await;
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

fn question(identity: CredentialIdentity, resource: &Resource) -> CredentialQuestion {
    CredentialQuestion {
        identity,
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

#[cfg(test)]
mod tests;
