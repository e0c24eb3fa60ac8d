//! Carries out what the plan wants: the only place where the controller changes anything.
//!
//! Everything is asked for under a [`Permit`], which is asked again right before each write.

use std::sync::Arc;
use std::time::Instant;

use podgate_api::ObjectRef;
use podgate_azure::arm::{ArmClient, ArmError, Compute, ComputeId};

use crate::metrics::Metrics;
use crate::plan::{Ask, Effect, NotWritten, Written};
use records::Records;

mod events;
mod records;

pub use events::Events;

/// Whether this process may still write. Cheap, and true at the moment of the answer.
pub type Permit = Arc<dyn Fn() -> bool + Send + Sync>;

/// What carries out effects. Clones share everything.
#[derive(Clone)]
pub struct Apply {
    records: Records,
    arm: ArmClient,
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
    /// Writes to one API server, and asks one ARM.
    pub fn new(
        client: kube::Client,
        arm: ArmClient,
        permit: Permit,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            records: Records::new(client, Arc::clone(&permit)),
            arm,
            permit,
            metrics,
        }
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
                let failure = answer.as_ref().err().map(|error| error.class.category());
                self.metrics.asked(id.kind(), &ask, begun.elapsed(), failure);
                Done::Answered(id, answer)
            }
        }
    }

    async fn azure(&self, id: &ComputeId, ask: &Ask) -> Result<Compute, ArmError> {
        match ask {
            Ask::Look => self.arm.get(id).await,
            Ask::Change(change) => self.arm.apply(id, change, || (self.permit)()).await,
        }
    }
}
