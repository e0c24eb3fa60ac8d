//! A cache plugin that is a component.

use std::sync::Arc;

use async_trait::async_trait;
use wasmtime::Store;

use super::{CachePolicy, IdentityType, Plan, Subject, Times};
use crate::PluginError;
use crate::bindings::cache::exports::podgate::cache::lifetime as wit;
use crate::bindings::cache::{Cache as Instance, CachePre};
use crate::guest::{Calls, Configured, Guest, Linked, State};

/// Longest key, as the interface says.
const MAX_KEY: usize = 256;

pub(crate) struct Component {
    calls: Arc<Calls<CachePre<State>>>,
}

impl Linked for CachePre<State> {
    type Instance = Instance;

    async fn instantiate(
        &self,
        store: &mut Store<State>,
        settings: &str,
    ) -> wasmtime::Result<(Instance, Configured)> {
        let instance = self.instantiate_async(&mut *store).await?;
        let lifetime = instance.podgate_cache_lifetime();
        let configured = lifetime.call_configure(store, settings).await?;
        Ok((instance, configured))
    }
}

// === impl Component ===

impl Component {
    /// Tries the settings on a first instance.
    pub(crate) async fn load(guest: Arc<Guest>, pre: CachePre<State>) -> Result<Self, PluginError> {
        let calls = Calls::load(guest, pre).await?;
        Ok(Self { calls })
    }
}

#[async_trait]
impl CachePolicy for Component {
    fn name(&self) -> &str {
        &self.calls.guest().name
    }

    async fn key(&self, subject: &Subject) -> Result<Option<String>, PluginError> {
        let subject: wit::Subject = subject.into();
        let asked = self.calls.ask(None, |store, instance| {
            Box::pin(async move {
                instance
                    .podgate_cache_lifetime()
                    .call_key(store, &subject)
                    .await
            })
        });
        match asked.await? {
            Some(key) if key.len() > MAX_KEY => {
                Err(self.calls.guest().oversized("cache key", MAX_KEY))
            }
            key => Ok(key),
        }
    }

    async fn plan(&self, subject: &Subject, times: Times) -> Result<Plan, PluginError> {
        let subject: wit::Subject = subject.into();
        let asked = self.calls.ask(None, move |store, instance| {
            let lifetime = instance.podgate_cache_lifetime();
            Box::pin(async move { lifetime.call_schedule(store, &subject, times.into()).await })
        });
        let plan = asked.await?;
        Ok(Plan {
            refresh_at: plan.refresh_at,
            fresh_until: plan.fresh_until,
            keep_until: plan.keep_until,
        })
    }
}

impl From<&Subject> for wit::Subject {
    fn from(subject: &Subject) -> Self {
        Self {
            client_id: subject.client_id.clone(),
            identity_type: match subject.identity_type {
                IdentityType::ManagedIdentity => wit::IdentityType::ManagedIdentity,
                IdentityType::ClientSecret => wit::IdentityType::ClientSecret,
                IdentityType::ClientCertificate => wit::IdentityType::ClientCertificate,
                IdentityType::Node => wit::IdentityType::Node,
            },
            resource: subject.resource.clone(),
        }
    }
}

impl From<Times> for wit::Times {
    fn from(times: Times) -> Self {
        Self {
            obtained: times.obtained,
            expires: times.expires,
            jitter: times.jitter,
        }
    }
}
