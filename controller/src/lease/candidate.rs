//! A candidate: looks, claims, renews, and gives back.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::clock::Clock;
use super::leadership::{Leadership, Standing};
use super::seen::Seen;
use super::store::{Store, StoreError};
use super::tenure::Tenure;
use super::{Candidacy, record};

mod resign;

/// Between two looks at the least, however often the Lease is said to have changed.
const LEAST_PAUSE: Duration = Duration::from_millis(50);

/// One process that stands for election.
///
/// # Guarantees
/// Of all candidates for one Lease at most one has a [`Tenure`] that is current, however late calls are answered or
/// whether they are, whatever happens to the Lease, and whoever is stopped for how long; as long as clocks do not run at
/// twice the rate of others, and nobody else writes a Lease without a holder.
pub struct Candidate<S> {
    store: S,
    candidacy: Candidacy,
    /// The holder's name in the Lease: of this object alone, since of two that call themselves the same each would take the
    /// other's Lease for its own.
    identity: String,
    clock: Clock,
    random: fastrand::Rng,
    seen: Seen,
    tenure: Option<Tenure>,
    /// A claim was sent, so the Lease may name this candidate.
    claimed: bool,
    /// A new Lease was sent, and it is not known yet what became of it.
    making: bool,
    /// Not before this time: a Lease that had to be made may have been deleted under a leader, who has yet to notice.
    leads_from: Duration,
    /// Whether it could do anything with the Lease.
    is_fit: Box<dyn Fn() -> bool + Send + Sync>,
    standing: watch::Sender<Standing>,
}

/// What is next.
enum Next {
    /// The Lease is another one than was thought: look again.
    Look,
    /// Go on after this time.
    Pause(Duration),
    /// Somebody else leads: look after this time, or when the Lease changes.
    StandBy(Duration),
}

/// Why a candidate comes no further.
#[derive(Debug, Error)]
enum Setback {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "it is free, and this controller leaves it to others: it has not heard of all of the cluster lately"
    )]
    Unfit,
}

// === impl Candidate ===

impl<S: Store> Candidate<S> {
    /// A candidate that does nothing until it [runs](Self::run).
    pub fn new(store: S, candidacy: Candidacy) -> Self {
        Self::with_clock(store, candidacy, Clock::boot())
    }

    /// The same by another clock.
    pub fn with_clock(store: S, candidacy: Candidacy, clock: Clock) -> Self {
        Self {
            store,
            identity: format!("{}_{}", candidacy.instance, Uuid::new_v4()),
            clock,
            random: fastrand::Rng::new(),
            seen: Seen::new(candidacy.duration),
            candidacy,
            tenure: None,
            claimed: false,
            making: false,
            leads_from: Duration::ZERO,
            is_fit: Box::new(|| true),
            standing: watch::Sender::default(),
        }
    }

    /// The same, and it takes no Lease while this does not hold. One that leads goes on: nobody says that others are better.
    #[must_use]
    pub fn standing_while(mut self, is_fit: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.is_fit = Box::new(is_fit);
        self
    }

    /// The same with a seed for its jitter, so that a run can be repeated.
    #[cfg(test)]
    pub(crate) fn seeded(mut self, seed: u64) -> Self {
        self.random = fastrand::Rng::with_seed(seed);
        self
    }

    /// Its name in the Lease.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// How the election stands, for the rest of the process.
    pub fn leadership(&self) -> Leadership {
        Leadership::new(self.standing.subscribe())
    }

    /// Stands for election until `shutdown` resolves, again after each tenure. Then the tenure ends, and the Lease is given
    /// back so that another one need not wait: whoever resolves `shutdown` has made sure that no write is under way.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        tokio::select! {
            never = self.campaign() => match never {},
            () = shutdown => {}
        }
        self.resign().await;
    }

    async fn campaign(&mut self) -> Infallible {
        loop {
            let next = match self.round().await {
                Ok(next) => {
                    self.went_well();
                    next
                }
                Err(Setback::Store(StoreError::Outdated)) => Next::Look,
                Err(setback) => self.went_wrong(&setback),
            };
            self.wait(next).await;
        }
    }

    async fn wait(&mut self, next: Next) {
        match next {
            Next::Look => {
                self.seen.outdated();
                sleep(LEAST_PAUSE).await;
            }
            Next::Pause(pause) => sleep(pause).await,
            Next::StandBy(pause) => {
                tokio::select! {
                    () = sleep(pause) => {}
                    () = self.changed() => {}
                }
                sleep(LEAST_PAUSE).await;
            }
        }
    }

    async fn changed(&self) {
        let version = self
            .seen
            .lease()
            .and_then(|lease| lease.metadata.resource_version.as_deref());
        match version {
            Some(version) => self.store.changed(version).await,
            None => pending().await,
        }
    }

    async fn round(&mut self) -> Result<Next, Setback> {
        if self.seen.is_stale() || !self.holds() {
            let lease = self.bounded(self.store.read()).await?;
            self.look(lease);
        }
        let (now, free_at) = (self.clock.now(), self.seen.free_at(&self.identity));
        if !self.leads() && now < free_at {
            return Ok(Next::StandBy(self.look_again(free_at - now)));
        }
        if !self.leads() && !(self.is_fit)() {
            return Err(Setback::Unfit);
        }
        Ok(self.claim().await?)
    }

    /// The Lease names this candidate, as far as it knows.
    fn holds(&self) -> bool {
        self.seen.holder() == Some(&self.identity)
    }

    fn leads(&self) -> bool {
        self.tenure.as_ref().is_some_and(Tenure::is_current)
    }

    fn look(&mut self, lease: Option<Lease>) {
        self.seen.look(lease, self.clock.now());
        if self.making && self.holds() {
            self.making = false;
            self.made();
        }
        let somebody_else = self.seen.lease().is_some() && !self.holds();
        if somebody_else && let Some(tenure) = self.tenure.take() {
            tenure.end();
            tracing::warn!(
                leader = self.seen.holder().unwrap_or("nobody"),
                "somebody took the lease: this controller writes no more"
            );
        }
        self.publish();
    }

    /// Writes the Lease, which is free or ours, and leads from before the write was sent.
    async fn claim(&mut self) -> Result<Next, StoreError> {
        let before = self.seen.lease();
        let duration = self.candidacy.duration;
        let claim = record::claimed(before, &self.candidacy, &self.identity, duration);
        let is_there = before.is_some();
        let sent = self.clock.now();
        self.claimed = true;
        let claimed = match is_there {
            true => self.bounded(self.store.replace(&claim)).await?,
            false => self.make(&claim).await?,
        };
        self.look(Some(claimed));
        if !self.holds() {
            return Ok(Next::StandBy(self.look_again(duration.get())));
        }
        if sent >= self.leads_from {
            self.lead(sent + duration.renew_deadline());
        }
        Ok(Next::Pause(self.renew_again(sent)))
    }

    async fn make(&mut self, claim: &Lease) -> Result<Lease, StoreError> {
        let before = std::mem::replace(&mut self.making, true);
        let made = self.bounded(self.store.create(claim)).await;
        if matches!(made, Err(StoreError::Outdated | StoreError::Refused(_))) {
            self.making = before;
        }
        made
    }

    /// Whoever led by the Lease that was there before has the time of a whole one to notice. Waiting before it is made would
    /// not do: it could be made and deleted by others meanwhile, and nobody would see that.
    fn made(&mut self) {
        if self.leads() {
            return;
        }
        let wait = self.seen.patience();
        self.leads_from = self.clock.now() + wait;
        tracing::info!(
            ?wait,
            "there was no lease: whoever had it has this time to notice"
        );
    }

    fn lead(&mut self, until: Duration) {
        if self
            .tenure
            .as_ref()
            .is_some_and(|tenure| tenure.extend(until))
        {
            return;
        }
        // Whoever waits for the end of the one before has to see it.
        self.publish();
        let tenure = Tenure::new(self.clock.clone(), until);
        // An answer that came too late is not worth a tenure.
        if tenure.is_current() {
            tracing::info!(identity = self.identity, "this controller leads");
            self.tenure = Some(tenure);
            self.publish();
        }
    }

    async fn bounded<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let deadline = self.candidacy.duration.retry();
        match timeout(deadline, call).await {
            Ok(outcome) => outcome,
            Err(_) => Err(StoreError::Unavailable(format!(
                "no answer from the API server within {deadline:?}"
            ))),
        }
    }

    /// Each candidate at a time of its own: a tenth sooner at the most, so that a deadline is kept.
    fn renew_again(&mut self, sent: Duration) -> Duration {
        let pause = self
            .candidacy
            .duration
            .retry()
            .mul_f64(1.0 - 0.1 * self.random.f64());
        let now = self.clock.now();
        let leads_in = self.leads_from.saturating_sub(now);
        let pause = (sent + pause).saturating_sub(now);
        match leads_in.is_zero() {
            true => pause,
            false => pause.min(leads_in),
        }
    }

    /// When it is free, or from time to time.
    fn look_again(&mut self, free_in: Duration) -> Duration {
        let pause = self
            .candidacy
            .duration
            .retry()
            .mul_f64(1.0 + 0.2 * self.random.f64());
        free_in.min(pause)
    }

    fn went_wrong(&mut self, setback: &Setback) -> Next {
        let problem = format!(
            "the lease {}/{}: {setback}",
            self.candidacy.namespace, self.candidacy.name
        );
        let is_news = self.standing.borrow().problem.is_none();
        if is_news {
            tracing::warn!(
                problem,
                leads = self.leads(),
                "the election stands still; trying on"
            );
        }
        self.standing
            .send_modify(|standing| standing.problem = Some(problem));
        self.publish();
        let pause = match self.leads() {
            true => self.candidacy.duration.again(),
            false => self.candidacy.duration.retry(),
        };
        Next::Pause(pause.mul_f64(0.5 + 0.5 * self.random.f64()))
    }

    fn went_well(&mut self) {
        let mended = |standing: &mut Standing| standing.problem.take().is_some();
        if self.standing.send_if_modified(mended) {
            tracing::info!("the election goes on");
        }
    }

    /// Tells the others what they do not know yet.
    fn publish(&mut self) {
        if !self.leads() && self.tenure.take().is_some() {
            tracing::warn!("the lease was not renewed in time: this controller writes no more");
        }
        let leader = self.seen.holder().map(str::to_owned);
        let tenure = self.tenure.clone();
        self.standing.send_if_modified(|standing| {
            let same = standing.leader == leader && standing.tenure.is_some() == tenure.is_some();
            if !same && standing.leader != leader {
                tracing::info!(
                    leader = leader.as_deref().unwrap_or("nobody"),
                    "the lease changed hands"
                );
            }
            *standing = Standing {
                tenure,
                leader,
                problem: standing.problem.take(),
            };
            !same
        });
    }
}

/// Nobody renews it any more.
impl<S> Drop for Candidate<S> {
    fn drop(&mut self) {
        if let Some(tenure) = self.tenure.take() {
            tenure.end();
        }
    }
}
