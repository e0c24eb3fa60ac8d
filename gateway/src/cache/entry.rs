//! One key's token and the flight that renews it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use podgate_azure::failure::Failure;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Held, Request, lost};
use crate::assignment::Whose;
use crate::credential::Wanted;
use crate::refusal::Refusal;
use crate::world::{ObjectRef, PodUid};

type Outcome = Result<Arc<Held>, Failure>;
/// Resolves to the outcome of a call to the authority.
pub(super) type Flight = watch::Receiver<Option<Outcome>>;
/// Held by whoever makes the call. Dropped without an outcome, the call was lost: its task panicked.
pub(super) struct Landing {
    entry: Arc<Entry>,
    outcome: watch::Sender<Option<Outcome>>,
    anew: bool,
}

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
/// The longest rest after a renewal that brought nothing better than what was there.
const LONGEST_REST: Duration = Duration::from_secs(3600);

/// A key's state.
pub(super) struct Entry {
    wanted: Wanted,
    /// The pod whose share it takes a place of; none once that is gone.
    owner: Mutex<Option<PodUid>>,
    /// Whether `owner` is none, for those who only look.
    orphan: AtomicBool,
    held: ArcSwapOption<Held>,
    flights: Mutex<Flights>,
    last_used: AtomicU64,
    /// A change made it stale while it was in use, and nobody has asked for it since.
    forgotten: AtomicBool,
}

#[derive(Default)]
struct Flights {
    current: Option<Flight>,
    failures: u32,
    grounded: Option<(Failure, Instant)>,
    /// Until then it is not renewed but for those who want it anew.
    rest: Option<Instant>,
}

// === impl Entry ===

impl Entry {
    pub(super) fn new(request: Request<'_>, owner: PodUid) -> Self {
        Self {
            wanted: request.wanted(),
            owner: Mutex::new(Some(owner)),
            orphan: AtomicBool::new(false),
            held: ArcSwapOption::empty(),
            flights: Mutex::default(),
            last_used: AtomicU64::new(0),
            forgotten: AtomicBool::new(false),
        }
    }

    pub(super) fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    pub(super) fn owner(&self) -> Option<PodUid> {
        self.owner.lock().clone()
    }

    /// Whether it belongs to nobody.
    pub(super) fn is_orphan(&self) -> bool {
        self.orphan.load(Ordering::Relaxed)
    }

    /// Gives it to a pod, if it belongs to nobody and the pod has room for it.
    pub(super) fn adopt(&self, pod: &PodUid, room: impl FnOnce(&PodUid) -> bool) {
        let mut owner = self.owner.lock();
        if owner.is_none() && room(pod) {
            *owner = Some(pod.clone());
            self.orphan.store(false, Ordering::Relaxed);
        }
    }

    /// Takes it from its owner, if that is gone; says from whom.
    pub(super) fn disown(&self, gone: impl Fn(&PodUid) -> bool) -> Option<PodUid> {
        let lost = self.owner.lock().take_if(|owner| gone(owner));
        if lost.is_some() {
            self.orphan.store(true, Ordering::Relaxed);
        }
        lost
    }

    pub(super) fn touch(&self, now: u64) {
        // A store only when it changes something keeps the line shared between cores.
        if self.last_used.load(Ordering::Relaxed) != now {
            self.last_used.store(now, Ordering::Relaxed);
        }
        if self.forgotten.load(Ordering::Relaxed) {
            self.forgotten.store(false, Ordering::Relaxed);
        }
    }

    pub(super) fn last_used(&self) -> u64 {
        self.last_used.load(Ordering::Relaxed)
    }

    /// A change made it stale: neither what it holds nor what a call under way brings is kept.
    pub(super) fn forget(&self) {
        let _flights = self.flights.lock();
        self.forgotten.store(true, Ordering::Relaxed);
        self.held.store(None);
    }

    /// The token, while it may be served.
    pub(super) fn held(&self, now: u64) -> Option<Arc<Held>> {
        self.held.load_full().filter(|held| held.is_kept(now))
    }

    /// Joins, is grounded, or starts once `admit` agrees. `anew`: whatever comes replaces what is there. Who saw no token
    /// a moment ago may come after the flight that brought it, and joins that one.
    pub(super) fn join_or_start(
        self: &Arc<Self>,
        anew: bool,
        now: u64,
        admit: impl FnOnce() -> Result<(), Refusal>,
    ) -> Result<Boarding, Refusal> {
        let mut flights = self.flights.lock();
        if let Some(flight) = &flights.current {
            return Ok(Boarding::Joined(flight.clone()));
        }
        let needs_none = |held: &Arc<Held>| !anew && held.is_fresh(now) && !held.is_due(now);
        if let Some(held) = self.held(now).filter(needs_none) {
            return Ok(Boarding::Joined(watch::channel(Some(Ok(held))).1));
        }
        if let Some(failure) = flights.grounded(anew) {
            return Ok(Boarding::Grounded(failure));
        }
        admit()?;
        let (outcome, flight) = watch::channel(None);
        flights.current = Some(flight.clone());
        let entry = Arc::clone(self);
        let landing = Landing {
            entry,
            outcome,
            anew,
        };
        Ok(Boarding::Pilot(flight, landing))
    }

    fn settle(&self, outcome: &Outcome, anew: bool, now: u64) {
        let mut flights = self.flights.lock();
        flights.current = None;
        match outcome {
            Ok(held) => {
                flights.failures = 0;
                flights.grounded = None;
                flights.rest = self.keep(held, anew, now);
            }
            Err(failure) => flights.fail(failure),
        }
    }

    /// A renewal must not shorten what can be served through an outage: a token that ends sooner than the one
    /// that is there is not kept, and asking rests for a while. Who wants it anew may know the old one to be
    /// revoked, so there the new one counts.
    fn keep(&self, held: &Arc<Held>, anew: bool, now: u64) -> Option<Instant> {
        let old = self.held(now).filter(|_| !anew);
        if old.is_some_and(|old| old.expires_on() > held.expires_on()) {
            let half = Duration::from_secs(held.expires_on().saturating_sub(now) / 2);
            return Some(Instant::now() + half.clamp(LONGEST, LONGEST_REST));
        }
        if held.is_kept(now) && !self.forgotten.load(Ordering::Relaxed) {
            self.held.store(Some(Arc::clone(held)));
        }
        None
    }

    /// Whether the entry is of no more use: nothing held, nothing under way, no failure remembered.
    pub(super) fn is_dead(&self, now: u64) -> bool {
        let flights = self.flights.lock();
        let idle = flights.current.is_none() && flights.grounded(true).is_none();
        idle && self.held(now).is_none()
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
}

// === impl Flights ===

impl Flights {
    /// Why the authority is not asked right now.
    fn grounded(&self, anew: bool) -> Option<Failure> {
        let left = |until: Instant| {
            let left = until.checked_duration_since(Instant::now());
            left.filter(|left| !left.is_zero())
        };
        let failed = self.grounded.as_ref().and_then(|(failure, until)| {
            let left = left(*until)?;
            Some(with_retry_after(failure, left))
        });
        failed.or_else(|| {
            let left = left(self.rest.filter(|_| !anew)?)?;
            Some(with_retry_after(&sooner(), left))
        })
    }

    fn fail(&mut self, failure: &Failure) {
        self.failures = self.failures.saturating_add(1);
        let pause = pause(failure, self.failures);
        self.grounded = Some((failure.clone(), Instant::now() + pause));
    }
}

// === impl Landing ===

impl Landing {
    pub(super) fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Records the outcome at the time `now`, and tells everybody who waits.
    pub(super) fn land(self, outcome: Outcome, now: u64) {
        self.entry.settle(&outcome, self.anew, now);
        self.outcome.send_replace(Some(outcome));
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        if self.outcome.borrow().is_none() {
            let lost = Err(lost());
            self.entry.settle(&lost, self.anew, 0);
            self.outcome.send_replace(Some(lost));
        }
    }
}

/// Nobody is refused with it: there is an older token.
fn sooner() -> Failure {
    Failure::Unavailable {
        description: "the authority answers with tokens that end before the one that is held"
            .to_owned(),
        retry_after: None,
        throttled: false,
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
