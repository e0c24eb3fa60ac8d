//! What to ask of Azure next.

use std::collections::BTreeSet;
use std::time::Instant;

use podgate_api::ResourceId;
use podgate_azure::arm::IdentityChange;

use super::{Ask, Change, Holdings};
use crate::plan::Settings;

/// A burst of new identities is waited for at most so many times the time of silence.
const BURST: u32 = 20;

/// What is next.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::plan) enum Next {
    /// Ask now.
    Ask(Ask),
    /// Nothing before this time.
    Wait(Instant),
    /// Nothing, until something happens.
    Idle,
}

impl Holdings {
    /// What to ask now. The answer to an [`Ask`] must come to [`answered`](Self::answered) or [`failed`](Self::failed).
    pub(in crate::plan) fn next(&mut self, settings: &Settings, now: Instant) -> Next {
        self.pardon();
        if self.asked.is_some() {
            return Next::Idle;
        }
        if let Some(pause) = self.pause.filter(|pause| *pause > now) {
            return Next::Wait(pause);
        }
        let change = self.portion_of(self.change(settings, now));
        let drift = self.drift(settings, now);
        let is_idle = change.add.is_empty() && change.remove.is_empty();
        // Who is immutable, only a look tells.
        if drift.is_some_and(|due| due <= now) || !is_idle && self.known.is_none() {
            return self.begin(Ask::Look);
        }
        if is_idle {
            return self.later(drift, now);
        }
        match self.silence(settings, &change).filter(|at| *at > now) {
            Some(at) => Next::Wait(at),
            None => self.begin(Ask::Change(change)),
        }
    }

    fn begin(&mut self, ask: Ask) -> Next {
        if let Ask::Change(change) = &ask {
            for id in &change.remove {
                // What was asked for before may come yet.
                self.doubtful.entry(id.clone()).or_insert(Change::Take);
            }
            let added = change.add.iter().map(|id| (id.clone(), Change::Add));
            self.doubtful.extend(added);
            self.burst = None;
        }
        self.asked = Some(ask.clone());
        Next::Ask(ask)
    }

    /// What was refused and is not asked for any more, or was done by somebody else, is no longer held against anybody.
    fn pardon(&mut self) {
        let mut barred = std::mem::take(&mut self.barred);
        barred.retain(|id, barred| {
            let comes = self.wanted.contains_key(id) || self.adding.contains_key(id);
            match barred.from {
                Change::Add => comes && !self.is_present(id),
                Change::Take => !comes && self.removing.contains_key(id) && !self.is_absent(id),
            }
        });
        self.barred = barred;
    }

    /// Everything that waits and is due, in one request. What was refused before is tried again apart from the rest, so
    /// that it delays nobody.
    fn change(&self, settings: &Settings, now: Instant) -> IdentityChange {
        let is_fresh = |id: &&ResourceId| !self.barred.contains_key(*id);
        let may = |id: &&ResourceId| self.barred.get(*id).is_none_or(|b| b.until <= now);
        let missing = self.adding.keys().filter(|id| !self.is_present(id));
        let missing: BTreeSet<&ResourceId> = missing.filter(may).collect();
        let fresh: BTreeSet<_> = missing.iter().copied().filter(is_fresh).collect();
        let add = if fresh.is_empty() { missing } else { fresh };
        let unwanted = |id: &ResourceId| {
            !self.wanted.contains_key(id) && !self.is_absent(id) && !self.is_immutable(settings, id)
        };
        let due = self.removing.iter().filter(|(_, all)| all.due <= now);
        let remove = due.map(|(id, _)| id).filter(|id| unwanted(id)).filter(may);
        IdentityChange {
            add: add.into_iter().cloned().collect(),
            remove: remove.cloned().collect(),
        }
    }

    /// As much of it as is tried at a time.
    fn portion_of(&self, mut change: IdentityChange) -> IdentityChange {
        if let Some(portion) = self.portion {
            change.add = change.add.into_iter().take(portion).collect();
            let rest = if change.add.is_empty() { portion } else { 0 };
            change.remove = change.remove.into_iter().take(rest).collect();
        }
        change
    }

    /// Until when more may come that belongs into the same request.
    fn silence(&self, settings: &Settings, change: &IdentityChange) -> Option<Instant> {
        let (first, last) = self.burst.filter(|_| !change.add.is_empty())?;
        let longest = first + settings.coalesce * BURST;
        let expected = |id: &ResourceId| {
            !self.is_present(id) && !self.adding.contains_key(id) && !self.barred.contains_key(id)
        };
        // Somebody's record is still to be written.
        if self.wanted.keys().any(expected) {
            return Some(longest);
        }
        Some((last + settings.coalesce).min(longest))
    }

    /// When to look whether somebody else took something away.
    fn drift(&self, settings: &Settings, now: Instant) -> Option<Instant> {
        let due = || self.looked.map_or(now, |looked| looked + settings.drift);
        (!self.wanted.is_empty()).then(due)
    }

    fn later(&self, drift: Option<Instant>, now: Instant) -> Next {
        let barred = self.barred.values().map(|barred| barred.until);
        let leaving = self.removing.iter();
        let due = leaving
            .filter(|(id, _)| !self.wanted.contains_key(id))
            .map(|(_, leaving)| leaving.due);
        let times = barred.chain(due).chain(drift).filter(|at| *at > now);
        times.min().map_or(Next::Idle, Next::Wait)
    }
}
