//! `podgate:types/service-account`: the gateway's own tokens, by audience.

use std::sync::Arc;

use crate::bindings::credential::podgate::types::service_account::{Error, Host};
use crate::guest::State;
use crate::{ServiceAccount, text};

/// Tokens that one call may ask for: one, and another try.
const MAX_TOKENS: usize = 4;

/// What one call may ask for, and how much of it is left.
pub(crate) struct Tokens {
    source: Arc<dyn ServiceAccount>,
    /// The operator's grants.
    granted: Arc<[String]>,
    left: usize,
}

impl Host for State {
    async fn token(&mut self, audience: String) -> Result<String, Error> {
        self.tokens.token(audience).await
    }
}

// === impl Tokens ===

impl Tokens {
    /// None until there is a question: what a plugin says of its settings stands in logs and Events.
    pub(crate) fn new(source: Arc<dyn ServiceAccount>, granted: Arc<[String]>) -> Self {
        Self {
            source,
            granted,
            left: 0,
        }
    }

    /// From here on there is one.
    pub(crate) fn begin(&mut self) {
        self.left = MAX_TOKENS;
    }

    async fn token(&mut self, audience: String) -> Result<String, Error> {
        if !self.granted.contains(&audience) {
            return Err(Error::NotGranted(text::clean(&audience, text::MAX_SHOWN)));
        }
        let left = self.left.checked_sub(1);
        self.left =
            left.ok_or_else(|| Error::Unavailable("no token is left for this call".into()))?;
        let token = self.source.token(&audience).await;
        // The copy that the guest gets goes with its instance.
        token
            .map(|token| token.to_string())
            .map_err(|cause| Error::Unavailable(text::clean(&cause, text::MAX_SHOWN)))
    }
}
