//! One call to the authority, and what becomes of it.

use std::sync::Arc;
use std::time::Duration;

use podgate_azure::failure::Failure;
use podgate_azure::token::Token;
use tokio::time::timeout;

use super::entry::Landing;
use super::{Held, Inner};
use crate::world::PodUid;

/// The longest that a call may take. Each way to get a token has a shorter deadline of its own; this one is
/// for whatever they do not cover, since an entry whose call never ends would never ask again.
const LONGEST: Duration = Duration::from_secs(30);

/// The longest life that a token is believed to have: nearly all last an hour or a day, so a later end is a
/// slip of the authority's, and would keep the token from ever being got anew.
const BELIEVED: u64 = 7 * 24 * 3600;

/// What a refused call costs its pod in addition, in calls: whoever asks for what it cannot have must not
/// take the turns of those who can.
const REFUSED: f64 = 2.0;

/// Lands in any case, by `landing` also where this task panics. Without a `payer` it is the gateway's own.
pub(super) async fn fetch(inner: Arc<Inner>, landing: Landing, payer: Option<PodUid>) {
    let wanted = landing.entry().wanted();
    let fetched = timeout(LONGEST, inner.source.fetch(wanted)).await;
    let now = inner.clock.now();
    let outcome = match fetched.unwrap_or_else(|_| Err(too_late())) {
        Ok(token) if token.expires_on <= now => Err(ended()),
        Ok(token) => {
            let token = believed(token, now);
            let plan = inner.lifetimes.plan(wanted, &token, now).await;
            Ok(Arc::new(Held::new(wanted, token, plan, now)))
        }
        Err(failure) => Err(failure),
    };
    if let (Err(Failure::Refused { .. }), Some(pod)) = (&outcome, payer) {
        inner.quota.charge(&pod, REFUSED);
    }
    landing.land(outcome, now);
}

fn believed(token: Token, now: u64) -> Token {
    Token {
        expires_on: token.expires_on.min(now.saturating_add(BELIEVED)),
        ..token
    }
}

fn ended() -> Failure {
    outage("the authority answered with a token that has ended already; check the node's clock")
}

fn too_late() -> Failure {
    outage("the authority has not answered in time; retry")
}

fn outage(description: &str) -> Failure {
    Failure::Unavailable {
        description: description.to_owned(),
        retry_after: None,
        throttled: false,
    }
}
