//! The lifetimes of now, which a reload replaces.

use std::sync::Arc;

use arc_swap::ArcSwap;
use podgate_azure::token::Token;
use podgate_plugin_host::{CachePolicy, Plan};

use super::lifetime::Lifetimes;
use crate::credential::Wanted;
use crate::metrics::Metrics;

/// A plan that is being made ends with the plugin that it began with.
pub(super) struct Current(ArcSwap<Lifetimes>);

impl Current {
    pub(super) fn new(policy: Option<Arc<dyn CachePolicy>>, metrics: Arc<Metrics>) -> Self {
        Self(ArcSwap::from_pointee(Lifetimes::new(policy, metrics)))
    }

    pub(super) fn replace(&self, policy: Option<Arc<dyn CachePolicy>>, metrics: Arc<Metrics>) {
        self.0.store(Arc::new(Lifetimes::new(policy, metrics)));
    }

    pub(super) async fn plan(&self, wanted: &Wanted, token: &Token, now: u64) -> Plan {
        self.0.load_full().plan(wanted, token, now).await
    }
}
