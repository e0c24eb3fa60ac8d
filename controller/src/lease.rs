//! Which of several controllers may write: leader election by a Lease of `coordination.k8s.io/v1`.
//!
//! ```text
//!            renewal sent              answer
//! leader    ─────┼────────────────────────┼──────▶┤ renew deadline: its tenure is over, unless renewed
//! standby   ──────────┼ sees the change ─────────────────────────────▶┤ duration: it may take over
//! ```
//! Nobody compares clocks: a tenure counts from before its renewal was sent, a standby from after it saw the renewal, each
//! by its own clock. The renew deadline is half of the duration, so two tenures never overlap while no clock runs twice as
//! fast as another. Every write is bound to the `resourceVersion` that was seen, so a standby that missed a renewal cannot
//! take over. Facts: client-go's `tools/leaderelection`, whose candidates may share the Lease.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use crate::settings::seconds_or_unit;

mod candidate;
mod clock;
mod leadership;
mod record;
mod seen;
mod store;
mod tenure;

pub use candidate::Candidate;
pub use clock::Clock;
pub use leadership::Leadership;
pub use store::{ApiStore, Store, StoreError};
pub use tenure::Tenure;

/// Who stands for election, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidacy {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub name: String,
    /// The candidate's name for people, its host's as a rule. What makes it unlike any other is added to it.
    pub instance: String,
    /// How long a leader that is not heard of is left alone.
    pub duration: LeaseDuration,
}

/// How long a leader that is not heard of is left alone: a second to an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeaseDuration(Duration);

/// No duration for a Lease.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidLeaseDuration {
    /// No duration at all.
    #[error("{0}")]
    Malformed(String),
    /// Shorter than a call to a busy API server takes, or longer than anybody waits.
    #[error("a lease is held for {LEAST:?} to {MOST:?}, not for {0:?}")]
    OutOfRange(Duration),
}

const LEAST: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_secs(3600);

// === impl LeaseDuration ===

impl LeaseDuration {
    /// Checks the bounds.
    ///
    /// # Errors
    /// It is out of them.
    pub fn new(duration: Duration) -> Result<Self, InvalidLeaseDuration> {
        match (LEAST..=MOST).contains(&duration) {
            true => Ok(Self(duration)),
            false => Err(InvalidLeaseDuration::OutOfRange(duration)),
        }
    }

    /// The duration itself: how long a standby waits.
    pub fn get(self) -> Duration {
        self.0
    }

    /// How long a tenure holds without a renewal: half of it, as ever.
    pub fn renew_deadline(self) -> Duration {
        self.0 / 2
    }

    /// Between two renewals, between two looks, and how long one call may take: a quarter of it, as ever.
    pub fn retry(self) -> Duration {
        self.0 / 4
    }

    /// After a renewal that failed: several fit into what is left of a tenure.
    fn again(self) -> Duration {
        self.0 / 32
    }

    /// `leaseDurationSeconds`, never less than the duration.
    fn whole_seconds(self) -> i32 {
        let seconds = self.0.as_secs() + u64::from(self.0.subsec_nanos() > 0);
        i32::try_from(seconds).expect("an hour at the most")
    }

    /// What a Lease says, bounded: one that says more than any podgate may would never be taken over.
    fn said(seconds: i32) -> Option<Duration> {
        let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0)?;
        Some(Duration::from_secs(seconds).min(MOST))
    }
}

impl FromStr for LeaseDuration {
    type Err = InvalidLeaseDuration;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        seconds_or_unit(text)
            .map_err(InvalidLeaseDuration::Malformed)
            .and_then(Self::new)
    }
}

impl fmt::Display for LeaseDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
