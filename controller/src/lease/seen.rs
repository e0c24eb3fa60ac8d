//! What a candidate saw of the Lease, and when, by its own clock.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;

use super::{LeaseDuration, record};

/// The Lease, and since when it is as it is.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    own: LeaseDuration,
    sight: Option<Sight>,
    /// How long its last holder was to be left alone.
    patience: Duration,
    was_there: bool,
}

#[derive(Clone, Debug)]
struct Sight {
    lease: Option<Lease>,
    since: Duration,
}

impl Seen {
    pub(super) fn new(own: LeaseDuration) -> Self {
        Self {
            own,
            sight: None,
            patience: own.get(),
            was_there: false,
        }
    }

    /// Takes in a look, or what a write led to. `now` is after the answer.
    pub(super) fn look(&mut self, lease: Option<Lease>, now: Duration) {
        let same = |sight: &Sight| edition(sight.lease.as_ref()) == edition(lease.as_ref());
        let since = match self.sight.take().filter(same) {
            Some(before) => before.since,
            None => now,
        };
        if let Some(lease) = &lease {
            self.patience = self.patience_with(lease);
            self.was_there = true;
        }
        self.sight = Some(Sight { lease, since });
    }

    fn patience_with(&self, lease: &Lease) -> Duration {
        let said = lease
            .spec
            .as_ref()
            .and_then(|spec| spec.lease_duration_seconds);
        said.and_then(LeaseDuration::said).unwrap_or(self.own.get())
    }

    /// Forgets it: it is another one by now.
    pub(super) fn outdated(&mut self) {
        if let Some(Sight {
            lease: Some(lease), ..
        }) = &mut self.sight
        {
            lease.metadata.resource_version = None;
        }
    }

    /// Nothing to build the next edition on: it has to be looked at first.
    pub(super) fn is_stale(&self) -> bool {
        match &self.sight {
            None => true,
            Some(sight) => sight.lease.as_ref().is_some_and(|lease| {
                let version = lease.metadata.resource_version.as_deref();
                version.unwrap_or_default().is_empty()
            }),
        }
    }

    /// The Lease, where there is one.
    pub(super) fn lease(&self) -> Option<&Lease> {
        self.sight.as_ref()?.lease.as_ref()
    }

    /// Who holds it.
    pub(super) fn holder(&self) -> Option<&str> {
        record::holder(self.lease()?)
    }

    /// How long whoever held it last may go on without it.
    pub(super) fn patience(&self) -> Duration {
        self.patience.max(self.own.get())
    }

    /// When `candidate` may write it. One that is gone is left to its holder for a moment, who makes it again.
    pub(super) fn free_at(&self, candidate: &str) -> Duration {
        let Some(sight) = &self.sight else {
            return Duration::MAX;
        };
        let wait = match (&sight.lease, self.holder()) {
            (None, _) if self.was_there => self.own.get() / 3,
            (None, _) | (Some(_), None) => Duration::ZERO,
            (Some(_), Some(holder)) if holder == candidate => Duration::ZERO,
            (Some(_), Some(_)) => self.patience,
        };
        sight.since.saturating_add(wait)
    }
}

/// Two looks with one edition saw the same thing.
fn edition(lease: Option<&Lease>) -> Option<(Option<&str>, Option<&str>)> {
    let metadata = &lease?.metadata;
    Some((
        metadata.uid.as_deref(),
        metadata.resource_version.as_deref(),
    ))
}
