//! What one pod may take: entries, and calls to the authorities.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use tokio::time::Instant;

use super::{Bounds, Key};
use crate::world::PodUid;

/// The most pods that Azure lets a node have. Their guaranteed entries are kept free for them.
const PODS: usize = 250;

/// The shares of all pods.
pub(super) struct Quota {
    shares: DashMap<PodUid, Share>,
    entries: usize,
    guaranteed: usize,
    /// Places beyond the guaranteed ones that are still free, for whoever comes first.
    common: AtomicUsize,
    burst: f64,
    per_second: f64,
}

struct Share {
    keys: Vec<Key>,
    calls: f64,
    at: Instant,
}

impl Quota {
    pub(super) fn new(bounds: &Bounds) -> Self {
        Self {
            shares: DashMap::new(),
            entries: bounds.entries_per_pod,
            guaranteed: bounds.guaranteed_per_pod,
            common: AtomicUsize::new(
                bounds
                    .entries
                    .saturating_sub(PODS * bounds.guaranteed_per_pod),
            ),
            burst: f64::from(bounds.burst_per_pod),
            per_second: f64::from(bounds.per_second_per_pod.max(1)),
        }
    }

    /// Whether a pod's share has room. For a first look: [`Self::take`] decides.
    pub(super) fn has_room(&self, pod: &PodUid) -> bool {
        let share = self.shares.get(pod);
        share.is_none_or(|share| share.keys.len() < self.entries)
    }

    /// Takes an entry for a pod; false where its share, or what all have in common, is used up.
    pub(super) fn take(&self, pod: &PodUid, key: &Key) -> bool {
        let mut share = self.share(pod);
        let held = share.keys.len();
        let free = held < self.entries && (held < self.guaranteed || self.take_common());
        if free {
            share.keys.push(key.clone());
        }
        free
    }

    fn take_common(&self) -> bool {
        let relaxed = Ordering::Relaxed;
        let less = |free: usize| free.checked_sub(1);
        self.common.fetch_update(relaxed, relaxed, less).is_ok()
    }

    /// An entry is gone, or another pod's.
    pub(super) fn give_back(&self, pod: &PodUid, key: &Key) {
        if let Some(mut share) = self.shares.get_mut(pod) {
            let before = share.keys.len();
            share.keys.retain(|other| other != key);
            self.return_common(before, share.keys.len());
        }
    }

    fn return_common(&self, before: usize, after: usize) {
        let beyond = |held: usize| held.saturating_sub(self.guaranteed);
        self.common
            .fetch_add(beyond(before) - beyond(after), Ordering::Relaxed);
    }

    /// Counts a call to an authority.
    ///
    /// # Errors
    /// How long until the next one is allowed.
    pub(super) fn spend(&self, pod: &PodUid) -> Result<(), Duration> {
        let mut share = self.share(pod);
        let now = Instant::now();
        let earned = now.duration_since(share.at).as_secs_f64() * self.per_second;
        share.calls = (share.calls + earned).min(self.burst);
        share.at = now;
        if share.calls < 1.0 {
            let missing = (1.0 - share.calls) / self.per_second;
            return Err(Duration::from_secs_f64(missing));
        }
        share.calls -= 1.0;
        Ok(())
    }

    /// Takes further calls from a pod's allowance, which may leave it in debt.
    pub(super) fn charge(&self, pod: &PodUid, calls: f64) {
        if let Some(mut share) = self.shares.get_mut(pod) {
            share.calls = (share.calls - calls).max(-self.burst);
        }
    }

    /// The pod is gone.
    pub(super) fn forget(&self, pod: &PodUid) {
        if let Some((_, share)) = self.shares.remove(pod) {
            self.return_common(share.keys.len(), 0);
        }
    }

    /// Forgets pods that hold nothing and have their whole allowance back.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        self.shares.retain(|_, share| {
            let earned = now.duration_since(share.at).as_secs_f64() * self.per_second;
            !share.keys.is_empty() || share.calls + earned < self.burst
        });
    }

    fn share(&self, pod: &PodUid) -> dashmap::mapref::one::RefMut<'_, PodUid, Share> {
        self.shares.entry(pod.clone()).or_insert_with(|| Share {
            keys: Vec::new(),
            calls: self.burst,
            at: Instant::now(),
        })
    }
}
