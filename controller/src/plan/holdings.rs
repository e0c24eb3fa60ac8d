//! What one virtual machine or scale set holds, who waits for it to hold more or less, and what Azure says of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use podgate_api::{ClientId, ObjectRef, ResourceId};
use podgate_azure::arm::{ArmError, Compute, ErrorClass, IdentityChange, ProvisioningState};

use super::Settings;

mod request;

pub(super) use request::Next;

/// After a first failure that names no time; it doubles up to [`LONGEST`].
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(5 * 60);
/// An identity that Azure refuses is tried again after this, doubling up to [`LONGEST`]: roles that were just given take
/// minutes to be known everywhere.
const BARRED: Duration = Duration::from_secs(15);
/// While somebody's operation is under way, which ends in a minute or so.
const BUSY: Duration = Duration::from_secs(30);
/// A change that somebody began: looked at again after this, at most for [`UNSETTLED`].
const SETTLING: Duration = Duration::from_secs(5);
const UNSETTLED: Duration = Duration::from_secs(120);
/// A machine without nodes that ARM says so long is not there is gone. A single 404 proves nothing.
const GONE: Duration = Duration::from_secs(15);
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

    /// Azure did what was asked, and this is what is there. Of those that are `vouched` for a record says so already.
    pub(super) fn answered(
        &mut self,
        compute: &Compute,
        vouched: &BTreeSet<ResourceId>,
        settings: &Settings,
        now: Instant,
    ) -> Outcome {
        let asked = self.asked.take().unwrap_or(Ask::Look);
        self.failures[asked.kind()] = 0;
        if matches!(asked, Ask::Change(_)) {
            let wider = self.portion.map(|portion| portion * 2);
            self.portion = wider.filter(|portion| *portion < MOST);
        }
        self.pause = None;
        self.missing = None;
        self.looked = Some(now);
        let present: BTreeMap<_, _> = compute
            .user_assigned
            .iter()
            .map(|(id, ids)| (id.clone(), ids.client_id.clone()))
            .collect();
        self.settle(compute.state, &present, vouched, now);
        self.known = Some(present);
        self.foreign = self.strangers(settings);
        Outcome {
            records: self.concerned(settings),
            ..Outcome::default()
        }
    }

    /// Records for which something is decided by what is there: what they waited for has come, or gone, or they lack it.
    fn concerned(&self, settings: &Settings) -> BTreeSet<ObjectRef> {
        let come = self.adding.iter().filter(|(id, _)| self.is_present(id));
        let come = come.flat_map(|(_, records)| records);
        let over = |id: &ResourceId| self.is_absent(id) || self.is_immutable(settings, id);
        let gone = self.removing.iter().filter(|(id, _)| over(id));
        let gone = gone.flat_map(|(_, leaving)| &leaving.records);
        let lacking = self.wanted.iter().filter(|(id, _)| self.is_absent(id));
        let lacking = lacking.flat_map(|(id, records)| {
            let waiting = self.adding.get(id);
            let waits = move |record: &&ObjectRef| waiting.is_some_and(|all| all.contains(*record));
            records.iter().filter(move |record| !waits(record))
        });
        come.chain(gone).chain(lacking).cloned().collect()
    }

    fn strangers(&self, settings: &Settings) -> BTreeSet<ResourceId> {
        let concerns = |id: &ResourceId| {
            self.wanted.contains_key(id)
                || self.removing.contains_key(id)
                || self.adding.contains_key(id)
        };
        let there = self.known.iter().flat_map(BTreeMap::keys);
        there
            .filter(|id| !concerns(id) && !self.is_immutable(settings, id))
            .cloned()
            .collect()
    }

    /// While somebody's change is under way, what is new in the list is not yet on the machines, and what was asked for may
    /// still come.
    fn settle(
        &mut self,
        state: ProvisioningState,
        present: &BTreeMap<ResourceId, Option<ClientId>>,
        vouched: &BTreeSet<ResourceId>,
        now: Instant,
    ) {
        if state != ProvisioningState::Updating {
            self.unsettled = None;
            self.doubtful.clear();
            return;
        }
        let since = *self.unsettled.get_or_insert(now);
        let may_come = |id: &ResourceId, change: &mut Change| {
            *change == Change::Add && !present.contains_key(id)
        };
        let mut doubtful = std::mem::take(&mut self.doubtful);
        if now - since < UNSETTLED {
            let known = self.known.as_ref();
            let was_there = |id: &ResourceId| {
                !doubtful.contains_key(id) && known.is_some_and(|known| known.contains_key(id))
            };
            let new = present
                .keys()
                .filter(|id| !vouched.contains(*id) && !was_there(id));
            let new: Vec<ResourceId> = new.cloned().collect();
            doubtful.retain(|id, change| may_come(id, change) || new.contains(id));
            for id in new {
                doubtful.entry(id).or_insert(Change::Add);
            }
            self.pause = Some(now + SETTLING);
        } else {
            doubtful.retain(may_come);
        }
        self.doubtful = doubtful;
    }

    /// Azure did not do what was asked, or only some of it. That a machine is not there is believed where no node of it is,
    /// in time: what is not there holds nothing.
    pub(super) fn failed(
        &mut self,
        error: &ArmError,
        has_nodes: bool,
        settings: &Settings,
        now: Instant,
    ) -> Outcome {
        let asked = self.asked.take().unwrap_or(Ask::Look);
        if error.class == ErrorClass::NotFound && !has_nodes {
            return self.not_found(settings, now);
        }
        self.missing = None;
        let change = match &asked {
            Ask::Change(change) => change.clone(),
            Ask::Look => self.would_follow(now),
        };
        let named = |ids: &BTreeSet<ResourceId>| -> Vec<ResourceId> {
            let named = error.identities().iter();
            named.filter(|id| ids.contains(*id)).cloned().collect()
        };
        let (refused, stuck) = (named(&change.add), named(&change.remove));
        if asked == Ask::Look || refused.is_empty() && stuck.is_empty() {
            self.failed_as_a_whole(error, &asked, now);
            return Outcome {
                refused: change.add.into_iter().collect(),
                stuck: change.remove.into_iter().collect(),
                ..Outcome::default()
            };
        }
        // The rest of them may do without those, at once.
        self.bar(&refused, Change::Add, now);
        self.bar(&stuck, Change::Take, now);
        Outcome {
            refused,
            stuck,
            ..Outcome::default()
        }
    }

    fn not_found(&mut self, settings: &Settings, now: Instant) -> Outcome {
        let since = *self.missing.get_or_insert(now);
        if now - since < GONE {
            self.pause = Some(now + SETTLING);
            return Outcome::default();
        }
        self.known = Some(BTreeMap::new());
        self.looked = Some(now);
        self.doubtful.clear();
        self.foreign.clear();
        Outcome {
            records: self.concerned(settings),
            ..Outcome::default()
        }
    }

    /// Whoever waits for a look waits for what would have followed it.
    fn would_follow(&self, now: Instant) -> IdentityChange {
        let due = self.removing.iter().filter(|(_, all)| all.due <= now);
        IdentityChange {
            add: self.adding.keys().cloned().collect(),
            remove: due.map(|(id, _)| id.clone()).collect(),
        }
    }

    fn failed_as_a_whole(&mut self, error: &ArmError, asked: &Ask, now: Instant) {
        let failures = &mut self.failures[asked.kind()];
        *failures = failures.saturating_add(1);
        let mut wait = backoff(SHORTEST, *failures);
        match asked {
            Ask::Change(change) if is_about_the_request(&error.class) => {
                *failures = 0;
                wait = SHORTEST;
                self.narrow(change, now);
            }
            _ if is_busy(&error.class) => wait = wait.min(BUSY),
            _ => {}
        }
        self.pause = Some(now + error.retry_after().unwrap_or(wait).max(SHORTEST));
    }

    /// Azure does not take the request and names none of ours: less of it, until the one is found.
    fn narrow(&mut self, asked: &IdentityChange, now: Instant) {
        let (adds, removes) = (asked.add.len(), asked.remove.len());
        self.portion = match adds + removes {
            0 => None,
            // Without what is to be taken first: nobody waits for that.
            _ if adds > 0 && removes > 0 => Some(adds),
            1 => {
                self.bar(&asked.add, Change::Add, now);
                self.bar(&asked.remove, Change::Take, now);
                None
            }
            several => Some(several / 2),
        };
    }

    fn bar<'a>(
        &mut self,
        ids: impl IntoIterator<Item = &'a ResourceId>,
        from: Change,
        now: Instant,
    ) {
        for id in ids {
            let before = self.barred.get(id).filter(|barred| barred.from == from);
            let times = before.map_or(1, |barred| barred.times.saturating_add(1));
            let until = now + backoff(BARRED, times);
            self.barred
                .insert(id.clone(), Barred { from, until, times });
        }
    }

    /// Where nothing else makes it look before, it does so at `first`.
    pub(super) fn look_at(&mut self, first: Instant, drift: Duration) {
        self.looked = first.checked_sub(drift);
    }
}

/// Whether another request than this might be taken.
fn is_about_the_request(class: &ErrorClass) -> bool {
    matches!(
        class,
        ErrorClass::Invalid | ErrorClass::Identities(_) | ErrorClass::LinkedAuthorization(_)
    )
}

/// Whether somebody's operation is in the way, which ends by itself.
fn is_busy(class: &ErrorClass) -> bool {
    matches!(
        class,
        ErrorClass::Conflict { .. } | ErrorClass::PreconditionFailed | ErrorClass::Unfinished
    )
}

fn backoff(first: Duration, times: u32) -> Duration {
    first
        .saturating_mul(1 << times.saturating_sub(1).min(10))
        .min(LONGEST)
}
