//! The body of a request, which may be held back until the last moment.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use thiserror::Error;

/// Whether a request may still be sent. Asked once, right before its first byte.
#[derive(Clone)]
pub struct Gate(Arc<dyn Fn() -> bool + Send + Sync>);

/// A request's body. hyper writes head and body into one buffer before it sends anything of either, and asks for the body
/// when it has a connection: a body that fails then is a request that was never made.
pub(super) struct Outgoing {
    gate: Option<Gate>,
    bytes: Option<Bytes>,
}

/// The gate was closed.
#[derive(Debug, Error)]
#[error("no longer allowed")]
pub(super) struct Withheld;

// === impl Gate ===

impl Gate {
    /// Open while this says so.
    pub fn new(is_open: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(is_open))
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate")
    }
}

// === impl Outgoing ===

impl Outgoing {
    /// One that may be sent at any time.
    pub(super) fn free(bytes: Bytes) -> Self {
        Self {
            gate: None,
            bytes: Some(bytes).filter(|bytes| !bytes.is_empty()),
        }
    }

    /// One that may be sent while the gate is open.
    pub(super) fn behind(gate: Gate, bytes: Bytes) -> Self {
        Self {
            gate: Some(gate),
            ..Self::free(bytes)
        }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Withheld;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Withheld>>> {
        if self.gate.take().is_some_and(|Gate(is_open)| !is_open()) {
            self.bytes = None;
            return Poll::Ready(Some(Err(Withheld)));
        }
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let length = self.bytes.as_ref().map_or(0, Bytes::len);
        SizeHint::with_exact(length.try_into().unwrap_or(u64::MAX))
    }
}
