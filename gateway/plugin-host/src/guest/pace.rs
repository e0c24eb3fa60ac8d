//! How long a guest may hold a thread that serves requests: a slice. What takes longer goes on in the background.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use parking_lot::Mutex;
use wasmtime::{StoreContextMut, UpdateDeadline};

use super::State;
use crate::engine::{Work, thread_time};

/// Of a processor's time, after a first tick: fifty times a usual call, and shorter than a tick. A call that only happens to
/// meet one, or waits for a processor as others do, stays where it is.
pub(super) const SLICE: Duration = Duration::from_millis(1);

/// Whether the guest went beyond its slice.
pub(super) struct Pace {
    /// What its thread had had of a processor at the first tick since it was let run.
    first_tick: Mutex<Option<Duration>>,
    overran: AtomicBool,
}

/// The end of a slice.
pub(super) enum Slice<T> {
    /// The call ended in it.
    Ended(T),
    /// It goes on.
    Overran(Work<T>),
}

// === impl Pace ===

impl Pace {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            first_tick: Mutex::new(None),
            overran: AtomicBool::new(false),
        })
    }

    /// What a store does at each tick: lets others run, where the guest has had its slice.
    pub(super) fn at_tick(
        self: Arc<Self>,
    ) -> impl FnMut(StoreContextMut<'_, State>) -> wasmtime::Result<UpdateDeadline> + Send + Sync + 'static
    {
        move |_| {
            let now = thread_time();
            let first = *self.first_tick.lock().get_or_insert(now);
            if now.saturating_sub(first) < SLICE && !self.is_over() {
                return Ok(UpdateDeadline::Continue(1));
            }
            self.overran.store(true, Ordering::Relaxed);
            let others = Box::pin(tokio::task::yield_now());
            Ok(UpdateDeadline::YieldCustom(1, others))
        }
    }

    /// Of a call that begins in the background: it yields at each tick.
    pub(super) fn without_slice() -> Arc<Self> {
        let pace = Self::new();
        pace.overran.store(true, Ordering::Relaxed);
        pace
    }

    /// Whether it has no slice, or none any more.
    pub(super) fn is_over(&self) -> bool {
        self.overran.load(Ordering::Relaxed)
    }

    /// Runs the work here until it ends or overruns a slice. Its waits are no part of one, and after them it may be another
    /// thread's turn.
    pub(super) async fn slice<T>(&self, mut work: Work<T>) -> Slice<T> {
        let ended = poll_fn(|context| {
            *self.first_tick.lock() = None;
            match work.as_mut().poll(context) {
                Poll::Ready(answer) => Poll::Ready(Some(answer)),
                Poll::Pending if self.is_over() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        });
        match ended.await {
            Some(answer) => Slice::Ended(answer),
            None => Slice::Overran(work),
        }
    }
}
