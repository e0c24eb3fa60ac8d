//! What plugins may be shown of the place they run in: its clock, and tokens of its service account.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use zeroize::Zeroizing;

/// The node, as plugins with the grants see it.
#[derive(Clone)]
pub struct Surroundings {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Tokens for authorities outside the cluster.
    pub service_account: Arc<dyn ServiceAccount>,
}

/// A clock.
pub trait Clock: Send + Sync {
    /// The time since 1970-01-01T00:00:00Z.
    fn since_1970(&self) -> Duration;
}

/// The gateway's own Kubernetes service account.
#[async_trait]
pub trait ServiceAccount: Send + Sync {
    /// A token for this audience, which the operator granted to the plugin that asks.
    ///
    /// # Errors
    /// There is none now, in a sentence for the plugin that holds no secret.
    async fn token(&self, audience: &str) -> Result<Zeroizing<String>, String>;
}

/// The machine's own clock.
struct SystemClock;

/// Where there is none.
struct NoServiceAccount;

// === impl Surroundings ===

impl Default for Surroundings {
    /// The machine's clock, and no service account.
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            service_account: Arc::new(NoServiceAccount),
        }
    }
}

impl Clock for SystemClock {
    fn since_1970(&self) -> Duration {
        // A node before 1970 has worse problems than a plugin that sees zero.
        SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
    }
}

#[async_trait]
impl ServiceAccount for NoServiceAccount {
    async fn token(&self, _: &str) -> Result<Zeroizing<String>, String> {
        Err("this gateway was given no token of a service account".to_owned())
    }
}
