//! Carries out what the plan wants: the only place where the controller changes anything.
//!
//! Everything is asked for under a [`Permit`], which is asked again right before each write, and a write that is not sent
//! yet when it ends is given up.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use arc_swap::ArcSwap;
use podgate_api::ObjectRef;
use podgate_azure::arm::{ArmClient, ArmError, Compute, ComputeId, IdentityChange};

use crate::lease::Tenure;
use crate::metrics::Metrics;
use crate::plan::{Ask, Effect, NotWritten, Written};
use crate::settings::PerSecond;
use put_off::PutOff;
use records::{Pace, Records};

mod events;
mod put_off;
mod records;

pub use events::Events;

/// Whether this process may write: while the one tenure lasts that it was granted for. Clones are the same permit.
#[derive(Clone, Debug, Default)]
pub struct Permit(Arc<OnceLock<Tenure>>);

/// What carries out effects. Clones share everything.
#[derive(Clone)]
pub struct Apply {
    records: Records,
    arm: Arc<ArcSwap<ArmClient>>,
    put_off: PutOff,
    permit: Permit,
    metrics: Arc<Metrics>,
}

/// What became of an effect, for the plan.
#[derive(Debug)]
pub enum Done {
    /// Of a write.
    Wrote(ObjectRef, Result<Written, NotWritten>),
    /// Of a request to Azure.
    Answered(ComputeId, Result<Compute, ArmError>),
}

impl Apply {
    /// Writes to one API server, at most so many times per second, and asks one ARM.
    pub fn new(
        client: kube::Client,
        arm: ArmClient,
        permit: Permit,
        metrics: Arc<Metrics>,
        calls: Option<PerSecond>,
    ) -> Self {
        let pace = calls.map(Pace::of);
        Self {
            records: Records::new(client, permit.clone(), pace),
            arm: Arc::new(ArcSwap::from_pointee(arm)),
            put_off: PutOff::default(),
            permit,
            metrics,
        }
    }

    /// Asks Azure through this client from now on. What is under way ends as it began.
    pub fn ask_as(&self, arm: ArmClient) {
        self.arm.store(Arc::new(arm));
    }

    /// Carries out one effect. Nothing is tried again here: the plan knows best what is still wanted.
    pub async fn carry_out(&self, effect: Effect) -> Done {
        let begun = Instant::now();
        match effect {
            Effect::Write(write) => {
                let (record, verb) = (write.record(), write.verb());
                let outcome = self.records.write(write).await;
                self.metrics.wrote(verb, begun.elapsed(), outcome.is_ok());
                Done::Wrote(record, outcome)
            }
            Effect::Azure(id, ask) => {
                let answer = self.azure(&id, &ask).await;
                self.metrics
                    .asked(id.kind(), &ask, begun.elapsed(), answer.is_ok());
                Done::Answered(id, answer)
            }
        }
    }

    async fn azure(&self, id: &ComputeId, ask: &Ask) -> Result<Compute, ArmError> {
        let arm = self.arm.load_full();
        match ask {
            Ask::Look => arm.get(id).await,
            Ask::Change(change) => self.change(&arm, id, change).await,
        }
    }

    /// A change that had to wait because of our own count is not made: how the machine is by then is the answer, and all
    /// that has gathered meanwhile is asked for in one. Not twice in a row, so that something happens in the end.
    async fn change(
        &self,
        arm: &ArmClient,
        id: &ComputeId,
        change: &IdentityChange,
    ) -> Result<Compute, ArmError> {
        if arm.paced(id).await && self.put_off.may(id) {
            return arm.get(id).await;
        }
        let permit = self.permit.clone();
        let changed = arm.apply(id, change, move || permit.is_valid()).await;
        if changed.is_ok() {
            self.put_off.done(id);
        }
        changed
    }
}

impl Permit {
    /// Grants it for a tenure. Only the first one counts: who lost it ends.
    pub fn grant(&self, tenure: Tenure) {
        let _ = self.0.set(tenure);
    }

    /// Whether a write may be sent at this moment.
    pub fn is_valid(&self) -> bool {
        self.0.get().is_some_and(Tenure::is_current)
    }

    /// Resolves when it has been granted and is over.
    pub async fn ended(&self) {
        match self.0.get() {
            Some(tenure) => tenure.ended().await,
            None => std::future::pending().await,
        }
    }
}
