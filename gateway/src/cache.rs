//! Tokens that were got once, kept as long as they are good.
//!
//! ```text
//!        refresh-at          fresh-until            keep-until <= the token's end
//! ──────────┼────────────────────┼───────────────────────┼──────────▶ time
//!  served   │ served, renewed    │ renewed first, served │ not served
//!           │ in the background  │ if nobody answers     │
//! ```
//! One flight per key: however many pods ask at once, the authority is asked once. A failure is remembered
//! for its own time, so nobody hammers. The state lives here; a WASM component only says how long.

use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use podgate_api::{Resource, TenantId};
use podgate_azure::failure::Failure;
use podgate_azure::imds::Selector;
use podgate_plugin_host::CachePolicy;
use tokio::time::{Instant, timeout_at};

use crate::assignment::{Assignment, Whose};
use crate::clock::Clock;
use crate::credential::{TokenSource, Wanted};
use crate::metrics::{CacheOutcome, Metrics};
use crate::pod::ResolvedPod;
use crate::refusal::Refusal;
use crate::world::{Change, ObjectRef};

mod entry;
mod held;
mod lifetime;
mod quota;
mod sweep;

use entry::Entry;
pub use held::Held;
use lifetime::Lifetimes;
use quota::Quota;
pub use sweep::keep;

/// Bounds of the cache.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Entries in all. An entry takes twice its token: some 4 KiB, 128 KiB at the very most.
    pub entries: usize,
    /// Entries that one pod may have brought in: the audience is the pod's to choose, so it needs a bound.
    pub entries_per_pod: usize,
    /// New tokens that one pod may cause at once, and per second from then on.
    pub burst_per_pod: u32,
    /// See `burst_per_pod`.
    pub per_second_per_pod: u32,
    /// How long a request waits for the authority.
    pub wait: Duration,
    /// How long it waits where a valid token is at hand, if an older one than it would like.
    pub patience: Duration,
}

/// The cache. Cheap to clone.
#[derive(Clone)]
pub struct TokenCache(Arc<Inner>);

struct Inner {
    entries: DashMap<Key, Arc<Entry>>,
    quota: Quota,
    lifetimes: Lifetimes,
    source: Arc<dyn TokenSource>,
    clock: Clock,
    bounds: Bounds,
    metrics: Arc<Metrics>,
}

/// What a token is a token of. The host's part of the key: a plugin cannot make two of these meet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The identity with its authority and tenant, and its edition; or the node and the request's selector.
    edition: Arc<str>,
    /// The edition of its Secret.
    secret: u64,
    /// An auxiliary tenant.
    tenant: Option<TenantId>,
    resource: Resource,
}

/// A token, asked for by a pod.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Who asks.
    pub pod: &'a ResolvedPod,
    /// The identity.
    pub assignment: &'a Assignment,
    /// An auxiliary tenant of it.
    pub tenant: Option<&'a TenantId>,
    /// The audience.
    pub resource: &'a Resource,
    /// The pod wants it fetched again.
    pub bypass_cache: bool,
}

/// A token younger than this is not fetched again, whoever asks: `bypass_cache` is the pod's to send.
const MIN_AGE_TO_BYPASS: u64 = 60;

// === impl Bounds ===

impl Default for Bounds {
    fn default() -> Self {
        Self {
            entries: 8192,
            entries_per_pod: 64,
            burst_per_pod: 20,
            per_second_per_pod: 2,
            wait: Duration::from_secs(20),
            patience: Duration::from_secs(2),
        }
    }
}

// === impl TokenCache ===

impl TokenCache {
    /// A cache in front of `source`, with lifetimes by `policy`.
    pub fn new(
        source: Arc<dyn TokenSource>,
        policy: Option<Arc<dyn CachePolicy>>,
        clock: Clock,
        bounds: Bounds,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self(Arc::new(Inner {
            entries: DashMap::new(),
            quota: Quota::new(&bounds),
            lifetimes: Lifetimes::new(policy, Arc::clone(&metrics)),
            source,
            clock,
            bounds,
            metrics,
        }))
    }

    /// The token a request gets: a cached one, or a new one within the bounds' wait.
    ///
    /// # Errors
    /// [`Refusal::Upstream`] with the authority's word, [`Refusal::Deadline`], [`Refusal::TooMany`].
    pub async fn get(&self, request: Request<'_>) -> Result<Arc<Held>, Refusal> {
        let key = Key::of(request);
        let entry = match self.0.entries.get(&key).map(|entry| Arc::clone(&entry)) {
            Some(entry) => entry,
            None => self.enter(key, request).await?,
        };
        let now = self.0.clock.now();
        entry.touch(now);
        match entry.held(now) {
            Some(held) if held.is_fresh(now) && !wants_anew(&held, request, now) => {
                self.0.metrics.cache(CacheOutcome::Hit);
                if held.is_due(now) {
                    self.fly(&entry, request).ok();
                }
                Ok(held)
            }
            Some(held) => {
                let renewed = self.renew(&entry, request, self.0.bounds.patience).await;
                Ok(renewed.unwrap_or_else(|_| {
                    self.0.metrics.cache(CacheOutcome::Stale);
                    held
                }))
            }
            None => self.renew(&entry, request, self.0.bounds.wait).await,
        }
    }

    /// Makes room for a new key within the pod's share.
    async fn enter(&self, key: Key, request: Request<'_>) -> Result<Arc<Entry>, Refusal> {
        let kept = self.0.lifetimes.keeps(request).await;
        let full = self.0.entries.len() >= self.0.bounds.entries;
        // Whoever comes second finds the first one's entry here, and takes nothing of its own share.
        match self.0.entries.entry(key) {
            dashmap::Entry::Occupied(entry) => Ok(Arc::clone(entry.get())),
            dashmap::Entry::Vacant(place) => {
                if full || !self.0.quota.take(request.pod.uid(), place.key()) {
                    return Err(Refusal::CacheFull {
                        pod: request.pod.pod().object.clone(),
                        share: self.0.bounds.entries_per_pod,
                    });
                }
                let entry = Arc::new(Entry::new(request, request.pod.uid().clone(), kept));
                Ok(Arc::clone(&place.insert(entry)))
            }
        }
    }

    /// Counts a call that a pod causes outside the cache.
    ///
    /// # Errors
    /// [`Refusal::TooMany`]
    pub fn admit(&self, pod: &ResolvedPod) -> Result<(), Refusal> {
        self.0
            .quota
            .spend(pod.uid())
            .map_err(|wait| too_many(pod, wait))
    }

    /// Waits for a flight, its own or another's.
    async fn renew(
        &self,
        entry: &Arc<Entry>,
        request: Request<'_>,
        wait: Duration,
    ) -> Result<Arc<Held>, Refusal> {
        let mut flight = self.fly(entry, request)?;
        let deadline = Instant::now() + wait;
        match timeout_at(deadline, flight.wait_for(Option::is_some)).await {
            Err(_) => Err(Refusal::Deadline(wait)),
            Ok(Err(_)) => Err(Refusal::Upstream(lost())),
            Ok(Ok(landed)) => match landed.as_ref() {
                Some(Ok(held)) => Ok(Arc::clone(held)),
                Some(Err(failure)) => Err(Refusal::Upstream(failure.clone())),
                None => Err(Refusal::Upstream(lost())),
            },
        }
    }

    /// Joins the flight that is under way, or starts one. It goes on when the caller hangs up: others wait.
    fn fly(&self, entry: &Arc<Entry>, request: Request<'_>) -> Result<entry::Flight, Refusal> {
        let inner = &self.0;
        let flight = entry.join_or_start(|| self.admit(request.pod))?;
        match flight {
            entry::Boarding::Joined(flight) => {
                inner.metrics.cache(CacheOutcome::Joined);
                Ok(flight)
            }
            entry::Boarding::Grounded(failure) => Err(Refusal::Upstream(failure)),
            entry::Boarding::Pilot(flight, landing) => {
                inner.metrics.cache(CacheOutcome::Miss);
                tokio::spawn(fetch(Arc::clone(inner), Arc::clone(entry), landing));
                Ok(flight)
            }
        }
    }

    /// Drops what a change made stale. Keys carry editions, so a stale entry is already out of reach; this
    /// takes it out of memory at once.
    pub fn forget(&self, change: &Change) {
        match change {
            Change::Identity(object) => self.drop_where(|entry| entry.is_of(object)),
            Change::Secret(object) => self.drop_where(|entry| entry.uses(object)),
            Change::Exceptions(_) => self.drop_where(Entry::is_node),
            Change::PodGone(uid) => self.0.quota.forget(uid),
        }
    }

    fn drop_where(&self, stale: impl Fn(&Entry) -> bool) {
        self.0.entries.retain(|key, entry| {
            let stale = stale(entry);
            if stale {
                self.0.quota.give_back(entry.owner(), key);
            }
            !stale
        });
    }

    fn len(&self) -> usize {
        self.0.entries.len()
    }
}

/// One call to the authority, and what becomes of it.
async fn fetch(inner: Arc<Inner>, entry: Arc<Entry>, landing: entry::Landing) {
    let fetched = inner.source.fetch(entry.wanted()).await;
    let now = inner.clock.now();
    let outcome = match fetched {
        Ok(token) if token.expires_on <= now => Err(Failure::Unavailable {
            description:
                "the authority answered with a token that has ended already; check the node's clock"
                    .to_owned(),
            retry_after: None,
            throttled: false,
        }),
        Ok(token) => {
            let plan = inner.lifetimes.plan(entry.wanted(), &token, now).await;
            Ok(Arc::new(Held::new(entry.wanted(), token, plan, now)))
        }
        Err(failure) => Err(failure),
    };
    entry.land(landing, outcome);
}

fn wants_anew(held: &Held, request: Request<'_>, now: u64) -> bool {
    request.bypass_cache && held.age(now) >= MIN_AGE_TO_BYPASS
}

fn too_many(pod: &ResolvedPod, retry_after: Duration) -> Refusal {
    Refusal::TooMany {
        pod: pod.pod().object.clone(),
        retry_after,
    }
}

/// The task of a flight ended without an outcome: it panicked, or the runtime ends.
fn lost() -> Failure {
    Failure::Unavailable {
        description: "the request to the authority was lost; retry".to_owned(),
        retry_after: None,
        throttled: false,
    }
}

// === impl Key ===

impl Key {
    fn of(request: Request<'_>) -> Self {
        let (edition, secret) = match request.assignment.whose() {
            Whose::Bound { identity, secret } => (
                Arc::clone(&identity.edition),
                secret.as_ref().map_or(0, |secret| secret.version),
            ),
            Whose::Node(selector) => (node_edition(selector).into(), 0),
        };
        Self {
            edition,
            secret,
            tenant: request.tenant.cloned(),
            resource: request.resource.clone(),
        }
    }
}

/// Ids compare without regard to case, so their key is in one case.
fn node_edition(selector: &Selector) -> String {
    format!("node {selector:?}").to_lowercase()
}

impl Request<'_> {
    fn wanted(&self) -> Wanted {
        Wanted {
            assignment: self.assignment.clone(),
            tenant: self.tenant.cloned(),
            resource: self.resource.clone(),
        }
    }
}

fn names(object: &ObjectRef, assignment: &Assignment) -> bool {
    matches!(assignment.whose(), Whose::Bound { identity, .. } if identity.object == *object)
}

#[cfg(test)]
mod tests;
