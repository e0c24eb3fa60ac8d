//! The record of every call, without secrets.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::faults::Target;
use super::reply::Outcome;

/// One request that reached the simulation.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct Call {
    /// When it came, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Which service.
    pub target: Target,
    /// The method.
    pub method: String,
    /// The path as it was sent.
    pub path: String,
    /// The query as it was sent, secrets taken out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// The form of a token request in order, secrets and assertions replaced by their length.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub form: Vec<(String, String)>,
    /// The status that was answered; `None` while the answer is out, and when there was none (hang, reset).
    #[serde(default)]
    pub status: Option<u16>,
    /// Why it was refused, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// Whether a scripted fault decided the answer.
    #[serde(default)]
    pub faulted: bool,
    /// Whether it asked for what podgate must never ask the node's IMDS for: IMDSv2 credentials, the attested
    /// document, scheduled events.
    #[serde(default)]
    pub forbidden: bool,
    /// The body of a PATCH.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<serde_json::Value>,
    /// What the call cost at ARM: each bucket it took a token from, and how many that one has left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub charges: Vec<String>,
    /// The other end.
    pub peer: SocketAddr,
}

impl Call {
    /// The value of a form field or a query parameter, decoded; the form first.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let form = self
            .form
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value.clone());
        form.or_else(|| {
            let mut pairs = url::form_urlencoded::parse(self.query.as_deref()?.as_bytes());
            pairs
                .find(|(field, _)| field == name)
                .map(|(_, value)| value.into_owned())
        })
    }
}

/// Where a call is in the record, to complete it later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    epoch: u64,
    index: usize,
}

/// The calls since the record was last cleared.
#[derive(Default)]
pub(crate) struct Record(Mutex<Calls>);

#[derive(Default)]
struct Calls {
    epoch: u64,
    list: Vec<Call>,
}

impl Record {
    pub(crate) fn begin(&self, call: Call) -> Ticket {
        let mut calls = self.0.lock();
        calls.list.push(call);
        Ticket {
            epoch: calls.epoch,
            index: calls.list.len() - 1,
        }
    }

    /// Amends a call, unless the record was cleared since it began.
    pub(crate) fn amend(&self, ticket: Ticket, change: impl FnOnce(&mut Call)) {
        let mut calls = self.0.lock();
        if calls.epoch == ticket.epoch
            && let Some(call) = calls.list.get_mut(ticket.index)
        {
            change(call);
        }
    }

    /// Completes a call with what was answered, and logs it.
    pub(crate) fn finish(&self, ticket: Ticket, outcome: &Outcome) {
        self.amend(ticket, |call| {
            call.status = outcome.status().map(|status| status.as_u16());
            call.refusal = outcome.refusal();
            tracing::info!(
                target = ?call.target, method = %call.method, path = %call.path, query = call.query, peer = %call.peer,
                status = call.status, refusal = call.refusal, faulted = call.faulted, forbidden = call.forbidden,
                "call"
            );
        });
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.0.lock().list.clone()
    }

    /// Shows each call in order, without copying the record.
    pub(crate) fn each(&self, mut look: impl FnMut(&Call)) {
        self.0.lock().list.iter().for_each(&mut look);
    }

    pub(crate) fn clear(&self) {
        let mut calls = self.0.lock();
        calls.epoch += 1;
        calls.list.clear();
    }
}

/// Parameters whose values prove something to somebody.
const SECRET: [&str; 4] = ["client_secret", "client_assertion", "password", "assertion"];

/// A query as it was sent, the values of [`SECRET`] parameters replaced by their length.
pub(crate) fn without_secrets(query: &str) -> String {
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, value)) => format!("{name}={}", shown(name, value)),
        None => pair.to_owned(),
    });
    pairs.collect::<Vec<_>>().join("&")
}

/// What the record shows of a parameter.
pub(crate) fn shown(name: &str, value: &str) -> String {
    match SECRET.contains(&name) {
        true => format!("<{} bytes>", value.len()),
        false => value.to_owned(),
    }
}

/// Milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
