//! Remembered verdicts of pure plugins.

use dashmap::DashMap;
use podgate_plugin_host::Verdict;

use crate::imds::TokenQuestion;
use crate::pod::ResolvedPod;
use crate::world::{Exceptions, PodUid};

/// Entries of one plugin: 250 pods with a handful of audiences each, and room. When it is full it starts
/// anew, which costs one call per question and no bookkeeping per request.
const MAX_ENTRIES: usize = 8192;

/// Verdicts by everything the plugin was told: the pod (uid, and a hash of what may change in it), the
/// request, and a hash of the exceptions.
pub(super) struct Memo(DashMap<Key, Verdict>);

#[derive(PartialEq, Eq, Hash)]
struct Key {
    pod: PodUid,
    pod_version: u64,
    exceptions_version: u64,
    question: TokenQuestion,
}

impl Memo {
    pub(super) fn new() -> Self {
        Self(DashMap::new())
    }

    pub(super) fn get(
        &self,
        pod: &ResolvedPod,
        question: &TokenQuestion,
        exceptions: &Exceptions,
    ) -> Option<Verdict> {
        let key = Key::of(pod, question, exceptions);
        self.0.get(&key).map(|verdict| verdict.clone())
    }

    pub(super) fn put(
        &self,
        pod: &ResolvedPod,
        question: &TokenQuestion,
        exceptions: &Exceptions,
        verdict: Verdict,
    ) {
        if self.0.len() >= MAX_ENTRIES {
            self.0.clear();
        }
        self.0.insert(Key::of(pod, question, exceptions), verdict);
    }
}

impl Key {
    fn of(pod: &ResolvedPod, question: &TokenQuestion, exceptions: &Exceptions) -> Self {
        Self {
            pod: pod.uid().clone(),
            pod_version: pod.pod().version,
            exceptions_version: exceptions.version,
            question: question.clone(),
        }
    }
}
