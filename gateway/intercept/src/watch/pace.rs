//! How fast rules are restored when somebody keeps changing them.

use std::time::{Duration, Instant};

/// Restores that come one after the other without any wait: a person's, or a tool's that starts.
const AT_ONCE: u32 = 8;
/// The first wait after those; it doubles.
const SHORTEST: Duration = Duration::from_millis(100);
/// The longest. Meanwhile the routing rules keep the metadata address closed.
const LONGEST: Duration = Duration::from_secs(5);
/// So long without a restore, and the war is over.
const PEACE: Duration = Duration::from_secs(60);

/// Counts restores that follow each other.
#[derive(Debug, Default)]
pub(super) struct Pace {
    restores: u32,
    last: Option<Instant>,
}

impl Pace {
    /// How long to wait before the restore that is due now.
    pub(super) fn next(&mut self, now: Instant) -> Duration {
        let is_peace = self
            .last
            .is_some_and(|last| now.saturating_duration_since(last) >= PEACE);
        if is_peace {
            self.restores = 0;
        }
        self.restores = self.restores.saturating_add(1);
        self.last = Some(now);
        match self.restores.checked_sub(AT_ONCE + 1) {
            None => Duration::ZERO,
            Some(doublings) => (SHORTEST * (1 << doublings.min(16))).min(LONGEST),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_restores_are_immediate_and_a_war_slows_down_to_a_bound() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        let waits: Vec<Duration> = (0..100).map(|_| pace.next(now)).collect();
        assert!(waits[..8].iter().all(Duration::is_zero));
        assert_eq!(waits[8], Duration::from_millis(100));
        assert_eq!(waits[9], Duration::from_millis(200));
        assert!(waits.iter().all(|wait| *wait <= LONGEST));
        assert_eq!(waits[99], LONGEST);
    }

    #[test]
    fn after_a_minute_of_peace_restores_are_immediate_again() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        for _ in 0..50 {
            pace.next(now);
        }
        assert_eq!(pace.next(now + PEACE), Duration::ZERO);
    }
}
