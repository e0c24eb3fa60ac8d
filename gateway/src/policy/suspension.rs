//! A plugin that fails again and again on a pod's requests is not asked for that pod for a while, so that it
//! costs its callers an answer and nobody any CPU. Other pods' requests go on: one pod that has found a
//! question the plugin cannot stand must not switch the policy off for all.

use std::time::Duration;

use dashmap::DashMap;
use podgate_plugin_host::{PluginError, Verdict};
use tokio::time::Instant;

use crate::world::PodUid;

/// Failures in a row before a pause: a single one may be the question's fault.
const TOLERATED: u32 = 3;
/// The first pause; each further failure doubles it.
const FIRST: Duration = Duration::from_secs(1);
/// The longest pause: an operator who mended the plugin's surroundings waits no longer than this.
const LONGEST: Duration = Duration::from_secs(60);
/// Pods that are told apart; a node has some hundreds. When it is full it starts anew.
const MAX_PODS: usize = 1024;

/// How a plugin has done lately, pod by pod.
pub(super) struct Suspension(DashMap<PodUid, State>);

#[derive(Default)]
struct State {
    failures: u32,
    until: Option<Instant>,
}

impl Suspension {
    pub(super) fn new() -> Self {
        Self(DashMap::new())
    }

    /// Fails at once while the plugin is suspended for this pod.
    pub(super) fn check(&self, plugin: &str, pod: &PodUid) -> Result<(), PluginError> {
        let until = self.0.get(pod).and_then(|state| state.until);
        match until {
            Some(until) if Instant::now() < until => Err(PluginError::suspended(plugin)),
            _ => Ok(()),
        }
    }

    /// A call that was never made, for want of room, says nothing about the pod that it was for: others may
    /// have taken the room.
    pub(super) fn record(&self, pod: &PodUid, asked: &Result<Verdict, PluginError>) {
        match asked {
            Ok(_) => {
                self.0.remove(pod);
                return;
            }
            Err(PluginError::Overloaded { .. }) => return,
            Err(_) => {}
        }
        if self.0.len() >= MAX_PODS {
            self.0.clear();
        }
        let mut state = self.0.entry(pod.clone()).or_default();
        state.failures = state.failures.saturating_add(1);
        state.until = pause(state.failures).map(|pause| Instant::now() + pause);
    }
}

fn pause(failures: u32) -> Option<Duration> {
    let doublings = failures.checked_sub(TOLERATED)?;
    Some(FIRST.saturating_mul(1 << doublings.min(6)).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_failure_in_a_row_pauses_for_a_second_and_the_tenth_for_a_minute() {
        let pauses: Vec<_> = (1..=10).map(pause).collect();
        assert_eq!(pauses[..3], [None, None, Some(FIRST)]);
        assert_eq!(pauses[9], Some(LONGEST));
    }
}
