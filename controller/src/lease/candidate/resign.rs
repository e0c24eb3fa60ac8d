//! The end of a candidacy.

use tokio::time::timeout;

use super::Candidate;
use crate::lease::record;
use crate::lease::store::{Store, StoreError};

/// Tries to give the Lease back: it may be changed in between, by a renewal of our own that was under way.
const RELEASES: usize = 3;

impl<S: Store> Candidate<S> {
    pub(super) async fn resign(&mut self) {
        if let Some(tenure) = self.tenure.take() {
            tenure.end();
        }
        self.publish();
        // Whoever follows a Lease that was given back leads at once; before `leads_from` nobody may.
        if !self.claimed || self.making || self.clock.now() < self.leads_from {
            return;
        }
        let deadline = self.candidacy.duration.retry();
        match timeout(deadline, self.release()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "the lease was not given back; the next leader waits for its end")
            }
            Err(_) => tracing::warn!(
                "the lease was not given back in time; the next leader waits for its end"
            ),
        }
    }

    /// What a renewal that is under way does meanwhile, it does to an edition that is no longer the last one.
    async fn release(&mut self) -> Result<(), StoreError> {
        for _ in 0..RELEASES {
            let Some(lease) = self.store.read().await? else {
                return Ok(());
            };
            if record::holder(&lease) != Some(&self.identity) {
                return Ok(());
            }
            match self.store.replace(&record::released(&lease)).await {
                Err(StoreError::Outdated) => {}
                released => return released.map(|_| tracing::info!("the lease is given back")),
            }
        }
        Err(StoreError::Outdated)
    }
}
