//! A bound on log lines that pods can cause: a loop in one pod must not fill the node's disk.

use std::sync::atomic::{AtomicU64, Ordering};

/// Lines per second. A person reads none of a hundred in a second, and a disk bears them.
const PER_SECOND: u64 = 100;

/// Counts the lines of a second. The upper half holds the second, the lower one the lines.
#[derive(Default)]
pub struct LogBudget(AtomicU64);

/// Whether a line may be written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Write it.
    Write,
    /// Write it, and say that this many were left out before it.
    WriteAfter(u64),
    /// Leave it out.
    Drop,
}

impl LogBudget {
    /// Asks for a line in the second `now`.
    pub(super) fn take(&self, now: u64) -> Line {
        let next = |state: u64| match state >> 32 == now & 0xffff_ffff {
            true => state.saturating_add(1),
            false => now << 32 | 1,
        };
        let relaxed = Ordering::Relaxed;
        let before = self
            .0
            .fetch_update(relaxed, relaxed, |state| Some(next(state)));
        let before = before.unwrap_or_default();
        let lines = before & 0xffff_ffff;
        match (next(before) & 0xffff_ffff, lines.saturating_sub(PER_SECOND)) {
            (1, 0) => Line::Write,
            (1, dropped) => Line::WriteAfter(dropped),
            (line, _) if line <= PER_SECOND => Line::Write,
            _ => Line::Drop,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_a_hundred_lines_and_the_next_one_says_what_was_left_out() {
        let budget = LogBudget::default();
        let written = (0..250).filter(|_| budget.take(7) == Line::Write).count();
        assert_eq!(written as u64, PER_SECOND);
        assert_eq!(budget.take(8), Line::WriteAfter(150));
        assert_eq!(budget.take(8), Line::Write);
        assert_eq!(budget.take(9), Line::Write, "nothing was left out");
    }
}
