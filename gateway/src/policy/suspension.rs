//! A plugin that fails again and again on a pod's requests is not asked for that pod for a while, so that it
//! costs its callers an answer and nobody any CPU. Other pods' requests go on: one pod that has found a
//! question the plugin cannot stand must not switch the policy off for all.
//!
//! Where it fails for one pod after another and answers none, each is asked for once only before its pause.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use podgate_plugin_host::{PluginError, Verdict};
use tokio::time::Instant;

use crate::world::PodUid;

/// Failures of a pod in a row before a pause: a single one may be the question's fault.
const TOLERATED: u32 = 3;
/// Failures in a row, whoever asked, from which on it is the plugin's fault.
const BROKEN: u32 = 9;
/// The first pause; each further failure doubles it.
const FIRST: Duration = Duration::from_secs(1);
/// The longest pause: an operator who mended the plugin's surroundings waits no longer than this.
const LONGEST: Duration = Duration::from_secs(60);
/// Pods that are told apart; a node has some hundreds. When it is full it starts anew.
const MAX_PODS: usize = 1024;

/// How a plugin has done lately, pod by pod.
pub(super) struct Suspension {
    pods: DashMap<PodUid, State>,
    /// Failures since it answered anybody.
    failures: AtomicU32,
}

#[derive(Default)]
struct State {
    failures: u32,
    until: Option<Instant>,
}

impl Suspension {
    pub(super) fn new() -> Self {
        Self {
            pods: DashMap::new(),
            failures: AtomicU32::new(0),
        }
    }

    /// Fails at once while the plugin is suspended for this pod.
    pub(super) fn check(&self, plugin: &str, pod: &PodUid) -> Result<(), PluginError> {
        let until = self.pods.get(pod).and_then(|state| state.until);
        match until {
            Some(until) if Instant::now() < until => Err(PluginError::suspended(plugin)),
            _ => Ok(()),
        }
    }

    /// A call that was never made, for want of room, says nothing about the pod that it was for: others may
    /// have taken the room.
    pub(super) fn record(&self, pod: &PodUid, asked: &Result<Verdict, PluginError>) {
        match asked {
            Ok(_) => self.answered(pod),
            Err(PluginError::Overloaded { .. }) => {}
            Err(_) => self.failed(pod),
        }
    }

    fn answered(&self, pod: &PodUid) {
        self.failures.store(0, Ordering::Relaxed);
        self.pods.remove(pod);
    }

    fn failed(&self, pod: &PodUid) {
        if self.pods.len() >= MAX_PODS {
            self.pods.clear();
        }
        let tolerated = self.tolerated();
        let mut state = self.pods.entry(pod.clone()).or_default();
        state.failures = state.failures.saturating_add(1);
        state.until = pause(state.failures, tolerated).map(|pause| Instant::now() + pause);
    }

    /// How many failures of a pod it takes for a pause, with one more that is counted here.
    fn tolerated(&self) -> u32 {
        // After four billion it begins anew, which costs a few calls.
        match self.failures.fetch_add(1, Ordering::Relaxed) {
            0..BROKEN => TOLERATED,
            _ => 1,
        }
    }
}

fn pause(failures: u32, tolerated: u32) -> Option<Duration> {
    let doublings = failures.checked_sub(tolerated)?;
    Some(FIRST.saturating_mul(1 << doublings.min(6)).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_failure_in_a_row_pauses_for_a_second_and_the_tenth_for_a_minute() {
        let pauses: Vec<_> = (1..=10)
            .map(|failures| pause(failures, TOLERATED))
            .collect();
        assert_eq!(pauses[..3], [None, None, Some(FIRST)]);
        assert_eq!(pauses[9], Some(LONGEST));
    }

    /// How often each of these pods may ask a plugin that fails for all of them, before its pause.
    fn asked(suspension: &Suspension, pods: u32) -> Vec<u32> {
        (0..pods)
            .map(|number| {
                let (pod, mut asked) = (pod(number), 0);
                while suspension.check("p", &pod).is_ok() {
                    suspension.record(&pod, &Err(failure()));
                    asked += 1;
                }
                asked
            })
            .collect()
    }

    fn pod(number: u32) -> PodUid {
        PodUid(number.to_string().into())
    }

    fn failure() -> PluginError {
        PluginError::Timeout {
            plugin: "p".to_owned(),
            limit: FIRST,
        }
    }

    #[test]
    fn a_plugin_that_fails_for_one_pod_after_another_is_asked_once_for_each() {
        let suspension = Suspension::new();
        assert_eq!(asked(&suspension, 5), [3, 3, 3, 1, 1]);
        // An answer to anybody is a new beginning.
        suspension.record(&pod(7), &Ok(Verdict::Pass));
        assert_eq!(asked(&suspension, 8)[5..], [3, 3, 3]);
    }

    #[test]
    fn one_pod_that_makes_it_fail_pauses_nobody_else() {
        let suspension = Suspension::new();
        asked(&suspension, 1);
        assert!(suspension.check("p", &pod(0)).is_err());
        assert!(suspension.check("p", &pod(1)).is_ok());
    }
}
