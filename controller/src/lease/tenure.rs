//! The time for which a controller leads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::clock::Clock;

/// A tenure that is over. No tenure ends at the origin of its clock.
const OVER: u64 = 0;

/// One time of leading, from an election to its end. Clones are the same tenure.
///
/// # Guarantees
/// It looks at the clock each time it is asked, so a process that was stopped for too long is told so at once. Once it is
/// over it stays over; who is elected again has another one.
#[derive(Clone, Debug)]
pub struct Tenure(Arc<Term>);

#[derive(Debug)]
struct Term {
    /// When it ends unless renewed, in nanoseconds of the clock, or [`OVER`].
    until: AtomicU64,
    clock: Clock,
    ended: watch::Sender<bool>,
}

impl Tenure {
    pub(super) fn new(clock: Clock, until: Duration) -> Self {
        Self(Arc::new(Term {
            until: AtomicU64::new(nanoseconds(until)),
            clock,
            ended: watch::Sender::new(false),
        }))
    }

    /// Whether a write may be sent now.
    pub fn is_current(&self) -> bool {
        !self.remaining().is_zero()
    }

    /// How long that stays so, if nothing more is heard of the API server; zero once it is over.
    pub fn remaining(&self) -> Duration {
        let term = &self.0;
        loop {
            let until = term.until.load(Ordering::SeqCst);
            let left = until.saturating_sub(nanoseconds(term.clock.now()));
            // Whoever was told that it is over must not see it again; a renewal at this moment counts.
            if left > 0 || self.replace(until, OVER) {
                return Duration::from_nanos(left);
            }
        }
    }

    /// Resolves when it is over. A machine that slept is told late by this, and at once by [`is_current`](Self::is_current).
    pub async fn ended(&self) {
        let mut ended = self.0.ended.subscribe();
        loop {
            let left = self.remaining();
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = sleep(left) => {}
                _ = ended.wait_for(|ended| *ended) => return,
            }
        }
    }

    /// It ends later than it would have. Not if it is over already.
    pub(super) fn extend(&self, until: Duration) -> bool {
        loop {
            let before = self.0.until.load(Ordering::SeqCst);
            if before == OVER || !self.is_current() {
                return false;
            }
            if self.replace(before, nanoseconds(until).max(before)) {
                return true;
            }
        }
    }

    /// It ends now.
    pub(super) fn end(&self) {
        self.0.until.store(OVER, Ordering::SeqCst);
        self.0.ended.send_replace(true);
    }

    fn replace(&self, before: u64, after: u64) -> bool {
        let until = &self.0.until;
        until
            .compare_exchange(before, after, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use super::*;

    fn at(millis: &Arc<AtomicU64>) -> Clock {
        let millis = Arc::clone(millis);
        Clock::from_fn(move || Duration::from_millis(millis.load(Ordering::SeqCst)))
    }

    #[test]
    fn a_tenure_is_over_when_its_clock_says_so_and_no_renewal_brings_it_back() {
        let now = Arc::new(AtomicU64::new(1000));
        let tenure = Tenure::new(at(&now), Duration::from_millis(8500));
        assert!(tenure.is_current() && tenure.extend(Duration::from_millis(9000)));
        assert!(tenure.extend(Duration::from_millis(100)), "an older answer");
        assert_eq!(tenure.remaining(), Duration::from_millis(8000));
        now.store(9000, Ordering::SeqCst);
        assert!(!tenure.is_current() && !tenure.extend(Duration::from_millis(20_000)));
        now.store(1000, Ordering::SeqCst);
        assert!(!tenure.is_current(), "whatever the clock does");
    }

    #[test]
    fn who_was_told_that_it_is_over_never_hears_otherwise_in_the_middle_of_a_renewal() {
        for _ in 0..200 {
            let now = Arc::new(AtomicU64::new(1));
            let tenure = Tenure::new(at(&now), Duration::from_millis(2));
            let (over, done) = (AtomicBool::new(false), AtomicBool::new(false));
            thread::scope(|scope| {
                scope.spawn(|| {
                    while !done.load(Ordering::SeqCst) {
                        let told = over.load(Ordering::SeqCst);
                        let current = tenure.is_current();
                        assert!(!(told && current));
                        over.fetch_or(!current, Ordering::SeqCst);
                    }
                });
                now.store(2, Ordering::SeqCst);
                tenure.extend(Duration::from_millis(50));
                done.store(true, Ordering::SeqCst);
            });
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_is_told_at_the_deadline_or_when_it_comes_before_it() {
        let origin = tokio::time::Instant::now();
        let clock = Clock::from_fn(move || origin.elapsed());
        let tenure = Tenure::new(clock.clone(), Duration::from_secs(5));
        tenure.extend(Duration::from_secs(8));
        tenure.ended().await;
        assert_eq!(origin.elapsed().as_secs(), 8);
        let tenure = Tenure::new(clock, Duration::from_secs(100));
        let waits = tokio::spawn({
            let tenure = tenure.clone();
            async move { tenure.ended().await }
        });
        sleep(Duration::from_secs(1)).await;
        tenure.end();
        waits.await.unwrap();
        assert_eq!(origin.elapsed().as_secs(), 9);
    }
}
