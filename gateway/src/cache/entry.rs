//! One key's token and the flight that renews it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use podgate_azure::failure::Failure;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Held, Request};
use crate::assignment::Whose;
use crate::credential::Wanted;
use crate::refusal::Refusal;
use crate::world::{ObjectRef, PodUid};

type Outcome = Result<Arc<Held>, Failure>;
/// Resolves to the outcome of a call to the authority.
pub(super) type Flight = watch::Receiver<Option<Outcome>>;
/// Held by whoever makes the call.
pub(super) struct Landing(watch::Sender<Option<Outcome>>);

/// How a caller takes part in a flight.
pub(super) enum Boarding {
    /// One is under way.
    Joined(Flight),
    /// The last one failed and its pause is not over.
    Grounded(Failure),
    /// The caller starts one.
    Pilot(Flight, Landing),
}

/// A final refusal is asked again after this long: an operator may have mended what only Entra knows, and
/// an edited identity or Secret is another key anyway.
const REFUSED: Duration = Duration::from_secs(15);
/// The pause after the first failure that may pass; each further one doubles it.
const FIRST: Duration = Duration::from_secs(1);
/// The longest such pause, and the longest `Retry-After` that is obeyed.
const LONGEST: Duration = Duration::from_secs(60);

/// A key's state.
pub(super) struct Entry {
    wanted: Wanted,
    owner: PodUid,
    /// The cache plugin lets tokens of this key be kept.
    kept: bool,
    held: ArcSwapOption<Held>,
    flights: Mutex<Flights>,
    last_used: AtomicU64,
}

#[derive(Default)]
struct Flights {
    current: Option<Flight>,
    failures: u32,
    grounded: Option<(Failure, Instant)>,
}

// === impl Entry ===

impl Entry {
    pub(super) fn new(request: Request<'_>, owner: PodUid, kept: bool) -> Self {
        Self {
            wanted: request.wanted(),
            owner,
            kept,
            held: ArcSwapOption::empty(),
            flights: Mutex::default(),
            last_used: AtomicU64::new(0),
        }
    }

    pub(super) fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    pub(super) fn owner(&self) -> &PodUid {
        &self.owner
    }

    pub(super) fn touch(&self, now: u64) {
        // A store only when it changes something keeps the line shared between cores.
        if self.last_used.load(Ordering::Relaxed) != now {
            self.last_used.store(now, Ordering::Relaxed);
        }
    }

    /// The token, while it may be served.
    pub(super) fn held(&self, now: u64) -> Option<Arc<Held>> {
        self.held.load_full().filter(|held| held.is_kept(now))
    }

    /// Joins, is grounded, or starts once `admit` agrees.
    pub(super) fn join_or_start(
        &self,
        admit: impl FnOnce() -> Result<(), Refusal>,
    ) -> Result<Boarding, Refusal> {
        let mut flights = self.flights.lock();
        // An error means that the sender is gone: the task died.
        let under_way = |flight: &&Flight| flight.has_changed().is_ok();
        if let Some(flight) = flights.current.as_ref().filter(under_way) {
            return Ok(Boarding::Joined(flight.clone()));
        }
        if let Some((failure, until)) = &flights.grounded
            && let Some(left) = until.checked_duration_since(Instant::now())
            && !left.is_zero()
        {
            return Ok(Boarding::Grounded(with_retry_after(failure, left)));
        }
        admit()?;
        let (landing, flight) = watch::channel(None);
        flights.current = Some(flight.clone());
        Ok(Boarding::Pilot(flight, Landing(landing)))
    }

    /// Records an outcome and tells everybody who waits.
    pub(super) fn land(&self, landing: Landing, outcome: Outcome) {
        let mut flights = self.flights.lock();
        flights.current = None;
        match &outcome {
            Ok(held) => {
                flights.failures = 0;
                flights.grounded = None;
                if self.kept {
                    self.held.store(Some(Arc::clone(held)));
                }
            }
            Err(failure) => {
                flights.failures = flights.failures.saturating_add(1);
                let pause = pause(failure, flights.failures);
                flights.grounded = Some((failure.clone(), Instant::now() + pause));
            }
        }
        drop(flights);
        landing.0.send_replace(Some(outcome));
    }

    /// Whether the entry is of no more use: nothing held, nothing under way, no failure remembered.
    pub(super) fn is_dead(&self, now: u64) -> bool {
        let flights = self.flights.lock();
        let grounded = flights
            .grounded
            .as_ref()
            .is_some_and(|(_, until)| *until > Instant::now());
        flights.current.is_none() && !grounded && self.held(now).is_none()
    }

    /// Whether it should be renewed although nobody asks right now: it is due, and was used since it was got.
    pub(super) fn is_due(&self, now: u64) -> bool {
        self.held(now).is_some_and(|held| {
            held.is_due(now) && self.last_used.load(Ordering::Relaxed) >= held.obtained()
        })
    }

    pub(super) fn is_of(&self, identity: &ObjectRef) -> bool {
        super::names(identity, &self.wanted.assignment)
    }

    pub(super) fn uses(&self, secret: &ObjectRef) -> bool {
        match self.wanted.assignment.whose() {
            Whose::Bound { identity, .. } => identity.secret() == Some(secret),
            Whose::Node(_) => false,
        }
    }

    pub(super) fn is_node(&self) -> bool {
        matches!(self.wanted.assignment.whose(), Whose::Node(_))
    }
}

/// How long a failure keeps the authority from being asked again.
fn pause(failure: &Failure, failures: u32) -> Duration {
    match failure {
        Failure::Refused { .. } => REFUSED,
        Failure::Unavailable {
            retry_after: Some(wait),
            ..
        } => (*wait).clamp(FIRST, LONGEST),
        Failure::Unavailable { .. } => {
            let doubled = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(6));
            jittered(doubled.min(LONGEST))
        }
    }
}

/// Between 80 % and 120 %: the nodes of a cluster must not come back together.
fn jittered(pause: Duration) -> Duration {
    let spread = uuid::Uuid::new_v4().as_u128() % 401;
    let permille = 800 + u32::try_from(spread).unwrap_or(200);
    pause * permille / 1000
}

fn with_retry_after(failure: &Failure, left: Duration) -> Failure {
    match failure {
        Failure::Unavailable {
            description,
            throttled,
            ..
        } => Failure::Unavailable {
            description: description.clone(),
            retry_after: Some(left),
            throttled: *throttled,
        },
        refused => refused.clone(),
    }
}
