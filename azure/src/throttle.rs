//! Keeping to what a peer allows: the limits of IMDS, and `Retry-After`.
//!
//! IMDS limits the whole virtual machine, so one pod that goes over them takes the tokens of all the others.
//! Whoever calls IMDS on a node therefore shares one [`ImdsLimits`].

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ::http::HeaderMap;
use ::http::header::RETRY_AFTER;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

mod seats;

use seats::{Seat, Seats};

/// Identity requests that IMDS serves at a time ("Rate limiting" of Microsoft's description of IMDS).
pub const IDENTITY_CONCURRENT: usize = 5;

/// Identity requests that IMDS takes in a second, likewise.
pub const IDENTITY_PER_SECOND: usize = 20;

/// How many of them one party may have in flight: the last seat is always somebody else's.
pub const IDENTITY_PER_PARTY: usize = IDENTITY_CONCURRENT - 1;

/// Requests for the tenant's name that start in a second, out of those of identities. A pod asks once in its
/// life, and must not take the turns of those who wait for tokens.
pub const INFO_PER_SECOND: usize = 2;

/// All other requests that IMDS takes in a second, likewise.
pub const INSTANCE_PER_SECOND: usize = 5;

/// The second in which starts are counted, and a twentieth more: what leaves here a second apart may arrive
/// there a little closer.
const WINDOW: Duration = Duration::from_millis(1050);

/// Longest wait that is taken from a `Retry-After`. Entra ID says a minute, ARM at most some tens; a longer one
/// is a slip or an attack, and would lock an identity out.
pub const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// The limits of one IMDS. Clones share them.
///
/// # Guarantees
/// Identity requests: never more than [`IDENTITY_CONCURRENT`] in flight, never more than
/// [`IDENTITY_PER_SECOND`] starts in any second. Others: [`INSTANCE_PER_SECOND`], and as many in flight.
/// Parties take turns, so that nobody waits behind all that another one asks for; within a party who waits
/// is served in order. Who stops waiting leaves no trace.
#[derive(Clone, Debug)]
pub struct ImdsLimits {
    identity: Arc<Lane>,
    info: Arc<Lane>,
    instance: Arc<Lane>,
}

/// Leave to make one request now; the seat is free again when this is dropped.
#[derive(Debug)]
#[must_use = "the seat is free again as soon as this is dropped"]
pub struct Turn {
    _seat: Seat,
    /// Its place in the smaller lane that it came through.
    _share: Option<Seat>,
}

/// Seats for what is in flight, and a record of the latest starts.
#[derive(Debug)]
struct Lane {
    seats: Seats,
    per_window: usize,
    starts: Mutex<VecDeque<Instant>>,
}

// === impl ImdsLimits ===

impl Default for ImdsLimits {
    fn default() -> Self {
        Self {
            identity: Arc::new(Lane::new(
                Seats::new(IDENTITY_CONCURRENT, IDENTITY_PER_PARTY),
                IDENTITY_PER_SECOND,
            )),
            info: Arc::new(Lane::new(Seats::new(1, 1), INFO_PER_SECOND)),
            instance: Arc::new(Lane::new(
                Seats::new(INSTANCE_PER_SECOND, INSTANCE_PER_SECOND),
                INSTANCE_PER_SECOND,
            )),
        }
    }
}

/// The party of what belongs to nobody in particular. No namespace has an empty name.
const NOBODY: &str = "";

impl ImdsLimits {
    /// Waits until a request for a token may be made, in turn with other parties: namespaces, on a node.
    /// The caller sets the deadline.
    pub async fn identity(&self, party: &str) -> Turn {
        let seat = self.identity.turn(party).await;
        Turn {
            _seat: seat,
            _share: None,
        }
    }

    /// Waits until the tenant's name may be asked for, which counts as an identity request. The caller sets
    /// the deadline.
    pub async fn info(&self) -> Turn {
        let share = self.info.turn(NOBODY).await;
        let seat = self.identity.turn(NOBODY).await;
        Turn {
            _seat: seat,
            _share: Some(share),
        }
    }

    /// Waits until any other request may be made. The caller sets the deadline.
    pub async fn instance(&self) -> Turn {
        let seat = self.instance.turn(NOBODY).await;
        Turn {
            _seat: seat,
            _share: None,
        }
    }
}

// === impl Lane ===

impl Lane {
    fn new(seats: Seats, per_window: usize) -> Self {
        Self {
            seats,
            per_window,
            starts: Mutex::new(VecDeque::with_capacity(per_window)),
        }
    }

    async fn turn(&self, party: &str) -> Seat {
        let seat = self.seats.take(party).await;
        self.start().await;
        seat
    }

    /// The lock is held while waiting, which is what keeps the order.
    async fn start(&self) {
        let mut starts = self.starts.lock().await;
        if starts.len() == self.per_window {
            sleep_until(starts[0] + WINDOW).await;
            starts.pop_front();
        }
        starts.push_back(Instant::now());
    }
}

/// The wait that a `Retry-After` asks for (RFC 9110 §10.2.3: seconds or a date), at most
/// [`LONGEST_RETRY_AFTER`]. A date that has passed is no wait; a value that makes no sense is not there.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => until(httpdate::parse_http_date(text).ok()?),
    };
    Some(wait.min(LONGEST_RETRY_AFTER))
}

fn until(date: SystemTime) -> Duration {
    date.duration_since(SystemTime::now()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
