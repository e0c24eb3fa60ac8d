//! Remembered decisions: who an address is and what may answer its question.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;

use crate::assignment::Assignments;
use crate::imds::TokenQuestion;
use crate::pod::ResolvedPod;
use crate::world::World;

/// Questions of one address. Pods ask a handful; one that invents more forgets its own, and nobody else's.
const PER_ADDRESS: usize = 64;
/// Addresses. A node has 250 pods; when it is full it starts anew.
const MAX_ADDRESSES: usize = 1024;

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
    decisions: DashMap<IpAddr, HashMap<TokenQuestion, Arc<Decision>>>,
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
        let decisions = self.decisions.get(&peer)?;
        let decision = decisions.get(question)?;
        let holds = decision.stamp == world.stamp();
        holds.then(|| Arc::clone(decision))
    }

    pub(super) fn remember(
        &self,
        peer: IpAddr,
        question: &TokenQuestion,
        decision: Decision,
    ) -> Arc<Decision> {
        let outdated = self.stamp.swap(decision.stamp, Ordering::Relaxed) != decision.stamp;
        if outdated || self.decisions.len() >= MAX_ADDRESSES {
            self.decisions.clear();
        }
        let decision = Arc::new(decision);
        let mut of_peer = self.decisions.entry(peer).or_default();
        if of_peer.len() >= PER_ADDRESS {
            of_peer.clear();
        }
        of_peer.insert(question.clone(), Arc::clone(&decision));
        decision
    }
}
