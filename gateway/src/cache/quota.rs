//! What one pod may take: entries, and calls to the authorities.

use std::time::Duration;

use dashmap::DashMap;
use tokio::time::Instant;

use super::{Bounds, Key};
use crate::world::PodUid;

/// The shares of all pods.
pub(super) struct Quota {
    shares: DashMap<PodUid, Share>,
    entries: usize,
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
            burst: f64::from(bounds.burst_per_pod),
            per_second: f64::from(bounds.per_second_per_pod.max(1)),
        }
    }

    /// Takes an entry for a pod; false where its share is used up. Nothing valid is ever evicted for a
    /// newcomer, so no pod can push another's token out.
    pub(super) fn take(&self, pod: &PodUid, key: &Key) -> bool {
        let mut share = self.share(pod);
        if share.keys.len() >= self.entries {
            return false;
        }
        share.keys.push(key.clone());
        true
    }

    /// An entry is gone.
    pub(super) fn give_back(&self, pod: &PodUid, key: &Key) {
        if let Some(mut share) = self.shares.get_mut(pod) {
            share.keys.retain(|other| other != key);
        }
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

    /// The pod is gone.
    pub(super) fn forget(&self, pod: &PodUid) {
        self.shares.remove(pod);
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
