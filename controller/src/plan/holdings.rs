//! What one virtual machine or scale set holds, who waits for it to hold more or less, and what to ask of Azure next.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use podgate_api::{ClientId, ObjectRef, ResourceId};
use podgate_azure::arm::{ArmError, Compute, ErrorClass, IdentityChange, ProvisioningState};

use super::Settings;

/// After a first failure that names no time; it doubles up to [`LONGEST`].
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(5 * 60);
/// An identity that Azure refuses is tried again after this, doubling up to [`LONGEST`]: roles that were just given take
/// minutes to be known everywhere.
const BARRED: Duration = Duration::from_secs(15);
/// A burst of new identities is waited for at most so many times the time of silence.
const BURST: u32 = 20;
/// A change that somebody began: looked at again after this, at most for [`UNSETTLED`].
const SETTLING: Duration = Duration::from_secs(5);
const UNSETTLED: Duration = Duration::from_secs(120);

/// What to ask of Azure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// What is there.
    Look,
    /// This change.
    Change(IdentityChange),
}

/// What is next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Ask now.
    Ask(Ask),
    /// Nothing before this time.
    Wait(Instant),
    /// Nothing, until something happens.
    Idle,
}

/// One virtual machine or scale set.
#[derive(Debug, Default)]
pub(super) struct Holdings {
    /// Records that are wanted, by what they need. What is in here is never taken away.
    pub(super) wanted: BTreeMap<ResourceId, BTreeSet<ObjectRef>>,
    /// Records that wait until it is there.
    adding: BTreeMap<ResourceId, BTreeSet<ObjectRef>>,
    /// Records that wait until it is gone, and when that is due.
    removing: BTreeMap<ResourceId, BTreeMap<ObjectRef, Instant>>,
    /// What was there when we last looked, and each one's client id. Nothing before the first look.
    known: Option<BTreeMap<ResourceId, Option<ClientId>>>,
    looked: Option<Instant>,
    /// Neither known to be there nor known not to be: a change of it is under way, or failed.
    uncertain: BTreeSet<ResourceId>,
    /// What Azure refuses.
    barred: BTreeMap<ResourceId, Barred>,
    asked: Option<Ask>,
    /// Not before this.
    pause: Option<Instant>,
    failures: u32,
    /// The first and the last of the identities that wait for a request.
    burst: Option<(Instant, Instant)>,
    unsettled: Option<Instant>,
    /// Identities that nobody who is known here asked for.
    pub(super) foreign: usize,
}

#[derive(Debug)]
struct Barred {
    until: Instant,
    times: u32,
}

/// What an answer of Azure's means for others.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Records to be decided on again.
    pub(super) records: BTreeSet<ObjectRef>,
    /// Identities that this error is about.
    pub(super) refused: Vec<ResourceId>,
}

impl Holdings {
    pub(super) fn is_present(&self, resource: &ResourceId) -> bool {
        !self.uncertain.contains(resource)
            && self
                .known
                .as_ref()
                .is_some_and(|known| known.contains_key(resource))
    }

    pub(super) fn is_absent(&self, resource: &ResourceId) -> bool {
        !self.uncertain.contains(resource)
            && self
                .known
                .as_ref()
                .is_some_and(|known| !known.contains_key(resource))
    }

    /// The client id of an identity that is there, as Azure says it.
    pub(super) fn client_id(&self, resource: &ResourceId) -> Option<&ClientId> {
        self.known.as_ref()?.get(resource)?.as_ref()
    }

    pub(super) fn barred(&self) -> usize {
        self.barred.len()
    }

    /// When it may be forgotten: nothing is wanted of it, nothing waits or is under way, and what is known of it is too
    /// old to be of use.
    pub(super) fn forgettable_at(&self, settings: &Settings, now: Instant) -> Option<Instant> {
        let unused = self.wanted.is_empty()
            && self.adding.is_empty()
            && self.removing.is_empty()
            && self.asked.is_none();
        let old = || self.looked.map_or(now, |looked| looked + settings.drift);
        unused.then(old)
    }

    /// A record waits for an identity to be there.
    pub(super) fn add(&mut self, resource: &ResourceId, record: &ObjectRef, now: Instant) {
        let waiting = self.adding.entry(resource.clone()).or_default();
        if waiting.is_empty() {
            let first = self.burst.map_or(now, |(first, _)| first);
            self.burst = Some((first, now));
        }
        waiting.insert(record.clone());
    }

    /// A record waits for an identity to be gone.
    pub(super) fn remove(&mut self, resource: &ResourceId, record: &ObjectRef, due: Instant) {
        let waiting = self.removing.entry(resource.clone()).or_default();
        waiting.insert(record.clone(), due);
    }

    /// A record no longer waits.
    pub(super) fn withdraw(&mut self, resource: &ResourceId, record: &ObjectRef) {
        if let Some(waiting) = self.adding.get_mut(resource) {
            waiting.remove(record);
            if waiting.is_empty() {
                self.adding.remove(resource);
            }
        }
        if let Some(waiting) = self.removing.get_mut(resource) {
            waiting.remove(record);
            if waiting.is_empty() {
                self.removing.remove(resource);
            }
        }
    }

    /// The records that wait for an identity to be gone.
    pub(super) fn leaving(&self, resource: &ResourceId) -> impl Iterator<Item = &ObjectRef> {
        self.removing
            .get(resource)
            .into_iter()
            .flatten()
            .map(|(record, _)| record)
    }

    /// The records that wait for an identity to be there.
    pub(super) fn coming(&self, resource: &ResourceId) -> impl Iterator<Item = &ObjectRef> {
        self.adding.get(resource).into_iter().flatten()
    }

    /// What to ask now. The answer to an [`Ask`] must come to [`answered`](Self::answered) or [`failed`](Self::failed).
    pub(super) fn next(&mut self, settings: &Settings, now: Instant) -> Next {
        if self.asked.is_some() {
            return Next::Idle;
        }
        if let Some(pause) = self.pause.filter(|pause| *pause > now) {
            return Next::Wait(pause);
        }
        let change = self.change(settings, now);
        let ask = match (
            change.add.is_empty() && change.remove.is_empty(),
            &self.known,
        ) {
            (true, _) => match self.drift(settings, now) {
                Some(due) if due <= now => Ask::Look,
                due => return self.later(due, now),
            },
            // Who is immutable, only a look tells.
            (false, None) => Ask::Look,
            (false, Some(_)) => match self.silence(settings, &change).filter(|at| *at > now) {
                Some(at) => return Next::Wait(at),
                None => Ask::Change(change),
            },
        };
        self.begin(ask)
    }

    fn begin(&mut self, ask: Ask) -> Next {
        if let Ask::Change(change) = &ask {
            self.uncertain.extend(change.add.iter().cloned());
            self.uncertain.extend(change.remove.iter().cloned());
            self.burst = None;
        }
        self.asked = Some(ask.clone());
        Next::Ask(ask)
    }

    /// Everything that waits and is due, in one request. An identity that was refused before is tried again alone, so
    /// that it delays nobody.
    fn change(&self, settings: &Settings, now: Instant) -> IdentityChange {
        let missing = self.adding.keys().filter(|id| !self.is_present(id));
        let (barred, fresh): (BTreeSet<_>, BTreeSet<_>) = missing
            .cloned()
            .partition(|id| self.barred.contains_key(id));
        let add = match fresh.is_empty() {
            true => barred
                .into_iter()
                .filter(|id| self.barred[id].until <= now)
                .take(1)
                .collect(),
            false => fresh,
        };
        let due = |waiting: &BTreeMap<ObjectRef, Instant>| waiting.values().all(|due| *due <= now);
        let unwanted = |id: &ResourceId| {
            !self.wanted.contains_key(id) && !self.is_absent(id) && !self.is_immutable(settings, id)
        };
        let removing = self.removing.iter();
        let remove = removing
            .filter(|(id, waiting)| due(waiting) && unwanted(id))
            .map(|(id, _)| id.clone())
            .collect();
        IdentityChange { add, remove }
    }

    fn is_immutable(&self, settings: &Settings, resource: &ResourceId) -> bool {
        self.client_id(resource)
            .is_some_and(|id| settings.immutable.contains(id))
    }

    /// Until when more may come that belongs into the same request.
    fn silence(&self, settings: &Settings, change: &IdentityChange) -> Option<Instant> {
        let (first, last) = self.burst.filter(|_| !change.add.is_empty())?;
        Some((last + settings.coalesce).min(first + settings.coalesce * BURST))
    }

    /// When to look whether somebody else took something away.
    fn drift(&self, settings: &Settings, now: Instant) -> Option<Instant> {
        let due = || self.looked.map_or(now, |looked| looked + settings.drift);
        (!self.wanted.is_empty()).then(due)
    }

    fn later(&self, drift: Option<Instant>, now: Instant) -> Next {
        let barred = self
            .adding
            .keys()
            .filter_map(|id| self.barred.get(id))
            .map(|barred| barred.until);
        let due = self
            .removing
            .iter()
            .filter(|(id, _)| !self.wanted.contains_key(id));
        let due = due.filter_map(|(_, waiting)| waiting.values().max().copied());
        let times = barred.chain(due).chain(drift).filter(|at| *at > now);
        times.min().map_or(Next::Idle, Next::Wait)
    }

    /// Azure did what was asked, and this is what is there.
    pub(super) fn answered(&mut self, compute: &Compute, now: Instant) -> Outcome {
        self.asked = None;
        self.failures = 0;
        self.pause = None;
        self.looked = Some(now);
        let present: BTreeMap<_, _> = compute
            .user_assigned
            .iter()
            .map(|(id, ids)| (id.clone(), ids.client_id.clone()))
            .collect();
        self.foreign = present.keys().filter(|id| !self.concerns(id)).count();
        self.settle(compute.state, &present, now);
        self.barred.retain(|id, _| !present.contains_key(id));
        self.known = Some(present);
        let gone = self.wanted.iter().filter(|(id, _)| self.is_absent(id));
        let gone: BTreeSet<ObjectRef> = gone.flat_map(|(_, records)| records).cloned().collect();
        let mut records = self.waiting();
        records.extend(gone);
        Outcome {
            records,
            refused: Vec::new(),
        }
    }

    /// Whether anybody here has to do with an identity.
    fn concerns(&self, id: &ResourceId) -> bool {
        self.wanted.contains_key(id)
            || self.removing.contains_key(id)
            || self.adding.contains_key(id)
    }

    /// While somebody's change is under way, what is new in the list is not yet on the machines.
    fn settle(
        &mut self,
        state: ProvisioningState,
        present: &BTreeMap<ResourceId, Option<ClientId>>,
        now: Instant,
    ) {
        let since = match state {
            ProvisioningState::Updating => *self.unsettled.get_or_insert(now),
            _ => {
                self.unsettled = None;
                self.uncertain.clear();
                return;
            }
        };
        if now - since >= UNSETTLED {
            self.uncertain.clear();
            return;
        }
        let new = |id: &&ResourceId| !self.is_present(id);
        self.uncertain = present.keys().filter(new).cloned().collect();
        self.pause = Some(now + SETTLING);
    }

    fn waiting(&self) -> BTreeSet<ObjectRef> {
        let adding = self.adding.values().flatten();
        let removing = self.removing.values().flat_map(BTreeMap::keys);
        adding.chain(removing).cloned().collect()
    }

    /// Azure did not do what was asked, or only some of it.
    pub(super) fn failed(&mut self, error: &ArmError, now: Instant) -> Outcome {
        let asked = match self.asked.take() {
            Some(Ask::Change(change)) => change.add,
            // Whoever waits for the look waits for what would have followed it.
            _ => self.adding.keys().cloned().collect(),
        };
        let refused: Vec<ResourceId> = error
            .identities()
            .iter()
            .filter(|id| asked.contains(*id))
            .cloned()
            .collect();
        let gone = matches!(error.class, ErrorClass::NotFound | ErrorClass::Deleting);
        if gone {
            // What is not there holds nothing.
            self.known = Some(BTreeMap::new());
            self.uncertain.clear();
        }
        for id in &refused {
            self.bar(id, now);
        }
        // The rest of them may do without those.
        if refused.is_empty() {
            self.failures = self.failures.saturating_add(1);
            let wait = error
                .retry_after()
                .unwrap_or_else(|| backoff(SHORTEST, self.failures));
            self.pause = Some(now + wait.max(SHORTEST));
        }
        Outcome {
            records: if gone {
                self.waiting()
            } else {
                BTreeSet::new()
            },
            refused: if refused.is_empty() {
                asked.into_iter().collect()
            } else {
                refused
            },
        }
    }

    fn bar(&mut self, id: &ResourceId, now: Instant) {
        let times = self
            .barred
            .get(id)
            .map_or(1, |barred| barred.times.saturating_add(1));
        let until = now + backoff(BARRED, times);
        self.barred.insert(id.clone(), Barred { until, times });
    }

    /// Where nothing else makes it look before, it does so at `first`.
    pub(super) fn look_at(&mut self, first: Instant, drift: Duration) {
        self.looked = first.checked_sub(drift);
    }
}

fn backoff(first: Duration, times: u32) -> Duration {
    first
        .saturating_mul(1 << times.saturating_sub(1).min(10))
        .min(LONGEST)
}
