//! Keeping to what Azure Resource Manager and its Compute provider allow.
//!
//! Facts: "Compute throttling limits" of Microsoft's compute documents (token buckets per resource and per
//! subscription, new tokens every minute), and "Understand how Azure Resource Manager throttles requests" (per
//! subscription and principal). Other controllers share these buckets, so what ARM says remains counts more than
//! our own sums.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ::http::HeaderMap;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::error::Scope;
use super::id::{ComputeId, ComputeKind};

/// Compute's buckets get new tokens once a minute, at a second that only Azure knows.
const MINUTE: Duration = Duration::from_secs(60);

/// The front door's get theirs every second.
const SECOND: Duration = Duration::from_secs(1);

/// Buckets that are kept. A full one need not be: beyond this many the full ones are dropped.
const MAX_BUCKETS: usize = 4096;

/// What a call is, as the limits tell calls apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallKind {
    /// A look at one resource.
    Get,
    /// A change of one resource.
    Patch,
    /// A look at an operation.
    Poll,
}

impl CallKind {
    /// The word for metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Patch => "patch",
            Self::Poll => "poll",
        }
    }
}

/// Why a call may not be made at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotYet {
    /// By our own count, for so long: nobody refused anything.
    Paced(Duration),
    /// By ARM's word, a 429, and to whom it was.
    Closed(Duration, Scope),
}

/// A bucket of Azure's: how many tokens it holds, and how many it gets every so often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bucket {
    capacity: u32,
    refill: u32,
    every: Duration,
}

/// The limits of everything that one client asks. Clones share them.
///
/// # Guarantees
/// Never more calls than the documented buckets allow, per resource, per subscription, and at the front door;
/// after a 429, none of its kind (reads or writes) to whom it was about until the time it named. Nobody waits
/// here: whoever would have to is told how long.
#[derive(Clone, Debug, Default)]
pub struct ArmLimits(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    levels: HashMap<Key, Level>,
    closed: HashMap<Key, Instant>,
}

/// What a bucket or a closed door is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    limit: Limit,
    /// The resource or the subscription, in lower case.
    of: String,
}

/// The documented policies, each with its own buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Limit {
    /// Of one resource.
    Own(CallKind),
    /// Of one kind of resource in a subscription.
    All(CallKind, ComputeKind),
    /// Of the front door: reads or writes.
    Door { writes: bool },
}

/// Our side of a bucket. It holds `capacity - refill` tokens and gets `refill` of them evenly over every period:
/// that is the most that is safe, whenever Azure's refills come. (In any time `t` it gives at most
/// `capacity - refill + refill × t / every`, which is never more than `capacity + refill × ⌊t / every⌋`.)
///
/// Kept as the time at which it will be full again, which is the past for a full one.
#[derive(Clone, Copy, Debug)]
struct Level {
    bucket: Bucket,
    full_at: Instant,
}

// === impl Limit ===

impl Limit {
    /// The documented numbers.
    fn bucket(self) -> Bucket {
        let (capacity, refill) = match self {
            Self::Own(CallKind::Get) => (36, 12),
            Self::Own(CallKind::Patch) => (12, 4),
            Self::Own(CallKind::Poll) => (45, 15),
            Self::All(CallKind::Get, ComputeKind::ScaleSet) => (2_400, 800),
            Self::All(CallKind::Get, ComputeKind::VirtualMachine) => (24_000, 8_000),
            Self::All(CallKind::Patch, _) => (1_500, 500),
            Self::All(CallKind::Poll, _) => (15_000, 5_000),
            Self::Door { writes: false } => (250, 25),
            Self::Door { writes: true } => (200, 10),
        };
        let every = match self {
            Self::Own(_) | Self::All(..) => MINUTE,
            Self::Door { .. } => SECOND,
        };
        Bucket {
            capacity,
            refill,
            every,
        }
    }
}

/// All that one call is counted against.
fn keys(id: &ComputeId, kind: CallKind) -> [Key; 3] {
    let subscription = || id.subscription().to_ascii_lowercase();
    [
        Key {
            limit: Limit::Own(kind),
            of: id.key().to_owned(),
        },
        Key {
            limit: Limit::All(kind, id.kind()),
            of: subscription(),
        },
        Key {
            limit: door(kind),
            of: subscription(),
        },
    ]
}

fn door(kind: CallKind) -> Limit {
    Limit::Door {
        writes: kind == CallKind::Patch,
    }
}

/// Reads and writes are throttled apart, polls are reads.
fn closing(id: &ComputeId, kind: CallKind, scope: Scope) -> Key {
    let of = match scope {
        Scope::Resource => id.key().to_owned(),
        Scope::Subscription => id.subscription().to_ascii_lowercase(),
    };
    Key {
        limit: door(kind),
        of,
    }
}

// === impl ArmLimits ===

impl ArmLimits {
    /// Takes one token from each bucket that the call is counted against.
    ///
    /// # Errors
    /// How long until it may be made. Nothing was taken.
    pub(super) fn admit(&self, id: &ComputeId, kind: CallKind) -> Result<(), NotYet> {
        let now = Instant::now();
        let mut state = self.0.lock();
        if let Some((wait, scope)) = state.closed_for(id, kind, now) {
            return Err(NotYet::Closed(wait, scope));
        }
        let keys = keys(id, kind);
        if let Some(longest) = state.paced(&keys, now) {
            return Err(NotYet::Paced(longest));
        }
        keys.iter().for_each(|key| state.level(key, now).take(now));
        Ok(())
    }

    /// How long until our own count allows a call of this kind, as far as is known now.
    pub(super) fn paced(&self, id: &ComputeId, kind: CallKind) -> Duration {
        let mut state = self.0.lock();
        let wait = state.paced(&keys(id, kind), Instant::now());
        wait.unwrap_or_default()
    }

    /// Nothing of this kind until then: a 429.
    pub(super) fn close(&self, id: &ComputeId, kind: CallKind, scope: Scope, wait: Duration) {
        let now = Instant::now();
        let mut state = self.0.lock();
        state.closed.retain(|_, until| *until > now);
        let until = state.closed.entry(closing(id, kind, scope)).or_insert(now);
        *until = (*until).max(now + wait);
    }

    /// What ARM says remains, where that is less than what we think.
    pub(super) fn learn(&self, id: &ComputeId, kind: CallKind, headers: &HeaderMap) {
        let now = Instant::now();
        let mut state = self.0.lock();
        // Compute's policies have names that are not documented. Any of them at nought stops calls of this kind
        // to this resource, so the least counts for it.
        if let Some(least) = remaining(headers, "x-ms-ratelimit-remaining-resource") {
            state
                .level(
                    &Key {
                        limit: Limit::Own(kind),
                        of: id.key().to_owned(),
                    },
                    now,
                )
                .lower(least, now);
        }
        let name = match kind {
            CallKind::Patch => "x-ms-ratelimit-remaining-subscription-writes",
            CallKind::Get | CallKind::Poll => "x-ms-ratelimit-remaining-subscription-reads",
        };
        if let Some(least) = remaining(headers, name) {
            let of = id.subscription().to_ascii_lowercase();
            state
                .level(
                    &Key {
                        limit: door(kind),
                        of,
                    },
                    now,
                )
                .lower(least, now);
        }
    }
}

/// `Microsoft.Compute/HighCostGet3Min;159` or `159`: the least number of all headers of that name, which may hold
/// several, separated by commas.
fn remaining(headers: &HeaderMap, name: &str) -> Option<u32> {
    let values = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let counts = values.flat_map(|value| value.split(',')).filter_map(|one| {
        let count = one.rsplit(';').next().unwrap_or(one);
        count.trim().parse::<u32>().ok()
    });
    counts.min()
}

// === impl State ===

impl State {
    fn closed_for(
        &self,
        id: &ComputeId,
        kind: CallKind,
        now: Instant,
    ) -> Option<(Duration, Scope)> {
        let wait = |scope| {
            let until = self.closed.get(&closing(id, kind, scope))?;
            Some((
                until
                    .checked_duration_since(now)
                    .filter(|wait| !wait.is_zero())?,
                scope,
            ))
        };
        [wait(Scope::Resource), wait(Scope::Subscription)]
            .into_iter()
            .flatten()
            .max_by_key(|(wait, _)| *wait)
    }

    /// The longest wait for a token of one of these buckets.
    fn paced(&mut self, keys: &[Key], now: Instant) -> Option<Duration> {
        let waits = keys.iter().map(|key| self.level(key, now).wait(now));
        waits.flatten().max()
    }

    fn level(&mut self, key: &Key, now: Instant) -> &mut Level {
        if self.levels.len() >= MAX_BUCKETS && !self.levels.contains_key(key) {
            self.levels.retain(|_, level| level.full_at > now);
        }
        let bucket = key.limit.bucket();
        let full = Level {
            bucket,
            full_at: now,
        };
        self.levels.entry(key.clone()).or_insert(full)
    }
}

// === impl Bucket ===

impl Bucket {
    /// Tokens that we take at once.
    fn burst(self) -> u32 {
        self.capacity - self.refill
    }

    /// Time for so many tokens.
    fn time(self, tokens: u32) -> Duration {
        self.every * tokens / self.refill
    }
}

// === impl Level ===

impl Level {
    fn take(&mut self, now: Instant) {
        self.full_at = self.full_at.max(now) + self.bucket.time(1);
    }

    /// How long until there is a token, `None` where there is one.
    fn wait(&self, now: Instant) -> Option<Duration> {
        let left = self.full_at.saturating_duration_since(now);
        let wait = left.saturating_sub(self.bucket.time(self.bucket.burst() - 1));
        (!wait.is_zero()).then_some(wait)
    }

    /// Azure has no more than so many left, and its next refill may be a whole period away.
    fn lower(&mut self, tokens: u32, now: Instant) {
        let missing = self.bucket.capacity.saturating_sub(tokens);
        self.full_at = self.full_at.max(now + self.bucket.time(missing));
    }
}

#[cfg(test)]
mod tests;
