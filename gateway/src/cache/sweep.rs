//! The cache's housekeeping: renews what is due though nobody asks, drops what is dead, follows changes.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::time::{MissedTickBehavior, interval};

use super::{Entry, TokenCache, entry, fetch};
use crate::world::{PodUid, World};

/// Renewals are planned hours ahead; a few seconds late is on time.
const INTERVAL: Duration = Duration::from_secs(5);

/// Runs until the world ends.
pub async fn keep(cache: TokenCache, world: World) {
    let mut changes = world.changes();
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                cache.disown_all_but(&live(&world));
                cache.sweep();
            }
            change = changes.recv() => match change {
                Ok(change) => cache.forget(&change),
                // Stale entries are out of reach by their keys and die unused; valid ones must stay.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    }
}

/// A pod may have gone while its request was under way, or while changes came too fast to be told one by one.
fn live(world: &World) -> HashSet<PodUid> {
    let index = world.read();
    let live = index.pods().filter(|pod| pod.live);
    live.map(|pod| pod.uid.clone()).collect()
}

impl TokenCache {
    fn disown_all_but(&self, live: &HashSet<PodUid>) {
        self.disown(|owner| !live.contains(owner));
    }

    pub(super) fn sweep(&self) {
        let now = self.0.clock.now();
        self.drop_where(|entry| entry.is_dead(now));
        self.0.quota.sweep();
        let due: Vec<Arc<Entry>> = self
            .0
            .entries
            .iter()
            .filter(|entry| entry.is_due(now))
            .map(|entry| Arc::clone(entry.value()))
            .collect();
        for entry in due {
            self.renew_ahead(&entry);
        }
        self.0.metrics.cache_entries(self.len());
    }

    /// Renews on the gateway's own account, not on a pod's.
    fn renew_ahead(&self, entry: &Arc<Entry>) {
        let now = self.0.clock.now();
        let flight = entry.join_or_start(false, now, || Ok(()));
        if let Ok(entry::Boarding::Pilot(_, landing)) = flight {
            tokio::spawn(fetch(Arc::clone(&self.0), landing, None));
        }
    }
}
