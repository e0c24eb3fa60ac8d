//! Lines of one call for the gateway's log, bounded in number and length.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::Limits;
use crate::text;

/// Longest line: what a log reader shows without cutting.
const MAX_LINE: usize = 1024;

/// Lines of all calls of a plugin at once, and how long until there may be one more: what is asked a thousand times a second
/// and logs each time would fill a disk, and take the time of those who read.
const BURST: u32 = 200;
const ONE_MORE: Duration = Duration::from_millis(20);
/// Dropped lines of one call that make it a flood: to drop them takes as long as a usual call.
const FLOOD: usize = 100;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// The lines that a plugin may write, whatever its calls may.
pub(crate) struct Budget {
    left: Mutex<Left>,
    floods: AtomicBool,
}

struct Left {
    lines: u32,
    since: Instant,
    /// Of calls that could not say so.
    dropped: usize,
}

/// The log of one call, shared by everything that writes to it.
#[derive(Clone)]
pub(crate) struct CallLog(Arc<Mutex<Lines>>);

struct Lines {
    plugin: Arc<str>,
    budget: Arc<Budget>,
    lines: usize,
    bytes: usize,
    lines_left: usize,
    bytes_left: usize,
    dropped: usize,
}

// === impl CallLog ===

impl CallLog {
    pub(crate) fn new(plugin: Arc<str>, limits: &Limits, budget: Arc<Budget>) -> Self {
        Self(Arc::new(Mutex::new(Lines {
            plugin,
            budget,
            lines: limits.log_lines,
            bytes: limits.log_bytes,
            lines_left: limits.log_lines,
            bytes_left: limits.log_bytes,
            dropped: 0,
        })))
    }

    /// The end of a call. Another one of the same instance may write as much again.
    pub(crate) fn end(&self) {
        self.0.lock().end();
    }

    /// Writes one line, or counts it.
    pub(crate) fn write(&self, level: Level, message: &str) {
        self.0.lock().write(level, message);
    }
}

// === impl Budget ===

impl Budget {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            left: Mutex::new(Left {
                lines: BURST,
                since: Instant::now(),
                dropped: 0,
            }),
            floods: AtomicBool::new(false),
        })
    }

    /// Whether the call that ended last dropped more than a hundred lines.
    pub(crate) fn is_flooded(&self) -> bool {
        self.floods.load(Ordering::Relaxed)
    }

    fn take(&self) -> bool {
        self.left.lock().take(Instant::now())
    }

    /// How many dropped lines a call may tell of: its own, and of those before it that could not.
    fn told(&self, dropped: usize) -> Option<usize> {
        self.floods.store(dropped > FLOOD, Ordering::Relaxed);
        if dropped == 0 {
            return None;
        }
        let mut left = self.left.lock();
        left.dropped += dropped;
        let may = left.take(Instant::now());
        may.then(|| std::mem::take(&mut left.dropped))
    }
}

// === impl Left ===

impl Left {
    fn take(&mut self, now: Instant) -> bool {
        let more = now.saturating_duration_since(self.since).as_millis() / ONE_MORE.as_millis();
        if more > 0 {
            let more = u32::try_from(more).unwrap_or(u32::MAX);
            self.lines = self.lines.saturating_add(more).min(BURST);
            self.since = now;
        }
        let lines = self.lines.checked_sub(1);
        self.lines = lines.unwrap_or_default();
        lines.is_some()
    }
}

// === impl Lines ===

impl Lines {
    fn end(&mut self) {
        self.tell_dropped();
        self.lines_left = self.lines;
        self.bytes_left = self.bytes;
    }

    fn write(&mut self, level: Level, message: &str) {
        if self.lines_left == 0 || self.bytes_left == 0 || !self.budget.take() {
            self.dropped += 1;
            return;
        }
        let line = text::clean(message, MAX_LINE.min(self.bytes_left));
        self.lines_left -= 1;
        self.bytes_left = self.bytes_left.saturating_sub(line.len());
        emit(level, &self.plugin, &line);
    }

    fn tell_dropped(&mut self) {
        let dropped = std::mem::take(&mut self.dropped);
        if let Some(dropped) = self.budget.told(dropped) {
            tracing::warn!(
                target: "plugin",
                plugin = &*self.plugin,
                dropped,
                "further lines were dropped"
            );
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.tell_dropped();
    }
}

fn emit(level: Level, plugin: &str, line: &str) {
    match level {
        Level::Debug => tracing::debug!(target: "plugin", plugin, "{line}"),
        Level::Info => tracing::info!(target: "plugin", plugin, "{line}"),
        Level::Warn => tracing::warn!(target: "plugin", plugin, "{line}"),
        Level::Error => tracing::error!(target: "plugin", plugin, "{line}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(log_lines: usize, log_bytes: usize) -> Lines {
        Lines {
            plugin: "p".into(),
            budget: Budget::new(),
            lines: log_lines,
            bytes: log_bytes,
            lines_left: log_lines,
            bytes_left: log_bytes,
            dropped: 0,
        }
    }

    #[test]
    fn all_calls_together_write_a_burst_and_then_a_line_now_and_then() {
        let mut left = Left {
            lines: BURST,
            since: Instant::now(),
            dropped: 0,
        };
        let start = left.since;
        let written = |left: &mut Left, now| (0..1000).filter(|_| left.take(now)).count();
        assert_eq!(written(&mut left, start), BURST as usize);
        assert_eq!(written(&mut left, start + ONE_MORE * 3), 3);
        assert_eq!(
            written(&mut left, start + ONE_MORE * 100_000),
            BURST as usize
        );
    }

    #[test]
    fn what_a_call_could_not_tell_of_a_later_one_does() {
        let budget = Budget::new();
        assert_eq!(budget.told(0), None);
        assert_eq!(budget.told(3), Some(3));
        while budget.take() {}
        assert_eq!(budget.told(4), None);
        budget.left.lock().lines = 1;
        assert_eq!(budget.told(5), Some(9));
    }

    #[test]
    fn a_call_that_drops_a_hundred_lines_is_a_flood_until_one_does_not() {
        let budget = Budget::new();
        budget.told(FLOOD);
        assert!(!budget.is_flooded());
        budget.told(FLOOD + 1);
        assert!(budget.is_flooded());
        budget.told(0);
        assert!(!budget.is_flooded());
    }

    #[test]
    fn another_call_may_write_as_much_again() {
        let mut lines = lines(2, 1000);
        for _ in 0..2 {
            for _ in 0..5 {
                lines.write(Level::Info, "a line");
            }
            assert_eq!(lines.dropped, 3);
            lines.end();
        }
        assert_eq!((lines.lines_left, lines.dropped), (2, 0));
    }

    #[test]
    fn lines_beyond_their_number_are_counted() {
        let mut lines = lines(2, 1000);
        for _ in 0..5 {
            lines.write(Level::Info, "a line");
        }
        assert_eq!(lines.dropped, 3);
    }

    #[test]
    fn bytes_beyond_their_number_are_cut_and_then_counted() {
        let mut lines = lines(100, 10);
        lines.write(Level::Info, "1234567");
        lines.write(Level::Info, "1234567");
        assert_eq!((lines.bytes_left, lines.dropped), (0, 0));
        lines.write(Level::Info, "1");
        assert_eq!(lines.dropped, 1);
    }
}
