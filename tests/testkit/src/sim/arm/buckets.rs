//! The throttling buckets, as documented: full at first, new tokens at every full minute.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use http::header::{HeaderName, HeaderValue};

use super::auth::Caller;
use super::errors::Refusal;
use super::route::{Request, Route};
use super::settings::{ArmBucket, ArmLimit, ArmSettings};

/// What a call does, as the limits and the script of faults tell calls apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Update,
    Poll,
}

impl Verb {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Update => "PATCH",
            Self::Poll => "POLL",
        }
    }
}

/// What one call took from one bucket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Charge {
    limit: ArmLimit,
    left: u32,
}

impl Charge {
    pub(super) fn header(&self) -> (HeaderName, HeaderValue) {
        if !self.limit.is_front_door() {
            let value = HeaderValue::from_str(&format!("Microsoft.Compute/{self}"));
            let value = value.expect("a name and a number make a header");
            return (
                HeaderName::from_static("x-ms-ratelimit-remaining-resource"),
                value,
            );
        }
        let name = match self.limit {
            ArmLimit::Writes => "x-ms-ratelimit-remaining-subscription-writes",
            _ => "x-ms-ratelimit-remaining-subscription-reads",
        };
        (HeaderName::from_static(name), HeaderValue::from(self.left))
    }
}

/// `UpdateVMScaleSetResource;11`
impl fmt::Display for Charge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};{}", self.limit.name(), self.left)
    }
}

/// All buckets that were ever used.
pub(super) struct Buckets {
    minute: Duration,
    changed: HashMap<ArmLimit, ArmBucket>,
    levels: HashMap<(ArmLimit, String), Level>,
}

struct Level {
    tokens: u32,
    /// The minute of the last refill.
    minute: u32,
}

impl Buckets {
    pub(super) fn new(settings: &ArmSettings) -> Self {
        Self {
            minute: Duration::from_millis(settings.minute_ms.max(1)),
            changed: settings
                .buckets
                .iter()
                .map(|(limit, bucket)| (*limit, *bucket))
                .collect(),
            levels: HashMap::new(),
        }
    }

    /// Takes one token from each bucket, or none at all. `now` is since the start.
    pub(super) fn charge(
        &mut self,
        request: &Request,
        caller: &Caller,
        place: &Place,
        now: Duration,
    ) -> Result<Vec<Charge>, Refusal> {
        let keys = keys(request, caller, place);
        let mut empty = keys.iter().filter(|key| self.level(key, now).tokens == 0);
        if let Some((limit, _)) = empty.next() {
            let limit = *limit;
            return Err(Refusal::throttled(limit, self.seconds_to_next(now)));
        }
        let charge = |key: &(ArmLimit, String)| {
            let level = self.level(key, now);
            level.tokens -= 1;
            Charge {
                limit: key.0,
                left: level.tokens,
            }
        };
        Ok(keys.iter().map(charge).collect())
    }

    fn level(&mut self, key: &(ArmLimit, String), now: Duration) -> &mut Level {
        let bucket = self
            .changed
            .get(&key.0)
            .copied()
            .unwrap_or_else(|| key.0.documented());
        let minute = self.minutes(now);
        let level = self.levels.entry(key.clone()).or_insert(Level {
            tokens: bucket.capacity,
            minute,
        });
        let refill = bucket.per_minute.saturating_mul(minute - level.minute);
        level.tokens = level.tokens.saturating_add(refill).min(bucket.capacity);
        level.minute = minute;
        level
    }

    fn minutes(&self, now: Duration) -> u32 {
        let minutes = now.as_nanos() / self.minute.as_nanos();
        u32::try_from(minutes).unwrap_or(u32::MAX)
    }

    /// Rounded up: who comes back then finds new tokens.
    fn seconds_to_next(&self, now: Duration) -> u64 {
        let next = self.minute * (self.minutes(now) + 1);
        let left = next.saturating_sub(now);
        left.as_secs() + u64::from(left.subsec_nanos() > 0)
    }
}

/// What a call concerns.
pub(super) struct Place {
    /// The key of the resource, if that is known.
    pub(super) on: Option<String>,
    /// Its region, empty where it is not known.
    pub(super) region: String,
}

/// One resource's, its kind's in the region of the subscription, and the principal's at the front door. Of a list the last.
fn keys(request: &Request, caller: &Caller, place: &Place) -> Vec<(ArmLimit, String)> {
    let subscription = request.subscription().to_lowercase();
    let region = format!("{subscription} {}", place.region);
    let door = format!("{subscription} {}", caller.object_id.to_lowercase());
    let (one, all, own) = match &request.route {
        Route::Operation { name, .. } => (
            ArmLimit::Operation,
            ArmLimit::OperationAll,
            place.on.clone().unwrap_or_else(|| name.clone()),
        ),
        Route::Compute(id) => {
            let (one, all) = of_resource(id.scale_set, request.verb());
            (one, all, id.key())
        }
        // Compute has limits of its own for lists, which are not simulated.
        Route::List(_) => return vec![(ArmLimit::Reads, door)],
    };
    let front = if request.verb() == Verb::Update {
        ArmLimit::Writes
    } else {
        ArmLimit::Reads
    };
    vec![(front, door), (one, own), (all, region)]
}

fn of_resource(scale_set: bool, verb: Verb) -> (ArmLimit, ArmLimit) {
    match (scale_set, verb) {
        (true, Verb::Update) => (ArmLimit::ScaleSetUpdate, ArmLimit::ScaleSetUpdateAll),
        (true, _) => (ArmLimit::ScaleSetGet, ArmLimit::ScaleSetGetAll),
        (false, Verb::Update) => (ArmLimit::MachineUpdate, ArmLimit::MachineUpdateAll),
        (false, _) => (ArmLimit::MachineGet, ArmLimit::MachineGetAll),
    }
}
