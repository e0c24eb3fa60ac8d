//! What Azure's answers say of one machine.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use podgate_api::{ClientId, ObjectRef, ResourceId};
use podgate_azure::arm::{ArmError, Compute, ErrorClass, IdentityChange, ProvisioningState};

use super::{Ask, Barred, Change, Holdings, MOST, Outcome};
use crate::plan::Settings;

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

impl Holdings {
    /// Azure did what was asked, and this is what is there. Of those that are `vouched` for a record says so already.
    pub(in crate::plan) fn answered(
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
    pub(in crate::plan) fn failed(
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
