//! WASI 0.2 for components whose toolchain imports it: there is a clock and randomness, and nothing else to
//! be had. No arguments, environment, files or sockets; what is written to stdout and stderr is logged.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{HostWallClock, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use crate::guest::State;
use crate::guest::log::{CallLog, Level};
use crate::{Clock, text};

/// Most random bytes of one call to the host: a seed has 32.
const MAX_RANDOM: u64 = 64 * 1024;
/// Longest unfinished line that is held back.
const MAX_LINE: usize = 1024;
/// What a stream takes at once.
const MAX_WRITE: usize = 64 * 1024;

/// A standard stream that ends in the log.
#[derive(Clone)]
struct Lines(Arc<Mutex<Unfinished>>);

/// The same clock as `podgate:types/clock`.
struct WallClock(Arc<dyn Clock>);

impl HostWallClock for WallClock {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        self.0.since_1970()
    }
}

/// The line that has no end yet. Logged as it is when the call ends.
struct Unfinished {
    log: CallLog,
    level: Level,
    bytes: Vec<u8>,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let (log, clock) = (&self.log, &self.clock);
        WasiCtxView {
            ctx: self.wasi.get_or_insert_with(|| nothing(log, clock)),
            table: &mut self.handles,
        }
    }
}

/// Deny-all: a builder begins with nothing, and the network is refused in words besides.
fn nothing(log: &CallLog, clock: &Arc<dyn Clock>) -> WasiCtx {
    WasiCtxBuilder::new()
        .wall_clock(WallClock(Arc::clone(clock)))
        .stdout(Lines::new(log, Level::Info))
        .stderr(Lines::new(log, Level::Warn))
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .max_random_size(MAX_RANDOM)
        .build()
}

// === impl Lines ===

impl Lines {
    fn new(log: &CallLog, level: Level) -> Self {
        Self(Arc::new(Mutex::new(Unfinished {
            log: log.clone(),
            level,
            bytes: Vec::new(),
        })))
    }
}

impl IsTerminal for Lines {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Lines {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Lines {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.0.lock().write(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(MAX_WRITE)
    }
}

#[async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Lines {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.lock().write(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

// === impl Unfinished ===

impl Unfinished {
    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = MAX_LINE.saturating_sub(self.bytes.len());
            self.bytes.extend_from_slice(&part[..part.len().min(room)]);
            if part.ends_with(b"\n") {
                self.finish();
            }
        }
    }

    fn finish(&mut self) {
        let line = std::mem::take(&mut self.bytes);
        self.log.write(self.level, &text::lossy(&line));
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.bytes.is_empty() {
            self.finish();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::guest::log::Budget;

    fn stdout() -> Unfinished {
        Unfinished {
            log: CallLog::new("p".into(), &Limits::default(), Budget::new()),
            level: Level::Info,
            bytes: Vec::new(),
        }
    }

    #[test]
    fn what_has_no_line_break_yet_waits_for_it() {
        let mut out = stdout();
        out.write(b"one\ntw");
        assert_eq!(out.bytes, b"tw");
        out.write(b"o\n");
        assert_eq!(out.bytes, b"");
    }

    #[test]
    fn a_line_without_end_is_held_up_to_its_bound() {
        let mut out = stdout();
        for _ in 0..1000 {
            out.write(&[b'a'; 1000]);
        }
        assert_eq!(out.bytes.len(), MAX_LINE);
    }
}
