//! Remembered verdicts of pure plugins.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;

use super::Ruling;
use crate::imds::TokenQuestion;
use crate::pod::ResolvedPod;
use crate::world::{Exceptions, PodUid};

/// What one pod's questions and verdicts may take, in bytes: some hundred of the usual ones. The audience is
/// the pod's to choose, so a pod that fills this starts anew, and costs nobody else what is remembered.
const MAX_BYTES: usize = 64 * 1024;
/// Pods that are told apart: those of a node, and some that have ended. A further one takes the place of the
/// one that has asked for nothing for longest.
const MAX_PODS: usize = 512;
/// What an entry takes beside its texts, about: the map's slot and what it points to.
const ENTRY: usize = 256;

/// Verdicts by everything the plugin was told: the pod (uid, and a hash of what may change in it), the
/// request, and a hash of the exceptions.
pub(super) struct Memo {
    pods: DashMap<PodUid, Verdicts>,
    /// Counts look-ups, to know who was there last.
    ticks: AtomicU64,
}

/// What was decided about one pod while it and its namespace's exceptions stayed as they were.
#[derive(Default)]
struct Verdicts {
    edition: Edition,
    rulings: HashMap<TokenQuestion, Ruling>,
    bytes: usize,
    used: AtomicU64,
}

/// The pod's version and that of the exceptions.
type Edition = (u64, u64);

impl Memo {
    pub(super) fn new() -> Self {
        Self {
            pods: DashMap::new(),
            ticks: AtomicU64::new(0),
        }
    }

    pub(super) fn get(
        &self,
        pod: &ResolvedPod,
        question: &TokenQuestion,
        exceptions: &Exceptions,
    ) -> Option<Ruling> {
        let verdicts = self.pods.get(pod.uid())?;
        verdicts.used.store(self.tick(), Ordering::Relaxed);
        let known = verdicts.edition == edition(pod, exceptions);
        known.then(|| verdicts.rulings.get(question).cloned())?
    }

    pub(super) fn put(
        &self,
        pod: &ResolvedPod,
        question: &TokenQuestion,
        exceptions: &Exceptions,
        ruling: &Ruling,
    ) {
        self.make_room(pod.uid());
        let mut verdicts = self.pods.entry(pod.uid().clone()).or_default();
        verdicts.used.store(self.tick(), Ordering::Relaxed);
        verdicts.put(edition(pod, exceptions), question, ruling);
    }

    fn make_room(&self, pod: &PodUid) {
        if self.pods.len() < MAX_PODS || self.pods.contains_key(pod) {
            return;
        }
        let used = |verdicts: &Verdicts| verdicts.used.load(Ordering::Relaxed);
        let pods = self.pods.iter();
        let oldest = pods
            .min_by_key(|entry| used(entry))
            .map(|entry| entry.key().clone());
        oldest.map(|pod| self.pods.remove(&pod));
    }

    fn tick(&self) -> u64 {
        self.ticks.fetch_add(1, Ordering::Relaxed)
    }
}

impl Verdicts {
    fn put(&mut self, edition: Edition, question: &TokenQuestion, ruling: &Ruling) {
        let bytes = ENTRY + size(question) + ruling.size();
        if self.edition != edition || self.bytes + bytes > MAX_BYTES {
            self.rulings = HashMap::new();
            self.bytes = 0;
            self.edition = edition;
        }
        let new = bytes <= MAX_BYTES && !self.rulings.contains_key(question);
        if new {
            self.rulings.insert(question.clone(), ruling.clone());
            self.bytes += bytes;
        }
    }
}

fn edition(pod: &ResolvedPod, exceptions: &Exceptions) -> Edition {
    (pod.pod().version, exceptions.version)
}

fn size(question: &TokenQuestion) -> usize {
    use podgate_azure::imds::Selector;
    let selector = match &question.selector {
        Selector::Unspecified => 0,
        Selector::ClientId(id) => id.as_str().len(),
        Selector::ObjectId(id) => id.as_str().len(),
        Selector::ResourceId(id) => id.as_str().len(),
    };
    question.resource.as_str().len() + selector
}

#[cfg(test)]
mod tests;
