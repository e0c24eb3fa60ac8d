//! A credential plugin that is a component.

use std::sync::Arc;

use async_trait::async_trait;
use wasmtime::Store;

use super::{AccessToken, AcquiredToken, Credential, CredentialFailure, CredentialQuestion};
use crate::bindings::credential::exports::podgate::credential::acquire as wit;
use crate::bindings::credential::{Credential as Instance, CredentialPre};
use crate::guest::{Answering, Calls, Configured, Guest, Linked, State};
use crate::imports::http::Origin;
use crate::imports::keys::HeldKey;
use crate::text::{self, MAX_SHOWN};
use crate::{PluginError, SigningKey};

/// Longest OAuth error code and token type; those in use have some thirty characters.
const MAX_CODE: usize = 128;

pub(crate) struct Component {
    calls: Arc<Calls<CredentialPre<State>>>,
}

impl Linked for CredentialPre<State> {
    type Instance = Instance;

    async fn instantiate(
        &self,
        store: &mut Store<State>,
        settings: &str,
    ) -> wasmtime::Result<(Instance, Configured)> {
        let instance = self.instantiate_async(&mut *store).await?;
        let acquire = instance.podgate_credential_acquire();
        let configured = acquire.call_configure(store, settings).await?;
        Ok((instance, configured))
    }
}

/// Asks an instance, with the key in its hands.
fn acquire<'a>(
    store: &'a mut Store<State>,
    instance: &'a Instance,
    question: wit::Question,
    key: Arc<dyn SigningKey>,
) -> Answering<'a, Result<wit::Token, wit::Failure>> {
    Box::pin(async move {
        store.data_mut().tokens.begin();
        let key = store.data_mut().handles.push(HeldKey(key))?;
        let acquire = instance.podgate_credential_acquire();
        acquire.call_acquire(store, &question, key).await
    })
}

// === impl Component ===

impl Component {
    /// Tries the settings on a first instance.
    pub(crate) async fn load(
        guest: Arc<Guest>,
        pre: CredentialPre<State>,
    ) -> Result<Self, PluginError> {
        let calls = Calls::load(guest, pre).await?;
        Ok(Self { calls })
    }

    fn guest(&self) -> &Guest {
        self.calls.guest()
    }

    fn token(&self, token: wit::Token) -> Result<AcquiredToken, PluginError> {
        // First of all, so that it is wiped whatever comes next.
        let access_token = AccessToken::from(token.access_token);
        self.guest()
            .check_size("token", access_token.secret().len())?;
        if !text::is_visible_ascii(access_token.secret()) {
            return Err(self
                .guest()
                .invalid_answer("the token is empty or has characters that no token has"));
        }
        if token.token_type.len() > MAX_CODE || !text::is_visible_ascii(&token.token_type) {
            return Err(self
                .guest()
                .invalid_answer("the token's type is no word; `Bearer` is usual"));
        }
        Ok(AcquiredToken {
            access_token,
            token_type: token.token_type,
            expires_on: token.expires_on,
            not_before: token.not_before,
        })
    }

    fn failure(&self, failure: wit::Failure) -> Result<CredentialFailure, PluginError> {
        match failure {
            wit::Failure::Refused(refusal) => Ok(CredentialFailure::Refused {
                error: text::clean(&refusal.error, MAX_CODE),
                description: self.description(&refusal.description)?,
                stale_credential: refusal.stale_credential,
            }),
            wit::Failure::Unavailable(outage) => Ok(CredentialFailure::Unavailable {
                description: self.description(&outage.description)?,
                retry_after: outage.retry_after,
                throttled: outage.throttled,
            }),
        }
    }

    fn description(&self, description: &str) -> Result<String, PluginError> {
        self.guest()
            .check_size("description of a failure", description.len())?;
        Ok(text::clean(description, MAX_SHOWN))
    }
}

#[async_trait]
impl Credential for Component {
    fn name(&self) -> &str {
        &self.guest().name
    }

    fn needs_key(&self) -> bool {
        self.guest().audiences.is_empty()
    }

    async fn acquire(
        &self,
        question: &CredentialQuestion,
        key: Arc<dyn SigningKey>,
    ) -> Result<Result<AcquiredToken, CredentialFailure>, PluginError> {
        let authority = Origin::of_text(&question.identity.authority);
        let question = question.into();
        let asked = self.calls.ask(authority, |store, instance| {
            acquire(store, instance, question, key)
        });
        match asked.await? {
            Ok(token) => self.token(token).map(Ok),
            Err(failure) => self.failure(failure).map(Err),
        }
    }
}

impl From<&CredentialQuestion> for wit::Question {
    fn from(question: &CredentialQuestion) -> Self {
        let identity = &question.identity;
        Self {
            identity: wit::Identity {
                client_id: identity.client_id.clone(),
                tenant_id: identity.tenant_id.clone(),
                authority: identity.authority.clone(),
            },
            resource: question.resource.clone(),
            request_id: question.request_id.clone(),
        }
    }
}
