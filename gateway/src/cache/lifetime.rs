//! How long tokens are kept: the cache plugin's word, and the host's own where there is none.

use std::sync::Arc;

use podgate_azure::token::Token;
use podgate_plugin_host::{CachePolicy, IdentityType, Plan, Subject, Times};

use crate::assignment::Whose;
use crate::credential::Wanted;
use crate::metrics::Metrics;
use crate::world::Way;

/// Before its end a token is asked for anew: a caller may hold it for a request that takes a while.
const MARGIN: u64 = 300;

/// Asks the plugin; a plugin that fails costs nobody a token.
pub(super) struct Lifetimes {
    policy: Option<Arc<dyn CachePolicy>>,
    metrics: Arc<Metrics>,
}

impl Lifetimes {
    pub(super) fn new(policy: Option<Arc<dyn CachePolicy>>, metrics: Arc<Metrics>) -> Self {
        Self { policy, metrics }
    }

    /// When a new token is renewed, and how long it is kept. Asked once per call to an authority, so that
    /// nobody makes a plugin work by asking for what no authority gives.
    pub(super) async fn plan(&self, wanted: &Wanted, token: &Token, now: u64) -> Plan {
        let Some(policy) = &self.policy else {
            return default_plan(now, token.expires_on);
        };
        let subject = subject(wanted);
        if !self.keeps(policy.as_ref(), &subject).await {
            return UNKEPT;
        }
        let times = Times {
            obtained: now,
            expires: token.expires_on,
            jitter: jitter(),
        };
        let asked = policy.plan(&subject, times).await;
        self.metrics.plugin_call(policy.name(), "cache", &asked);
        asked.unwrap_or_else(|error| {
            tracing::error!(plugin = policy.name(), %error, "cache plugin failed; the token is kept as by default");
            default_plan(now, token.expires_on)
        })
    }

    /// Whether tokens of this subject are kept at all. The host's own part of the key already tells every
    /// subject apart, so of the plugin's key only its absence matters.
    async fn keeps(&self, policy: &dyn CachePolicy, subject: &Subject) -> bool {
        let asked = policy.key(subject).await;
        self.metrics.plugin_call(policy.name(), "cache", &asked);
        match asked {
            Ok(key) => key.is_some(),
            Err(error) => {
                tracing::error!(plugin = policy.name(), %error, "cache plugin failed; tokens are kept as by default");
                true
            }
        }
    }
}

/// Served to those who wait for it, and to nobody after them.
const UNKEPT: Plan = Plan {
    refresh_at: 0,
    fresh_until: 0,
    keep_until: 0,
};

/// Renewed at half its life, fresh until five minutes before its end, kept to the end.
fn default_plan(now: u64, expires: u64) -> Plan {
    let life = expires.saturating_sub(now);
    Plan {
        refresh_at: now + life / 2,
        fresh_until: expires.saturating_sub(MARGIN).max(now + life / 2),
        keep_until: expires,
    }
}

fn jitter() -> u32 {
    let random = uuid::Uuid::new_v4().as_u128() % 1_000_000;
    u32::try_from(random).unwrap_or_default()
}

fn subject(wanted: &Wanted) -> Subject {
    let (client_id, identity_type) = match wanted.assignment.whose() {
        Whose::Node(_) => (String::new(), IdentityType::Node),
        Whose::Bound { identity, .. } => (
            identity
                .client_id()
                .map(ToString::to_string)
                .unwrap_or_default(),
            match identity.way {
                Way::Managed { .. } => IdentityType::ManagedIdentity,
                Way::Secret(_) => IdentityType::ClientSecret,
                Way::Certificate(_) | Way::Federated(_) => IdentityType::ClientCertificate,
            },
        ),
    };
    Subject {
        client_id,
        identity_type,
        resource: wanted.resource.to_string(),
    }
}
