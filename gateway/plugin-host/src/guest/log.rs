//! Lines of one call for the gateway's log, bounded in number and length.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::Limits;
use crate::text;

/// Longest line: what a log reader shows without cutting.
const MAX_LINE: usize = 1024;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// The log of one call, shared by everything that writes to it.
#[derive(Clone)]
pub(crate) struct CallLog(Arc<Mutex<Lines>>);

struct Lines {
    plugin: Arc<str>,
    lines: usize,
    bytes: usize,
    lines_left: usize,
    bytes_left: usize,
    dropped: usize,
}

// === impl CallLog ===

impl CallLog {
    pub(crate) fn new(plugin: Arc<str>, limits: &Limits) -> Self {
        Self(Arc::new(Mutex::new(Lines {
            plugin,
            lines: limits.log_lines,
            bytes: limits.log_bytes,
            lines_left: limits.log_lines,
            bytes_left: limits.log_bytes,
            dropped: 0,
        })))
    }

    /// Another call of the same instance may write as much again.
    pub(crate) fn begin(&self) {
        self.0.lock().begin();
    }

    /// Writes one line, or counts it.
    pub(crate) fn write(&self, level: Level, message: &str) {
        self.0.lock().write(level, message);
    }
}

// === impl Lines ===

impl Lines {
    fn begin(&mut self) {
        self.tell_dropped();
        self.lines_left = self.lines;
        self.bytes_left = self.bytes;
    }

    fn write(&mut self, level: Level, message: &str) {
        if self.lines_left == 0 || self.bytes_left == 0 {
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
        if dropped > 0 {
            tracing::warn!(
                target: "plugin",
                plugin = &*self.plugin,
                dropped,
                "further lines of this call were dropped"
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
            lines: log_lines,
            bytes: log_bytes,
            lines_left: log_lines,
            bytes_left: log_bytes,
            dropped: 0,
        }
    }

    #[test]
    fn another_call_may_write_as_much_again() {
        let mut lines = lines(2, 1000);
        for _ in 0..2 {
            for _ in 0..5 {
                lines.write(Level::Info, "a line");
            }
            assert_eq!(lines.dropped, 3);
            lines.begin();
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
