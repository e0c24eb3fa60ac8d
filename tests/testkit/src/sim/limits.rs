//! What IMDS allows one VM: requests in flight, and requests in any second.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::config::Limits;

/// IMDS counts requests per second.
const WINDOW: Duration = Duration::from_secs(1);

/// What the limits saw since the start.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
pub struct LimitCounts {
    /// Identity requests refused with 429 because too many were in flight.
    pub identity_refused_concurrent: u64,
    /// Identity requests refused with 429 because too many came in one second.
    pub identity_refused_rate: u64,
    /// Other requests refused with 429.
    pub metadata_refused_rate: u64,
    /// The most identity requests that wanted to be in flight at once, refused ones included.
    pub identity_peak_concurrent: usize,
    /// The most identity requests that came in any one second, refused ones included.
    pub identity_peak_per_second: usize,
    /// The same for all other requests.
    pub metadata_peak_per_second: usize,
}

pub(crate) struct VmLimits {
    limits: Limits,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    in_flight: usize,
    identity: VecDeque<Instant>,
    metadata: VecDeque<Instant>,
    counts: LimitCounts,
}

/// Why a request met a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exceeded {
    Concurrency,
    Rate,
}

/// An identity request in flight; dropping it makes room.
pub(crate) struct InFlight<'a>(&'a VmLimits);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.state.lock().in_flight -= 1;
    }
}

impl VmLimits {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            state: Mutex::default(),
        }
    }

    pub(crate) fn counts(&self) -> LimitCounts {
        self.state.lock().counts
    }

    /// Admits an identity request. Refused ones count as well: a client that hammers stays refused.
    pub(crate) fn identity(&self) -> Result<InFlight<'_>, Exceeded> {
        let mut state = self.state.lock();
        let seen = arrive(&mut state.identity);
        let wanted = state.in_flight + 1;
        let counts = &mut state.counts;
        counts.identity_peak_per_second = counts.identity_peak_per_second.max(seen);
        counts.identity_peak_concurrent = counts.identity_peak_concurrent.max(wanted);
        if wanted > self.limits.identity_concurrent {
            counts.identity_refused_concurrent += 1;
            return Err(Exceeded::Concurrency);
        }
        if seen > self.limits.identity_per_second {
            counts.identity_refused_rate += 1;
            return Err(Exceeded::Rate);
        }
        state.in_flight = wanted;
        Ok(InFlight(self))
    }

    /// Admits any other request.
    pub(crate) fn metadata(&self) -> Result<(), Exceeded> {
        let mut state = self.state.lock();
        let seen = arrive(&mut state.metadata);
        let counts = &mut state.counts;
        counts.metadata_peak_per_second = counts.metadata_peak_per_second.max(seen);
        if seen > self.limits.metadata_per_second {
            counts.metadata_refused_rate += 1;
            return Err(Exceeded::Rate);
        }
        Ok(())
    }
}

/// Adds an arrival and says how many the last second saw, this one included.
fn arrive(window: &mut VecDeque<Instant>) -> usize {
    let now = Instant::now();
    while window
        .front()
        .is_some_and(|first| now.duration_since(*first) >= WINDOW)
    {
        window.pop_front();
    }
    window.push_back(now);
    window.len()
}
