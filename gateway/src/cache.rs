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
//!
//! An entry belongs to the pod that brought it in, and once that is gone to the next one that uses it. When
//! there is no room, only what belongs to nobody makes place.

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
use crate::world::{Change, ObjectRef, PodUid};

mod current;
mod entry;
mod fetch;
mod held;
mod lifetime;
mod quota;
mod sweep;

use current::Current;
use entry::Entry;
use fetch::fetch;
pub use held::Held;
use quota::Quota;
pub use sweep::keep;

/// Bounds of the cache.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Entries in all. An entry takes twice its token: some 4 KiB, 128 KiB at the very most.
    pub entries: usize,
    /// Entries that one pod may have brought in: the audience is the pod's to choose, so it needs a bound.
    pub entries_per_pod: usize,
    /// Those of them that each of a node's pods can have, whatever the others hold. More share what is left.
    pub guaranteed_per_pod: usize,
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
    lifetimes: Current,
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
            guaranteed_per_pod: 16,
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
            lifetimes: Current::new(policy, Arc::clone(&metrics)),
            source,
            clock,
            bounds,
            metrics,
        }))
    }

    /// Another plugin says from now on how long new tokens are kept. What is held keeps the times it was given.
    pub fn replace_policy(&self, policy: Option<Arc<dyn CachePolicy>>) {
        let (lifetimes, metrics) = (&self.0.lifetimes, &self.0.metrics);
        lifetimes.replace(policy, Arc::clone(metrics));
    }

    /// The token a request gets: a cached one, or a new one within the bounds' wait.
    ///
    /// # Errors
    /// [`Refusal::Upstream`] with the authority's word, [`Refusal::Deadline`], [`Refusal::TooMany`].
    pub async fn get(&self, request: Request<'_>) -> Result<Arc<Held>, Refusal> {
        let key = Key::of(request);
        let entry = match self.0.entries.get(&key).map(|entry| Arc::clone(&entry)) {
            Some(entry) => entry,
            None => self.enter(key.clone(), request)?,
        };
        let now = self.0.clock.now();
        entry.touch(now);
        if entry.is_orphan() {
            entry.adopt(request.pod.uid(), |pod| self.0.quota.take(pod, &key));
        }
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
                self.better(held, renewed, request.bypass_cache)
            }
            None => self.renew(&entry, request, self.0.bounds.wait).await,
        }
    }

    /// Of a token and what came of its renewal. The wait may have outlasted the token.
    fn better(
        &self,
        held: Arc<Held>,
        renewed: Result<Arc<Held>, Refusal>,
        anew: bool,
    ) -> Result<Arc<Held>, Refusal> {
        let serves = held.is_kept(self.0.clock.now());
        match renewed {
            Ok(renewed) if anew || !serves || renewed.expires_on() >= held.expires_on() => {
                Ok(renewed)
            }
            Err(refusal) if !serves => Err(refusal),
            Ok(_) | Err(_) => {
                self.0.metrics.cache(CacheOutcome::Stale);
                Ok(held)
            }
        }
    }

    /// Makes room for a new key within the pod's share. Asks nobody: what a pod invents must cost little.
    fn enter(&self, key: Key, request: Request<'_>) -> Result<Arc<Entry>, Refusal> {
        let pod = request.pod.uid();
        let room = self.0.quota.has_room(pod) && self.has_room();
        // Whoever comes second finds the first one's entry here, and takes nothing of its own share.
        match self.0.entries.entry(key) {
            dashmap::Entry::Occupied(entry) => Ok(Arc::clone(entry.get())),
            dashmap::Entry::Vacant(place) => {
                if !room || !self.0.quota.take(pod, place.key()) {
                    return Err(Refusal::CacheFull {
                        pod: request.pod.pod().object.clone(),
                        share: self.0.bounds.entries_per_pod,
                    });
                }
                let entry = Arc::new(Entry::new(request, pod.clone()));
                Ok(Arc::clone(&place.insert(entry)))
            }
        }
    }

    fn has_room(&self) -> bool {
        self.0.entries.len() < self.0.bounds.entries || self.evict()
    }

    /// Takes out the entry that was unused for longest of those that belong to nobody and are at rest.
    fn evict(&self) -> bool {
        let entries = &self.0.entries;
        let idle = |entry: &Arc<Entry>| entry.is_orphan() && Arc::strong_count(entry) == 1;
        let oldest = entries
            .iter()
            .filter(|entry| idle(entry))
            .min_by_key(|entry| entry.last_used())
            .map(|entry| entry.key().clone());
        oldest.is_some_and(|key| entries.remove_if(&key, |_, entry| idle(entry)).is_some())
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
        let (pod, now) = (request.pod, inner.clock.now());
        match entry.join_or_start(request.bypass_cache, now, || self.admit(pod))? {
            entry::Boarding::Joined(flight) => {
                inner.metrics.cache(CacheOutcome::Joined);
                Ok(flight)
            }
            entry::Boarding::Grounded(failure) => Err(Refusal::Upstream(failure)),
            entry::Boarding::Pilot(flight, landing) => {
                inner.metrics.cache(CacheOutcome::Miss);
                let payer = request.pod.uid().clone();
                tokio::spawn(fetch(Arc::clone(inner), landing, Some(payer)));
                Ok(flight)
            }
        }
    }

    /// Drops what a change made stale. Keys carry editions, so a stale entry is already out of reach; this
    /// takes it out of memory at once. The node's own tokens stay: who may have them is judged per request.
    pub fn forget(&self, change: &Change) {
        match change {
            Change::Identity(object) => self.forget_where(|entry| entry.is_of(object)),
            Change::Secret(object) => {
                self.forget_where(|entry| entry.uses(object));
                self.0.source.forget(object);
            }
            Change::Exceptions(_) => {}
            Change::PodGone(uid) => {
                self.disown(|owner| owner == uid);
                self.0.quota.forget(uid);
            }
        }
    }

    /// A call that is under way goes on, since the same key may be asked for again; what it brings is not kept.
    fn forget_where(&self, stale: impl Fn(&Entry) -> bool) {
        let forgotten = |entry: &Entry| stale(entry).then(|| entry.forget()).is_some();
        self.drop_where(forgotten);
    }

    /// Drops entries that nobody is just using: a request between its look-up and its call, or a call.
    fn drop_where(&self, dead: impl Fn(&Entry) -> bool) {
        self.0.entries.retain(|key, entry| {
            let dead = dead(entry) && Arc::strong_count(entry) == 1;
            if let Some(owner) = entry.owner().filter(|_| dead) {
                self.0.quota.give_back(&owner, key);
            }
            !dead
        });
    }

    /// Takes entries from pods that are gone. They stay, since others may be served from them.
    fn disown(&self, gone: impl Fn(&PodUid) -> bool) {
        for entry in &self.0.entries {
            if let Some(owner) = entry.disown(&gone) {
                self.0.quota.give_back(&owner, entry.key());
            }
        }
    }

    fn len(&self) -> usize {
        self.0.entries.len()
    }
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
