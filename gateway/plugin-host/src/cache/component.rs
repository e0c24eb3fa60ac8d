//! A cache plugin that is a component.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::time::timeout_at;
use wasmtime::Store;

use super::{CachePolicy, IdentityType, Plan, Subject, Times};
use crate::PluginError;
use crate::bindings::cache::exports::podgate::cache::lifetime as wit;
use crate::bindings::cache::{Cache as Instance, CachePre};
use crate::guest::{Guest, State, accepted};

/// Longest key, as the interface says.
const MAX_KEY: usize = 256;

pub(crate) struct Component {
    guest: Arc<Guest>,
    pre: CachePre<State>,
}

// === impl Component ===

impl Component {
    /// Tries the settings on a first instance.
    pub(crate) async fn load(guest: Arc<Guest>, pre: CachePre<State>) -> Result<Self, PluginError> {
        let plugin = Self { guest, pre };
        let mut call = plugin.guest.begin(None).await?;
        let ready = timeout_at(call.deadline, plugin.ready(&mut call.store)).await;
        call.end(ready)?;
        Ok(plugin)
    }

    async fn ready(&self, store: &mut Store<State>) -> wasmtime::Result<Instance> {
        let instance = self.pre.instantiate_async(&mut *store).await?;
        let settings = &self.guest.settings;
        accepted(
            instance
                .podgate_cache_lifetime()
                .call_configure(store, settings)
                .await?,
        )?;
        Ok(instance)
    }

    async fn ask_key(
        &self,
        store: &mut Store<State>,
        subject: &wit::Subject,
    ) -> wasmtime::Result<Option<String>> {
        let instance = self.ready(store).await?;
        instance
            .podgate_cache_lifetime()
            .call_key(store, subject)
            .await
    }

    async fn ask_plan(
        &self,
        store: &mut Store<State>,
        subject: &wit::Subject,
        times: wit::Times,
    ) -> wasmtime::Result<wit::Plan> {
        let instance = self.ready(store).await?;
        instance
            .podgate_cache_lifetime()
            .call_schedule(store, subject, times)
            .await
    }
}

#[async_trait]
impl CachePolicy for Component {
    fn name(&self) -> &str {
        &self.guest.name
    }

    async fn key(&self, subject: &Subject) -> Result<Option<String>, PluginError> {
        let subject = subject.into();
        let mut call = self.guest.begin(None).await?;
        let asked = timeout_at(call.deadline, self.ask_key(&mut call.store, &subject)).await;
        match call.end(asked)? {
            Some(key) if key.len() > MAX_KEY => Err(self.guest.oversized("cache key", MAX_KEY)),
            key => Ok(key),
        }
    }

    async fn plan(&self, subject: &Subject, times: Times) -> Result<Plan, PluginError> {
        let subject = subject.into();
        let mut call = self.guest.begin(None).await?;
        let asked = self.ask_plan(&mut call.store, &subject, times.into());
        let asked = timeout_at(call.deadline, asked).await;
        let plan = call.end(asked)?;
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
