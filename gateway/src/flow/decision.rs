//! Remembered decisions: who an address is and what may answer its question.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;

use crate::assignment::Assignments;
use crate::imds::TokenQuestion;
use crate::pod::ResolvedPod;
use crate::world::World;

/// 250 pods with a handful of audiences each, and room. When it is full it starts anew.
const MAX_DECISIONS: usize = 8192;

/// The stages up to the token, done.
#[derive(Debug)]
pub(super) struct Decision {
    /// The world's stamp from before the first look at it.
    pub(super) stamp: u64,
    pub(super) pod: ResolvedPod,
    pub(super) assignments: Assignments,
}

/// Decisions by the address and the question. Each is a pure function of these and the world, so it holds
/// exactly as long as the world's stamp is the same. What a plugin that looks at the clock had a part in is
/// never brought here.
#[derive(Default)]
pub struct Decisions {
    decisions: DashMap<(IpAddr, TokenQuestion), Arc<Decision>>,
    /// The world's stamp that they are of. Older ones are dropped all together: they hold Secrets.
    stamp: AtomicU64,
}

impl Decisions {
    pub(super) fn recall(
        &self,
        world: &World,
        peer: IpAddr,
        question: &TokenQuestion,
    ) -> Option<Arc<Decision>> {
        let decision = self.decisions.get(&(peer, question.clone()))?;
        let holds = decision.stamp == world.stamp();
        holds.then(|| Arc::clone(&decision))
    }

    pub(super) fn remember(
        &self,
        peer: IpAddr,
        question: &TokenQuestion,
        decision: Decision,
    ) -> Arc<Decision> {
        let outdated = self.stamp.swap(decision.stamp, Ordering::Relaxed) != decision.stamp;
        if outdated || self.decisions.len() >= MAX_DECISIONS {
            self.decisions.clear();
        }
        let decision = Arc::new(decision);
        let key = (peer, question.clone());
        self.decisions.insert(key, Arc::clone(&decision));
        decision
    }
}
