//! The policy chain: operators' WASM components decide whether a request goes on, and with which identities.
//!
//! In order; the first answer but `pass` ends the chain, `restrict` narrows and goes on. A plugin that
//! fails denies, unless its operator said `onFailure: skip`. A failure that passes is told as such, and one
//! that is not the plugin's own (too many calls at once) is never skipped: a pod could bring it about.
//!
//! The chain's plugins are one set, which is replaced as a whole. A judgement is of one set from beginning to end,
//! and what is remembered of a plugin's verdicts goes with its set.

use std::sync::Arc;

use arc_swap::ArcSwap;
use podgate_api::ClientId;
use podgate_plugin_host as host;
use podgate_plugin_host::{PluginError, PolicyQuestion, Verdict};

use crate::imds::TokenQuestion;
use crate::metrics::Metrics;
use crate::pod::ResolvedPod;
use crate::refusal::Refusal;
use crate::world::{Exceptions, PodUid, World};

mod memo;
mod observed;
mod question;
mod ruling;
mod suspension;
mod terms;

use memo::Memo;
use observed::Observed;
use question::to_host;
use ruling::Ruling;
use suspension::Suspension;
pub use terms::{Mode, OnFailure, Scope, Terms};

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

/// The plugins of a gateway, in order.
pub struct Chain {
    set: ArcSwap<Set>,
    metrics: Arc<Metrics>,
}

/// The plugins of one plugins file.
struct Set(Vec<Link>);

/// One plugin with what the gateway knows about it.
pub struct Link {
    plugin: Arc<dyn host::Policy>,
    terms: Terms,
    /// Verdicts of a pure plugin, remembered: same question, same answer.
    memo: Option<Memo>,
    suspension: Suspension,
    observed: Observed,
}

/// What one plugin said, and whether it was asked for it just now.
struct Answer {
    ruling: Ruling,
    fresh: bool,
}

// === impl Judgement ===

impl Judgement {
    /// What is allowed.
    pub fn allowed(&self) -> &Allowed {
        &self.allowed
    }

    /// Whether the same set would judge the same again, as long as nothing changes that it was told: all its plugins
    /// are pure functions, and each that was asked has answered. What rests on a skipped failure must not be
    /// remembered: the plugin may deny once it works again.
    pub fn is_certain(&self) -> bool {
        self.certain
    }
}

// === impl Chain ===

impl Chain {
    /// A chain of plugins with their terms.
    pub fn new(
        plugins: impl IntoIterator<Item = (Arc<dyn host::Policy>, Terms)>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let set = ArcSwap::from_pointee(Set::new(plugins));
        Self { set, metrics }
    }

    /// Other plugins from now on. Judgements that are under way end with those they began with. Whoever keeps
    /// judgements drops them: they are of the old plugins.
    pub fn replace(&self, plugins: impl IntoIterator<Item = (Arc<dyn host::Policy>, Terms)>) {
        self.set.store(Arc::new(Set::new(plugins)));
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
        let set = self.set.load_full();
        let exceptions = exceptions(world, pod);
        let (mut allowed, mut certain) = (Allowed::Bound, set.is_pure());
        for link in set.0.iter().filter(|link| link.terms.cover(pod.pod())) {
            let asked = self.ask(link, pod, question, &exceptions).await;
            let ruling = self.count(link, pod, asked)?;
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

    /// What an answer counts for on the link's terms: none where the plugin failed and that is no refusal.
    fn count(
        &self,
        link: &Link,
        pod: &ResolvedPod,
        asked: Result<Answer, PluginError>,
    ) -> Result<Option<Ruling>, Refusal> {
        if link.terms.mode == Mode::Observe {
            let verdict = link.observed.record(link.name(), pod, &asked);
            self.metrics.plugins().observed(link.name(), verdict);
            return Ok(asked.is_ok().then_some(Ruling::Pass));
        }
        match asked {
            Ok(answer) => Ok(Some(answer.ruling)),
            Err(error) => failed(link, &error).map(|()| None),
        }
    }

    async fn ask(
        &self,
        link: &Link,
        pod: &ResolvedPod,
        question: &TokenQuestion,
        exceptions: &Exceptions,
    ) -> Result<Answer, PluginError> {
        let remembered = link.memo.as_ref();
        if let Some(ruling) = remembered.and_then(|memo| memo.get(pod, question, exceptions)) {
            let fresh = false;
            return Ok(Answer { ruling, fresh });
        }
        let asked = link
            .ask(pod.uid(), &to_host(pod, question, exceptions))
            .await;
        self.metrics.plugin_call(link.name(), "policy", &asked);
        let ruling = Ruling::from(asked?);
        if let Some(memo) = remembered {
            memo.put(pod, question, exceptions, &ruling);
        }
        let fresh = true;
        Ok(Answer { ruling, fresh })
    }

    /// Whether every plugin of now is a pure function of what it is told, so that a verdict holds until that changes.
    pub fn is_pure(&self) -> bool {
        self.set.load().is_pure()
    }
}

// === impl Set ===

impl Set {
    fn new(plugins: impl IntoIterator<Item = (Arc<dyn host::Policy>, Terms)>) -> Self {
        let link = |(plugin, terms): (Arc<dyn host::Policy>, Terms)| Link {
            memo: plugin.is_pure().then(Memo::new),
            plugin,
            terms,
            suspension: Suspension::new(),
            observed: Observed::default(),
        };
        Self(plugins.into_iter().map(link).collect())
    }

    fn is_pure(&self) -> bool {
        self.0.iter().all(|link| link.memo.is_some())
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
    match (link.terms.on_failure, error) {
        (_, PluginError::Overloaded { .. }) => {
            log_failure(link, error, "policy cannot be asked right now");
            Err(Refusal::PolicyUnavailable { plugin: plugin() })
        }
        (OnFailure::Skip, _) => {
            log_failure(link, error, "policy failed and is skipped");
            Ok(())
        }
        (
            OnFailure::Deny,
            PluginError::Timeout { .. } | PluginError::Cpu { .. } | PluginError::Suspended { .. },
        ) => {
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
