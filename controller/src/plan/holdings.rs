//! What one virtual machine or scale set holds, who waits for it to hold more or less, and what Azure says of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use podgate_api::{ClientId, ObjectRef, ResourceId};
use podgate_azure::arm::IdentityChange;

use super::Settings;

mod answer;
mod request;

pub(super) use request::Next;

/// More identities than one virtual machine or scale set may have.
const MOST: usize = 256;

/// What to ask of Azure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// What is there.
    Look,
    /// This change.
    Change(IdentityChange),
}

impl Ask {
    /// Failures are counted apart: a look that succeeds says nothing of the change that does not.
    fn kind(&self) -> usize {
        match self {
            Self::Look => 0,
            Self::Change(_) => 1,
        }
    }
}

/// One virtual machine or scale set.
#[derive(Debug, Default)]
pub(super) struct Holdings {
    /// Records that are wanted, by what they need. What is in here is never taken away.
    pub(super) wanted: BTreeMap<ResourceId, BTreeSet<ObjectRef>>,
    /// Records that wait until it is there.
    adding: BTreeMap<ResourceId, BTreeSet<ObjectRef>>,
    /// Records that wait until it is gone.
    removing: BTreeMap<ResourceId, Leaving>,
    /// What was there when we last looked, and each one's client id. Nothing before the first look.
    known: Option<BTreeMap<ResourceId, Option<ClientId>>>,
    looked: Option<Instant>,
    /// Neither known to be there nor known not to be: a change of it is under way, or failed.
    doubtful: BTreeMap<ResourceId, Change>,
    /// What Azure refuses.
    barred: BTreeMap<ResourceId, Barred>,
    asked: Option<Ask>,
    /// Not before this.
    pause: Option<Instant>,
    /// In a row, of looks and of changes.
    failures: [u32; 2],
    missing: Option<Instant>,
    /// How many identities go into one request, while it is being found out which one Azure does not take.
    portion: Option<usize>,
    /// The first and the last of the identities that wait for a request.
    burst: Option<(Instant, Instant)>,
    unsettled: Option<Instant>,
    /// Identities that nobody who is known here asked for.
    foreign: BTreeSet<ResourceId>,
}

/// Records that wait for the end of an identity.
#[derive(Debug)]
struct Leaving {
    records: BTreeSet<ObjectRef>,
    /// When the last of them is due. One that was withdrawn may have been that one; then it goes a little late.
    due: Instant,
}

/// Where a change is to lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Add,
    Take,
}

#[derive(Debug)]
struct Barred {
    from: Change,
    until: Instant,
    times: u32,
}

/// What is counted of a machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) quarantined: usize,
    pub(super) foreign: usize,
}

/// What an answer of Azure's means for others.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Records to be decided on again.
    pub(super) records: BTreeSet<ObjectRef>,
    /// Identities that could not be assigned.
    pub(super) refused: Vec<ResourceId>,
    /// Identities that could not be taken away.
    pub(super) stuck: Vec<ResourceId>,
}

impl Tally {
    /// One machine's part of it is another now.
    pub(super) fn exchange(&mut self, before: Self, after: Self) {
        self.quarantined = self.quarantined - before.quarantined + after.quarantined;
        self.foreign = self.foreign - before.foreign + after.foreign;
    }
}

impl Holdings {
    fn is_known(&self, resource: &ResourceId, there: bool) -> bool {
        let known = self.known.as_ref();
        !self.doubtful.contains_key(resource)
            && known.is_some_and(|known| known.contains_key(resource) == there)
    }

    pub(super) fn is_present(&self, resource: &ResourceId) -> bool {
        self.is_known(resource, true)
    }

    pub(super) fn is_absent(&self, resource: &ResourceId) -> bool {
        self.is_known(resource, false)
    }

    /// Whether Azure was asked to take it away, and it is not known what became of that.
    pub(super) fn is_being_taken(&self, resource: &ResourceId) -> bool {
        self.doubtful.get(resource) == Some(&Change::Take)
    }

    /// The client id of an identity that is there, as Azure says it.
    pub(super) fn client_id(&self, resource: &ResourceId) -> Option<&ClientId> {
        self.known.as_ref()?.get(resource)?.as_ref()
    }

    pub(super) fn tally(&self) -> Tally {
        Tally {
            quarantined: self.barred.len(),
            foreign: self.foreign.len(),
        }
    }

    /// Identities on the machine that nobody who is known here asked for.
    pub(super) fn foreign(&self) -> impl Iterator<Item = &ResourceId> {
        self.foreign.iter()
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
        // One that waits for its turn to be refused again makes nobody wait.
        if waiting.is_empty() && !self.barred.contains_key(resource) {
            let first = self.burst.map_or(now, |(first, _)| first);
            self.burst = Some((first, now));
        }
        waiting.insert(record.clone());
    }

    /// A record waits for an identity to be gone.
    pub(super) fn remove(&mut self, resource: &ResourceId, record: &ObjectRef, due: Instant) {
        let leaving = self.removing.entry(resource.clone());
        let leaving = leaving.or_insert_with(|| Leaving {
            records: BTreeSet::new(),
            due,
        });
        leaving.due = leaving.due.max(due);
        leaving.records.insert(record.clone());
    }

    /// A record no longer waits. Whether nobody else waits for the same.
    pub(super) fn withdraw(&mut self, resource: &ResourceId, record: &ObjectRef) -> bool {
        if let Some(waiting) = self.adding.get_mut(resource) {
            waiting.remove(record);
            if waiting.is_empty() {
                self.adding.remove(resource);
            }
        }
        if let Some(leaving) = self.removing.get_mut(resource) {
            leaving.records.remove(record);
            if leaving.records.is_empty() {
                self.removing.remove(resource);
            }
        }
        !self.adding.contains_key(resource) && !self.removing.contains_key(resource)
    }

    /// The records that wait for an identity to be gone. They are not known to wait any more.
    pub(super) fn let_go(&mut self, resource: &ResourceId) -> BTreeSet<ObjectRef> {
        let leaving = self.removing.remove(resource);
        leaving.map_or_else(BTreeSet::new, |leaving| leaving.records)
    }

    /// The records that wait for an identity to be gone.
    pub(super) fn leaving(&self, resource: &ResourceId) -> impl Iterator<Item = &ObjectRef> {
        let leaving = self.removing.get(resource).into_iter();
        leaving.flat_map(|leaving| &leaving.records)
    }

    /// The records that wait for an identity to be there.
    pub(super) fn coming(&self, resource: &ResourceId) -> impl Iterator<Item = &ObjectRef> {
        self.adding.get(resource).into_iter().flatten()
    }

    fn is_immutable(&self, settings: &Settings, resource: &ResourceId) -> bool {
        self.client_id(resource)
            .is_some_and(|id| settings.immutable.contains(id))
    }

    /// Where nothing else makes it look before, it does so at `first`.
    pub(super) fn look_at(&mut self, first: Instant, drift: Duration) {
        self.looked = first.checked_sub(drift);
    }
}
