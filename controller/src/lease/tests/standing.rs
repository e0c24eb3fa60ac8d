//! A candidate in a test's hands.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::super::testing::{Link, Lost, Server, Weather, candidacy};
use super::super::{Candidate, Clock, Leadership, Tenure};
use super::{Duration, SECOND};

/// A candidate that runs, and what a test may do to it.
pub(super) struct Standing {
    pub(super) identity: String,
    pub(super) link: Link,
    pub(super) leadership: Leadership,
    pub(super) frozen: Arc<AtomicBool>,
    pub(super) shutdown: tokio::sync::watch::Sender<bool>,
    pub(super) task: JoinHandle<()>,
}

/// A process that SIGSTOP can stop.
struct Freezer<F> {
    inner: Pin<Box<F>>,
    frozen: Arc<AtomicBool>,
}

impl<F: Future> Future for Freezer<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        if self.frozen.load(Ordering::SeqCst) {
            let waker = context.waker().clone();
            tokio::spawn(async move {
                sleep(Duration::from_millis(5)).await;
                waker.wake();
            });
            return Poll::Pending;
        }
        self.inner.as_mut().poll(context)
    }
}

impl Standing {
    pub(super) fn start(server: &Server, seed: u64) -> Self {
        let origin = Instant::now();
        Self::with_clock(
            server,
            seed,
            Clock::from_fn(move || SECOND + origin.elapsed()),
        )
    }

    pub(super) fn with_clock(server: &Server, seed: u64, clock: Clock) -> Self {
        Self::fit(server, seed, clock, Arc::new(AtomicBool::new(true)))
    }

    /// One that stands while it is fit.
    pub(super) fn fit(server: &Server, seed: u64, clock: Clock, is_fit: Arc<AtomicBool>) -> Self {
        let link = server.link();
        let candidate = Candidate::with_clock(link.clone(), candidacy(), clock)
            .seeded(seed)
            .standing_while(move || is_fit.load(Ordering::SeqCst));
        let (identity, leadership) = (candidate.identity().to_owned(), candidate.leadership());
        let frozen = Arc::new(AtomicBool::new(false));
        let (shutdown, mut told) = tokio::sync::watch::channel(false);
        let task = tokio::spawn(Freezer {
            inner: Box::pin(candidate.run(async move {
                let _ = told.wait_for(|told| *told).await;
            })),
            frozen: Arc::clone(&frozen),
        });
        Self {
            identity,
            link,
            leadership,
            frozen,
            shutdown,
            task,
        }
    }

    pub(super) fn leads(&self) -> bool {
        self.leadership.tenure().is_some()
    }

    pub(super) fn freeze(&self, frozen: bool) {
        self.frozen.store(frozen, Ordering::SeqCst);
    }

    pub(super) fn cut(&self, lost: Lost) {
        self.link.weather(Weather {
            lost,
            ..Weather::default()
        });
    }

    pub(super) async fn resign(self) {
        self.shutdown.send_replace(true);
        self.task.await.unwrap();
    }

    pub(super) async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

pub(super) async fn elected(standing: &Standing) -> Tenure {
    timeout(120 * SECOND, standing.leadership.elected())
        .await
        .unwrap()
}
