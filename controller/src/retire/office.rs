//! The Lease, taken from whoever has it, and kept for a while after.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::anyhow;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout_at};

use crate::lease::{
    Candidacy, Candidate, Clock, Leadership, LeaseDuration, Store, StoreError, Tenure,
};

/// How long nobody else is to lead after the work is done, in seconds: until helm has deleted the controllers, and a
/// kubelet has ended them.
const KEPT: i32 = 60;
/// Longest time that a candidate grants a holder.
const LONGEST: u64 = 3600;
/// Between two tries to read the Lease.
const AGAIN: Duration = Duration::from_secs(1);
/// Tries to mark the Lease as kept: a renewal of our own may be under way.
const MARKS: usize = 3;

/// A candidate that does not wait until the Lease is free.
pub(super) struct Office<S> {
    store: S,
    identity: String,
    leadership: Leadership,
    resign: oneshot::Sender<()>,
    candidate: JoinHandle<()>,
}

impl<S: Store + Clone + 'static> Office<S> {
    /// Begins to stand for it.
    ///
    /// # Errors
    /// The Lease cannot be read before the deadline.
    pub(super) async fn of(
        store: S,
        mut candidacy: Candidacy,
        clock: Clock,
        deadline: Instant,
    ) -> anyhow::Result<Self> {
        let there = timeout_at(deadline, look(&store)).await;
        let there = there.map_err(|_| anyhow!("the API server does not answer"))??;
        candidacy.duration = patience(candidacy.duration, there.as_ref());
        if let Some(holder) = there.as_ref().and_then(holder) {
            let wait = candidacy.duration;
            tracing::info!(holder, %wait, "taking the lease: its holder has this time to notice");
        }
        let candidate = Candidate::with_clock(Vacated::new(store.clone()), candidacy, clock);
        let (resign, resigned) = oneshot::channel::<()>();
        Ok(Self {
            store,
            identity: candidate.identity().to_owned(),
            leadership: candidate.leadership(),
            resign,
            candidate: tokio::spawn(candidate.run(async move {
                let _ = resigned.await;
            })),
        })
    }

    /// Resolves when whoever led before surely leads no more.
    ///
    /// # Errors
    /// Not before the deadline.
    pub(super) async fn elected(&self, deadline: Instant) -> anyhow::Result<Tenure> {
        let elected = timeout_at(deadline, self.leadership.elected()).await;
        elected.map_err(|_| {
            let why = self.leadership.problem();
            let why = why.unwrap_or_else(|| "its holder is still being waited for".to_owned());
            anyhow!("the lease was not to be had in time: {why}")
        })
    }

    /// Ends, and nobody else leads for a while: controllers that still run would begin anew with what was just undone.
    pub(super) async fn keep(self) {
        self.candidate.abort();
        // It was told to end.
        let _ = self.candidate.await;
        for _ in 0..MARKS {
            match mark(&self.store, &self.identity).await {
                Err(StoreError::Outdated) => {}
                Err(error) => return tracing::warn!(%error, "the lease is kept for its usual time"),
                Ok(()) => return,
            }
        }
    }

    /// Ends, and whoever stands by leads at once.
    pub(super) async fn give_back(self) {
        drop(self.resign);
        // It was told to end.
        let _ = self.candidate.await;
    }
}

async fn look(store: &impl Store) -> anyhow::Result<Option<Lease>> {
    loop {
        match store.read().await {
            Err(StoreError::Refused(why)) => return Err(anyhow!("the lease: {why}")),
            Err(error) => tracing::warn!(%error, "the lease cannot be read; trying on"),
            Ok(lease) => return Ok(lease),
        }
        sleep(AGAIN).await;
    }
}

fn holder(lease: &Lease) -> Option<&str> {
    let holder = lease.spec.as_ref()?.holder_identity.as_deref()?;
    (!holder.is_empty()).then_some(holder)
}

/// A holder with longer leases needs longer to notice.
fn patience(own: LeaseDuration, there: Option<&Lease>) -> LeaseDuration {
    let spec = there.and_then(|lease| lease.spec.as_ref());
    let said = spec.and_then(|spec| spec.lease_duration_seconds);
    let said = said.and_then(|seconds| u64::try_from(seconds).ok());
    let said = Duration::from_secs(said.unwrap_or_default().min(LONGEST));
    LeaseDuration::new(said).map_or(own, |said| said.max(own))
}

async fn mark(store: &impl Store, identity: &str) -> Result<(), StoreError> {
    let Some(mut lease) = store.read().await? else {
        return Ok(());
    };
    if holder(&lease) != Some(identity) {
        return Ok(());
    }
    let spec = lease.spec.get_or_insert_default();
    spec.lease_duration_seconds = spec.lease_duration_seconds.max(Some(KEPT));
    spec.renew_time = Some(MicroTime(Timestamp::now()));
    store.replace(&lease).await.map(drop)
}

/// The Lease as if it were not there, while somebody else has it. A candidate that has to make a Lease leads only after the
/// time that a holder of the one before may need to notice, which is what is needed here.
struct Vacated<S> {
    store: S,
    /// Who took it.
    own: OnceLock<String>,
    /// From then on it is seen as it is: who loses it is to know.
    is_taken: AtomicBool,
}

impl<S: Store> Vacated<S> {
    fn new(store: S) -> Self {
        Self {
            store,
            own: OnceLock::new(),
            is_taken: AtomicBool::new(false),
        }
    }

    /// A write whose answer was lost may have been done.
    fn notice(&self, lease: &Lease) {
        if self.own.get().map(String::as_str) == holder(lease) && holder(lease).is_some() {
            self.is_taken.store(true, Ordering::SeqCst);
        }
    }
}

impl<S: Store> Store for Vacated<S> {
    async fn read(&self) -> Result<Option<Lease>, StoreError> {
        let lease = self.store.read().await?;
        if let Some(lease) = &lease {
            self.notice(lease);
        }
        let is_taken = self.is_taken.load(Ordering::SeqCst);
        Ok(lease.filter(|lease| is_taken || holder(lease).is_none()))
    }

    async fn create(&self, lease: &Lease) -> Result<Lease, StoreError> {
        let _ = self.own.set(holder(lease).unwrap_or_default().to_owned());
        let made = match self.store.read().await? {
            Some(before) => self.store.replace(&succeeding(lease, before)).await?,
            None => self.store.create(lease).await?,
        };
        self.notice(&made);
        Ok(made)
    }

    async fn replace(&self, lease: &Lease) -> Result<Lease, StoreError> {
        self.store.replace(lease).await
    }

    async fn changed(&self, version: &str) {
        self.store.changed(version).await;
    }
}

/// The next edition of the Lease that is there.
fn succeeding(claim: &Lease, before: Lease) -> Lease {
    let transitions = before.spec.and_then(|spec| spec.lease_transitions);
    let mut lease = Lease {
        metadata: before.metadata,
        ..claim.clone()
    };
    let spec = lease.spec.get_or_insert_default();
    spec.lease_transitions = Some(transitions.unwrap_or_default().max(0).saturating_add(1));
    lease
}

#[cfg(test)]
mod tests;
