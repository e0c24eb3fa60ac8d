//! Type 1: a service principal with a client secret.

use podgate_api::{Resource, TenantId};
use podgate_azure::entra::{ClientSecretRequest, EndpointVersion, EntraClient};
use podgate_azure::failure::Failure;
use podgate_azure::token::Token;

use super::refused;
use crate::world::{SecretData, ServicePrincipal};

/// The key that is looked for first; without it the first key by name is the secret, so that every
/// replica and every restart takes the same one (the old gateway took a random one).
const KEY: &str = "clientSecret";

/// Gets tokens with client secrets.
pub struct Secrets {
    entra: EntraClient,
    version: EndpointVersion,
}

impl Secrets {
    /// Through this client, at this endpoint.
    pub fn new(entra: EntraClient, version: EndpointVersion) -> Self {
        Self { entra, version }
    }

    pub(super) async fn fetch(
        &self,
        principal: &ServicePrincipal,
        tenant: &TenantId,
        secret: &SecretData,
        resource: &Resource,
    ) -> Result<Token, Failure> {
        let request = ClientSecretRequest {
            authority: &principal.authority,
            tenant,
            client_id: &principal.client_id,
            secret: client_secret(principal, secret)?,
            resource,
            version: self.version,
        };
        self.entra.client_secret(request).await
    }
}

/// A trailing line break comes from `kubectl create secret --from-file` and is never part of a secret.
fn client_secret<'a>(
    principal: &ServicePrincipal,
    secret: &'a SecretData,
) -> Result<&'a str, Failure> {
    let name = &principal.secret;
    let value = secret
        .get(KEY)
        .or_else(|| secret.iter().next().map(|(_, value)| value))
        .ok_or_else(|| {
            refused(format!(
                "Secret {name} is empty; put the client secret under the key {KEY}"
            ))
        })?;
    let text = std::str::from_utf8(value).map_err(|_| {
        refused(format!(
            "Secret {name} holds no text; is it a certificate (type 2)?"
        ))
    })?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(refused(format!(
            "the client secret in Secret {name} is empty"
        ))),
        text => Ok(text),
    }
}
