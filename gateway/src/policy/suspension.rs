//! A plugin that fails again and again is not asked for a while, so that it costs its own callers an
//! answer and nobody any CPU.

use std::time::Duration;

use parking_lot::Mutex;
use podgate_plugin_host::{PluginError, Verdict};
use tokio::time::Instant;

/// Failures in a row before a pause: a single one may be the question's fault.
const TOLERATED: u32 = 3;
/// The first pause; each further failure doubles it.
const FIRST: Duration = Duration::from_secs(1);
/// The longest pause: an operator who mended the plugin's surroundings waits no longer than this.
const LONGEST: Duration = Duration::from_secs(60);

/// How a plugin has done lately.
pub(super) struct Suspension(Mutex<State>);

#[derive(Default)]
struct State {
    failures: u32,
    until: Option<Instant>,
}

impl Suspension {
    pub(super) fn new() -> Self {
        Self(Mutex::default())
    }

    /// Fails at once while the plugin is suspended.
    pub(super) fn check(&self, plugin: &str) -> Result<(), PluginError> {
        match self.0.lock().until {
            Some(until) if Instant::now() < until => Err(PluginError::suspended(plugin)),
            _ => Ok(()),
        }
    }

    pub(super) fn record(&self, asked: &Result<Verdict, PluginError>) {
        let mut state = self.0.lock();
        match asked {
            Ok(_) => *state = State::default(),
            Err(_) => {
                state.failures = state.failures.saturating_add(1);
                state.until = pause(state.failures).map(|pause| Instant::now() + pause);
            }
        }
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
