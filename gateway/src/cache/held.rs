//! A token with the times it is kept by, rendered once as the body of an answer.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::{BufMut, Bytes, BytesMut};
use podgate_api::ObjectId;
use podgate_azure::token::Token;
use podgate_plugin_host::Plan;
use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::assignment::Whose;
use crate::credential::Wanted;

/// A token that may be served.
pub struct Held {
    plan: Plan,
    obtained: u64,
    expires_on: u64,
    object_id: Option<ObjectId>,
    /// The answer's JSON up to the value of `expires_in`, which alone changes from one answer to the next.
    head: Zeroizing<Vec<u8>>,
    tail: Vec<u8>,
}

#[derive(Deserialize)]
struct Claims {
    oid: Option<String>,
}

impl Held {
    pub(super) fn new(wanted: &Wanted, token: Token, plan: Plan, now: u64) -> Self {
        let expires_on = token.expires_on;
        Self {
            plan: cut(plan, expires_on),
            obtained: now,
            expires_on,
            object_id: object_id(token.access_token.secret()),
            head: head(wanted, &token),
            tail: tail(wanted, &token, now),
        }
    }

    /// Served without asking.
    pub(super) fn is_fresh(&self, now: u64) -> bool {
        now < self.plan.fresh_until && self.is_kept(now)
    }

    /// Time to renew.
    pub(super) fn is_due(&self, now: u64) -> bool {
        now >= self.plan.refresh_at
    }

    /// Served at all.
    pub(super) fn is_kept(&self, now: u64) -> bool {
        now < self.plan.keep_until && now < self.expires_on
    }

    pub(super) fn age(&self, now: u64) -> u64 {
        now.saturating_sub(self.obtained)
    }

    pub(super) fn obtained(&self) -> u64 {
        self.obtained
    }

    /// The principal's object id, by the token's own `oid`. The token came from the authority itself over
    /// TLS or from the node's IMDS, so its claims need no second proof to choose among a pod's identities.
    pub fn object_id(&self) -> Option<&ObjectId> {
        self.object_id.as_ref()
    }

    /// When the token ends.
    pub fn expires_on(&self) -> u64 {
        self.expires_on
    }

    /// The body of the answer, every value a JSON string as IMDS writes them.
    pub fn body(&self, now: u64) -> Bytes {
        let mut body = BytesMut::with_capacity(self.head.len() + self.tail.len() + 20);
        body.put_slice(&self.head);
        let left = self.expires_on.saturating_sub(now);
        body.put_slice(left.to_string().as_bytes());
        body.put_slice(&self.tail);
        body.freeze()
    }
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held")
            .field("plan", &self.plan)
            .field("expires_on", &self.expires_on)
            .finish_non_exhaustive()
    }
}

/// Nothing a plugin says lengthens a token's life.
fn cut(plan: Plan, expires_on: u64) -> Plan {
    let keep_until = plan.keep_until.min(expires_on);
    let fresh_until = plan.fresh_until.min(keep_until);
    Plan {
        refresh_at: plan.refresh_at.min(fresh_until),
        fresh_until,
        keep_until,
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn head(wanted: &Wanted, token: &Token) -> Zeroizing<Vec<u8>> {
    let secret = Zeroizing::new(quoted(token.access_token.secret()));
    let client_id = match wanted.assignment.whose() {
        Whose::Bound { identity, .. } => identity.client_id().map(ToString::to_string),
        Whose::Node(_) => None,
    };
    let client_id = client_id
        .map(|id| format!("\"client_id\":{},", quoted(&id)))
        .unwrap_or_default();
    // Allocated once: a growing buffer would leave copies of the token behind.
    let mut head = Zeroizing::new(Vec::with_capacity(secret.len() + client_id.len() + 64));
    head.extend_from_slice(b"{\"access_token\":");
    head.extend_from_slice(secret.as_bytes());
    head.extend_from_slice(b",\"refresh_token\":\"\",");
    head.extend_from_slice(client_id.as_bytes());
    head.extend_from_slice(b"\"expires_in\":\"");
    head
}

fn tail(wanted: &Wanted, token: &Token, now: u64) -> Vec<u8> {
    format!(
        "\",\"expires_on\":\"{}\",\"not_before\":\"{}\",\"resource\":{},\"token_type\":{}}}",
        token.expires_on,
        token.not_before.unwrap_or(now),
        quoted(wanted.resource.as_str()),
        quoted(&token.token_type),
    )
    .into_bytes()
}

fn object_id(token: &str) -> Option<ObjectId> {
    let payload = token.split('.').nth(1)?;
    let json = Zeroizing::new(URL_SAFE_NO_PAD.decode(payload).ok()?);
    let claims: Claims = serde_json::from_slice(&json).ok()?;
    claims.oid?.parse().ok()
}
