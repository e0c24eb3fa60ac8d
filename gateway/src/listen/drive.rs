//! One connection's HTTP, and the end of all of them.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::timeout;

use super::stall::Stall;
use crate::reply::Reply;

/// Fields of a request's head. SDKs send about ten.
const MAX_HEADERS: usize = 50;
/// Bytes of a request's head. SDKs send about 500.
const MAX_HEAD: usize = 16 * 1024;
/// A client that takes nothing of its answer for so long is none.
const STALL: Duration = Duration::from_secs(10);

/// Serves a connection to its end. Once `close` resolves it is closed: at once if it is idle, else after the answer
/// that is under way, which says so.
pub(crate) async fn drive<I, S>(
    io: I,
    service: S,
    head: Duration,
    close: impl Future<Output = ()>,
) -> hyper::Result<()>
where
    I: AsyncRead + AsyncWrite + Unpin,
    S: Service<Request<Incoming>, Response = Reply, Error = Infallible>,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD)
        .half_close(false)
        .serve_connection(TokioIo::new(Stall::new(io, STALL)), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = close => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

/// How a server's connections come to their end: first every answer is the last one of its connection, then idle
/// connections are closed.
pub(crate) struct Ending {
    lingering: AtomicBool,
    close: watch::Sender<bool>,
}

/// A connection that the end has to wait for.
pub(crate) struct Open(watch::Receiver<bool>);

impl Open {
    /// Resolves when idle connections are to be closed.
    pub(crate) async fn closing(&self) {
        // The sender's end means the same as its word.
        let _ = self.0.clone().wait_for(|close| *close).await;
    }
}

impl Default for Ending {
    fn default() -> Self {
        Self {
            lingering: AtomicBool::new(false),
            close: watch::Sender::new(false),
        }
    }
}

impl Ending {
    /// From now on every answer closes its connection.
    pub(crate) fn linger(&self) {
        self.lingering.store(true, Ordering::Relaxed);
    }

    /// Whether an answer is its connection's last.
    pub(crate) fn is_lingering(&self) -> bool {
        self.lingering.load(Ordering::Relaxed)
    }

    /// One more connection.
    pub(crate) fn open(&self) -> Open {
        Open(self.close.subscribe())
    }

    /// Waits for the connections to end: by their own next answer within `linger`, after it the idle ones are closed,
    /// after `drain` in all the rest is left to be cut.
    pub(crate) async fn drain(&self, linger: Duration, drain: Duration) {
        self.linger();
        if timeout(linger, self.close.closed()).await.is_ok() {
            return;
        }
        self.close.send_replace(true);
        let rest = drain.saturating_sub(linger);
        if timeout(rest, self.close.closed()).await.is_err() {
            tracing::warn!(
                seconds = drain.as_secs(),
                "connections were cut: they took longer to end than the drain allows"
            );
        }
    }
}
