//! One token by each way.

use std::error::Error;
use std::sync::Arc;

use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::credentials::TokenCredential;
use azure_core::http::{ClientOptions, Transport};
use azure_identity::{
    ClientAssertion, ClientAssertionCredential, ClientAssertionCredentialOptions,
    ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId,
};
use podgate_api::{ClientId, TenantId};

use super::assertion::{Federated, Signed};
use super::kind::CredentialKind;
use super::{ClientSecret, Inner};
use crate::answer::sentence;
use crate::entra::{ClientSecretRequest, EndpointVersion};
use crate::failure::Failure;
use crate::imds::Selector;
use crate::token::{AccessToken, MAX_ACCESS_TOKEN, Token};

impl Inner {
    /// A new token, from whoever gives it.
    pub(super) async fn fetch(&self) -> Result<Token, Failure> {
        match &self.kind {
            CredentialKind::ManagedIdentity(selector) => self.managed(selector).await,
            CredentialKind::WorkloadIdentity {
                tenant,
                client_id,
                token_file,
            } => {
                self.asserted(tenant, client_id, Federated::new(token_file))
                    .await
            }
            CredentialKind::Certificate {
                tenant,
                client_id,
                certificate,
            } => {
                let endpoint = self.authority.below(&format!("{tenant}/oauth2/v2.0/token"));
                let signed = Signed::new(certificate, client_id, endpoint);
                self.asserted(tenant, client_id, signed).await
            }
            CredentialKind::Secret {
                tenant,
                client_id,
                secret,
            } => self.by_secret(tenant, client_id, secret).await,
        }
    }

    async fn managed(&self, selector: &Selector) -> Result<Token, Failure> {
        let options = ManagedIdentityCredentialOptions {
            user_assigned_id: selected(selector),
            client_options: self.options(),
        };
        let credential =
            ManagedIdentityCredential::new(Some(options)).map_err(|error| failure(&error))?;
        token(&*credential, &self.scope()).await
    }

    async fn asserted(
        &self,
        tenant: &TenantId,
        client_id: &ClientId,
        assertion: impl ClientAssertion + 'static,
    ) -> Result<Token, Failure> {
        let options = ClientAssertionCredentialOptions {
            client_options: self.options(),
        };
        let (tenant, client_id) = (tenant.to_string(), client_id.to_string());
        let credential =
            ClientAssertionCredential::new(tenant, client_id, assertion, Some(options));
        token(
            &*credential.map_err(|error| failure(&error))?,
            &self.scope(),
        )
        .await
    }

    /// AD FS has the first version only; Entra ID has both.
    async fn by_secret(
        &self,
        tenant: &TenantId,
        client_id: &ClientId,
        secret: &ClientSecret,
    ) -> Result<Token, Failure> {
        let request = ClientSecretRequest {
            authority: &self.authority,
            tenant,
            client_id,
            secret: secret.expose(),
            resource: &self.audience,
            version: EndpointVersion::V1,
        };
        self.entra.client_secret(request).await
    }

    /// Appended even where the audience ends in a slash: the double one keeps the token's audience.
    fn scope(&self) -> String {
        format!("{}/.default", self.audience)
    }

    fn options(&self) -> ClientOptions {
        let mut cloud = CustomConfiguration::default();
        cloud.authority_host = self.authority.as_str().to_owned();
        ClientOptions {
            transport: Some(Transport::new(Arc::new(self.transport.clone()))),
            cloud: Some(Arc::new(CloudConfiguration::from(cloud))),
            ..ClientOptions::default()
        }
    }
}

fn selected(selector: &Selector) -> Option<UserAssignedId> {
    match selector {
        Selector::Unspecified => None,
        Selector::ClientId(id) => Some(UserAssignedId::ClientId(id.to_string())),
        Selector::ObjectId(id) => Some(UserAssignedId::ObjectId(id.to_string())),
        Selector::ResourceId(id) => Some(UserAssignedId::ResourceId(id.to_string())),
    }
}

async fn token(credential: &dyn TokenCredential, scope: &str) -> Result<Token, Failure> {
    let given = credential
        .get_token(&[scope], None)
        .await
        .map_err(|error| failure(&error))?;
    let secret = given.token.secret();
    let plain = secret.bytes().all(|byte| byte.is_ascii_graphic());
    if secret.is_empty() || secret.len() > MAX_ACCESS_TOKEN || !plain {
        return Err(Failure::outage(
            "the token for ARM is empty, longer than 64 KiB, or no token",
        ));
    }
    Ok(Token {
        access_token: AccessToken::from(secret.to_owned()),
        token_type: "Bearer".to_owned(),
        expires_on: u64::try_from(given.expires_on.unix_timestamp()).unwrap_or_default(),
        not_before: None,
    })
}

/// The transport's own failure, where it is the cause; else the SDK's words.
fn failure(error: &azure_core::Error) -> Failure {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(one) = cause {
        if let Some(failure) = one.downcast_ref::<Failure>() {
            return failure.clone();
        }
        cause = one.source();
    }
    Failure::outage(sentence(&error.to_string()))
}
