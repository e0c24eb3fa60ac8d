//! The policy chain: operators' WASM components decide whether a request goes on, and with which identities.
//!
//! In order; the first answer but `pass` ends the chain, `restrict` narrows and goes on. A plugin that
//! fails denies, unless its operator said `onFailure: skip`. A failure that passes is told as such, and one
//! that is not the plugin's own (too many calls at once) is never skipped: a pod could bring it about.

use std::sync::Arc;

use podgate_api::ClientId;
use podgate_azure::imds::Selector;
use podgate_plugin_host as host;
use podgate_plugin_host::{PluginError, PolicyQuestion, Verdict};

use crate::imds::TokenQuestion;
use crate::metrics::Metrics;
use crate::pod::ResolvedPod;
use crate::refusal::Refusal;
use crate::world::{Exceptions, PodUid, World};

mod memo;
mod ruling;
mod suspension;

use memo::Memo;
use ruling::Ruling;
use suspension::Suspension;

/// What the chain lets a request have. Only [`Chain::judge`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    allowed: Allowed,
    certain: bool,
}

/// The inside of a [`Judgement`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// Any identity the bindings give.
    Bound,
    /// Only identities the bindings give that have one of these client ids.
    Restricted(Arc<[ClientId]>),
    /// The node's own identities: an excepted pod.
    Node,
}

/// What a failing plugin means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// The request is denied.
    #[default]
    Deny,
    /// The plugin counts as having said `pass`.
    Skip,
}

/// The plugins of a gateway, in order.
pub struct Chain {
    links: Vec<Link>,
    metrics: Arc<Metrics>,
}

/// One plugin with what the gateway knows about it.
pub struct Link {
    plugin: Arc<dyn host::Policy>,
    on_failure: OnFailure,
    /// Verdicts of a pure plugin, remembered: same question, same answer.
    memo: Option<Memo>,
    suspension: Suspension,
}

// === impl Judgement ===

impl Judgement {
    /// What is allowed.
    pub fn allowed(&self) -> &Allowed {
        &self.allowed
    }

    /// Whether every plugin that was asked has answered. What rests on a skipped failure must not be
    /// remembered: the plugin may deny once it works again.
    pub fn is_certain(&self) -> bool {
        self.certain
    }
}

// === impl Chain ===

impl Chain {
    /// A chain of plugins with what their failure means.
    pub fn new(
        plugins: impl IntoIterator<Item = (Arc<dyn host::Policy>, OnFailure)>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let links = plugins
            .into_iter()
            .map(|(plugin, on_failure)| Link {
                memo: plugin.is_pure().then(Memo::new),
                plugin,
                on_failure,
                suspension: Suspension::new(),
            })
            .collect();
        Self { links, metrics }
    }

    /// Asks each plugin in turn.
    ///
    /// # Errors
    /// [`Refusal::Denied`] with the plugin's reason, [`Refusal::PolicyFailed`] where one failed,
    /// [`Refusal::PolicyUnavailable`] where it may answer if asked again.
    pub async fn judge(
        &self,
        world: &World,
        pod: &ResolvedPod,
        question: &TokenQuestion,
    ) -> Result<Judgement, Refusal> {
        let exceptions = exceptions(world, pod);
        let (mut allowed, mut certain) = (Allowed::Bound, true);
        for link in &self.links {
            let ruling = self.ask(link, pod, question, &exceptions).await?;
            certain &= ruling.is_some();
            match ruling.unwrap_or(Ruling::Pass) {
                Ruling::Pass => {}
                Ruling::Bypass => {
                    allowed = bypass(allowed, link)?;
                    break;
                }
                Ruling::Deny(reason) => return Err(denied(link, &reason)),
                Ruling::Restrict(ids) => allowed = narrow(allowed, ids, link)?,
            }
        }
        Ok(Judgement { allowed, certain })
    }

    /// None where it failed and is skipped.
    async fn ask(
        &self,
        link: &Link,
        pod: &ResolvedPod,
        question: &TokenQuestion,
        exceptions: &Exceptions,
    ) -> Result<Option<Ruling>, Refusal> {
        let remembered = link.memo.as_ref();
        if let Some(ruling) = remembered.and_then(|memo| memo.get(pod, question, exceptions)) {
            return Ok(Some(ruling));
        }
        let asked = link
            .ask(pod.uid(), &to_host(pod, question, exceptions))
            .await;
        self.metrics.plugin_call(link.name(), "policy", &asked);
        match asked.map(Ruling::from) {
            Ok(ruling) => {
                if let Some(memo) = remembered {
                    memo.put(pod, question, exceptions, &ruling);
                }
                Ok(Some(ruling))
            }
            Err(error) => failed(link, &error).map(|()| None),
        }
    }

    /// Whether every plugin is a pure function of what it is told, so that a verdict holds until that changes.
    pub fn is_pure(&self) -> bool {
        self.links.iter().all(|link| link.memo.is_some())
    }
}

// === impl Link ===

impl Link {
    fn name(&self) -> &str {
        self.plugin.name()
    }

    async fn ask(&self, pod: &PodUid, question: &PolicyQuestion) -> Result<Verdict, PluginError> {
        self.suspension.check(self.name(), pod)?;
        let asked = self.plugin.decide(question).await;
        self.suspension.record(pod, &asked);
        asked
    }
}

/// What a failure means: nothing, where it is skipped.
fn failed(link: &Link, error: &PluginError) -> Result<(), Refusal> {
    let plugin = || link.name().to_owned();
    match (link.on_failure, error) {
        (_, PluginError::Overloaded { .. }) => {
            log_failure(link, error, "policy cannot be asked right now");
            Err(Refusal::PolicyUnavailable { plugin: plugin() })
        }
        (OnFailure::Skip, _) => {
            log_failure(link, error, "policy failed and is skipped");
            Ok(())
        }
        (OnFailure::Deny, PluginError::Timeout { .. } | PluginError::Suspended { .. }) => {
            log_failure(link, error, "policy failed and denies for now");
            Err(Refusal::PolicyUnavailable { plugin: plugin() })
        }
        (OnFailure::Deny, _) => {
            log_failure(link, error, "policy failed and denies");
            Err(Refusal::PolicyFailed { plugin: plugin() })
        }
    }
}

/// A suspended plugin has said why before, and would now be told of with each request.
fn log_failure(link: &Link, error: &PluginError, meaning: &str) {
    match error {
        PluginError::Suspended { .. } => tracing::debug!(plugin = link.name(), %error, "{meaning}"),
        _ => tracing::error!(plugin = link.name(), %error, "{meaning}"),
    }
}

fn exceptions(world: &World, pod: &ResolvedPod) -> Arc<Exceptions> {
    let namespace = &pod.pod().object.namespace;
    world
        .read()
        .exceptions(namespace)
        .map(Arc::clone)
        .unwrap_or_default()
}

fn denied(link: &Link, reason: &str) -> Refusal {
    Refusal::Denied {
        plugin: link.name().to_owned(),
        reason: reason.to_owned(),
    }
}

/// What an earlier plugin narrowed, a later one cannot widen to everything the node has.
fn bypass(allowed: Allowed, link: &Link) -> Result<Allowed, Refusal> {
    match allowed {
        Allowed::Bound | Allowed::Node => Ok(Allowed::Node),
        Allowed::Restricted(_) => Err(denied(
            link,
            "it lets the pod through to the node's identities, which an earlier policy's restriction rules out",
        )),
    }
}

/// `restrict` only ever narrows: what an earlier plugin took away stays away.
fn narrow(allowed: Allowed, ids: Arc<[ClientId]>, link: &Link) -> Result<Allowed, Refusal> {
    let ids = match &allowed {
        Allowed::Restricted(before) => ids
            .iter()
            .filter(|id| before.contains(id))
            .cloned()
            .collect(),
        Allowed::Bound | Allowed::Node => ids,
    };
    match ids.is_empty() {
        true => Err(denied(link, "no identity is left after its restriction")),
        false => Ok(Allowed::Restricted(ids)),
    }
}

fn to_host(pod: &ResolvedPod, question: &TokenQuestion, exceptions: &Exceptions) -> PolicyQuestion {
    let pod = pod.pod();
    PolicyQuestion {
        pod: host::Pod {
            namespace: pod.object.namespace.clone(),
            name: pod.object.name.clone(),
            uid: pod.uid.to_string(),
            service_account: pod.service_account.clone(),
            labels: labels(&pod.labels),
        },
        request: host::TokenRequest {
            path: question.route.name().to_owned(),
            resource: question.resource.to_string(),
            identity: selector(&question.selector),
        },
        exceptions: exceptions
            .entries
            .iter()
            .map(|(name, pod_labels)| host::PodException {
                name: name.clone(),
                pod_labels: labels(pod_labels),
            })
            .collect(),
    }
}

fn labels(labels: &std::collections::BTreeMap<String, String>) -> Vec<host::Label> {
    labels
        .iter()
        .map(|(name, value)| host::Label {
            name: name.clone(),
            value: value.clone(),
        })
        .collect()
}

/// In one case, since Azure compares ids without regard to it and so does the memo: a verdict must not depend
/// on the spelling that came first.
fn selector(selector: &Selector) -> host::IdentitySelector {
    let lower = |id: &str| id.to_ascii_lowercase();
    match selector {
        Selector::Unspecified => host::IdentitySelector::Unspecified,
        Selector::ClientId(id) => host::IdentitySelector::ClientId(lower(id.as_str())),
        Selector::ObjectId(id) => host::IdentitySelector::ObjectId(lower(id.as_str())),
        Selector::ResourceId(id) => host::IdentitySelector::ResourceId(lower(id.as_str())),
    }
}

#[cfg(test)]
mod tests;

/// Judgements for the tests of later stages, which cannot make one.
#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    pub(crate) fn judged(allowed: Allowed) -> Judgement {
        Judgement {
            allowed,
            certain: true,
        }
    }
}
