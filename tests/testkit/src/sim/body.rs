//! Bodies that hyper sends: whole ones, ones that break off, and ones that do not end.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// Bytes of a huge body per frame.
const FRAME: u64 = 64 * 1024;

/// The connection is to end here, on purpose.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("azure-sim ends this connection on purpose")]
pub(crate) struct BrokenOff;

/// The body of an answer.
pub(crate) struct AnswerBody {
    next: Option<Bytes>,
    /// Bytes of filler still to come.
    filler: u64,
    end: End,
}

/// How a body ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Orderly,
    /// It breaks off, once what was written before has left.
    BreakAfterFlush,
    Break,
}

impl AnswerBody {
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self {
            next: Some(bytes),
            filler: 0,
            end: End::Orderly,
        }
    }

    pub(crate) fn cut(bytes: Bytes) -> Self {
        Self {
            next: Some(bytes),
            filler: 0,
            end: End::BreakAfterFlush,
        }
    }

    /// `{"access_token":"AAAA…`, as long as asked for.
    pub(crate) fn huge(bytes: u64) -> Self {
        let opening = Bytes::from_static(b"{\"access_token\":\"");
        let filler = bytes.saturating_sub(opening.len() as u64);
        Self {
            next: Some(opening),
            filler,
            end: End::Orderly,
        }
    }

    fn fill(&mut self) -> Option<Bytes> {
        let length = self.filler.min(FRAME);
        self.filler -= length;
        (length > 0).then(|| Bytes::from(vec![b'A'; length as usize]))
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        if let Some(bytes) = self.next.take().or_else(|| self.fill()) {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        match self.end {
            End::Orderly => Poll::Ready(None),
            End::BreakAfterFlush => {
                // hyper flushes when a body has nothing ready; an error at once would take the first half with it.
                self.end = End::Break;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            End::Break => Poll::Ready(Some(Err(BrokenOff))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.next.is_none() && self.filler == 0 && self.end == End::Orderly
    }

    fn size_hint(&self) -> SizeHint {
        let ready = self.next.as_ref().map_or(0, |bytes| bytes.len() as u64);
        match self.end {
            End::Orderly => SizeHint::with_exact(ready + self.filler),
            End::BreakAfterFlush | End::Break => SizeHint::default(),
        }
    }
}
