//! A bound on log lines that pods can cause: a loop in one pod must neither fill the node's disk nor hide what is
//! said of the others.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;

/// Lines per second in all. A person reads none of so many, and a disk bears them.
const PER_SECOND: u64 = 200;
/// Lines per second of one caller.
const PER_CALLER: u64 = 20;
/// Callers that are counted. A node has 250 pods.
const MAX_CALLERS: usize = 1024;

/// Counts the lines of a second.
#[derive(Default)]
pub struct LogBudget {
    all: Count,
    callers: DashMap<IpAddr, Count>,
}

/// The upper half holds the second, the lower one the lines.
#[derive(Default)]
struct Count(AtomicU64);

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
    /// Asks for a line about this caller in the second `now`. Callers without an address share the whole alone.
    pub(super) fn take(&self, caller: Option<IpAddr>, now: u64) -> Line {
        match caller.map(|caller| self.take_of(caller, now)) {
            Some(Line::Drop) => Line::Drop,
            Some(Line::WriteAfter(dropped)) => match self.all.take(PER_SECOND, now) {
                Line::Drop => Line::Drop,
                _ => Line::WriteAfter(dropped),
            },
            Some(Line::Write) | None => self.all.take(PER_SECOND, now),
        }
    }

    fn take_of(&self, caller: IpAddr, now: u64) -> Line {
        if self.callers.len() >= MAX_CALLERS && !self.callers.contains_key(&caller) {
            self.callers.clear();
        }
        self.callers
            .entry(caller)
            .or_default()
            .take(PER_CALLER, now)
    }
}

impl Count {
    fn take(&self, limit: u64, now: u64) -> Line {
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
        match (next(before) & 0xffff_ffff, lines.saturating_sub(limit)) {
            (1, 0) => Line::Write,
            (1, dropped) => Line::WriteAfter(dropped),
            (line, _) if line <= limit => Line::Write,
            _ => Line::Drop,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(last: u8) -> Option<IpAddr> {
        Some([10, 0, 0, last].into())
    }

    #[test]
    fn a_caller_has_its_lines_and_the_next_second_says_what_was_left_out() {
        let budget = LogBudget::default();
        let written = |_: &i32| budget.take(caller(1), 7) == Line::Write;
        assert_eq!((0..250).filter(written).count() as u64, PER_CALLER);
        assert_eq!(
            budget.take(caller(1), 8),
            Line::WriteAfter(250 - PER_CALLER)
        );
        assert_eq!(budget.take(caller(1), 8), Line::Write);
        assert_eq!(
            budget.take(caller(1), 9),
            Line::Write,
            "nothing was left out"
        );
    }

    #[test]
    fn one_callers_loop_hides_no_other() {
        let budget = LogBudget::default();
        for _ in 0..10_000 {
            budget.take(caller(1), 7);
        }
        assert_eq!(budget.take(caller(2), 7), Line::Write);
    }

    #[test]
    fn all_callers_together_are_bounded() {
        let budget = LogBudget::default();
        let callers = (0..=255).flat_map(|last| [caller(last); 10]);
        let written = callers.filter(|caller| budget.take(*caller, 7) == Line::Write);
        assert_eq!(written.count() as u64, PER_SECOND);
    }
}
