//! What policies in `mode: observe` would have done: counted, and logged within bounds.

use std::time::Instant;

use parking_lot::Mutex;
use podgate_plugin_host::PluginError;

use super::{Answer, Ruling};
use crate::pod::ResolvedPod;

/// Lines per second of one plugin: pods can cause as many verdicts as they like, and the metric has them all.
const PER_SECOND: u32 = 10;

/// Longest detail of a line, in characters.
const SHOWN: usize = 300;

/// The lines of one plugin in the current second.
#[derive(Default)]
pub(super) struct Observed(Mutex<Lines>);

struct Lines {
    since: Instant,
    written: u32,
    left_out: u32,
}

impl Default for Lines {
    fn default() -> Self {
        Self {
            since: Instant::now(),
            written: 0,
            left_out: 0,
        }
    }
}

impl Observed {
    /// Logs what would have had an effect, and gives the verdict's word of a closed set.
    pub(super) fn record(
        &self,
        plugin: &str,
        pod: &ResolvedPod,
        asked: &Result<Answer, PluginError>,
    ) -> &'static str {
        let verdict = verdict(asked);
        // What is only remembered was logged when it was new.
        let has_effect = match asked {
            Ok(answer) => answer.fresh && answer.ruling != Ruling::Pass,
            // It has said why before.
            Err(error) => !matches!(error, PluginError::Suspended { .. }),
        };
        if let Some(left_out) = has_effect.then(|| self.0.lock().take()).flatten() {
            let detail: String = detail(asked).chars().take(SHOWN).collect();
            let pod = &pod.pod().object;
            tracing::info!(plugin, %pod, verdict, detail, left_out, "observed policy, without effect");
        }
        verdict
    }
}

impl Lines {
    /// Whether a line may be written, and how many were left out before it.
    fn take(&mut self) -> Option<u32> {
        if self.since.elapsed().as_secs() >= 1 {
            (self.since, self.written) = (Instant::now(), 0);
        }
        if self.written >= PER_SECOND {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        self.written += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

fn verdict(asked: &Result<Answer, PluginError>) -> &'static str {
    match asked.as_ref().map(|answer| &answer.ruling) {
        Ok(Ruling::Pass) => "pass",
        Ok(Ruling::Bypass) => "bypass",
        Ok(Ruling::Deny(_)) => "deny",
        Ok(Ruling::Restrict(_)) => "restrict",
        Err(_) => "failed",
    }
}

fn detail(asked: &Result<Answer, PluginError>) -> String {
    match asked.as_ref().map(|answer| &answer.ruling) {
        Ok(Ruling::Pass | Ruling::Bypass) => String::new(),
        Ok(Ruling::Deny(reason)) => reason.to_string(),
        Ok(Ruling::Restrict(ids)) => {
            let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
            ids.join(" ")
        }
        Err(error) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_writes_ten_lines_a_second_and_then_says_how_many_it_left_out() {
        let mut lines = Lines::default();
        let written = (0..30).filter(|_| lines.take().is_some()).count();
        assert_eq!(written, 10);
        lines.since -= std::time::Duration::from_secs(1);
        assert_eq!(lines.take(), Some(20));
        assert_eq!(lines.take(), Some(0));
    }
}
