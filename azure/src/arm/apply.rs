//! The whole round: look, change, follow, look again.

use std::time::Duration;

use podgate_api::ResourceId;
use tokio::time::sleep;

use super::compute::{Compute, ProvisioningState};
use super::error::{ArmError, ErrorClass};
use super::id::ComputeId;
use super::limits::CallKind;
use super::patch::{IdentityChange, IdentityPatch};
use super::{ArmClient, Patched};
use crate::http::Gate;

/// Changes in a row that succeeded and after which as much was left to do as before. One may be bad luck: somebody else
/// changed the resource in between.
const FRUITLESS: usize = 2;

/// Changes of one round that came too late, since the resource had changed after the look.
const OUTDATED: usize = 3;

/// A change that has to wait for longer is made from a new look: the one at hand is too old by then.
const OLD: Duration = Duration::from_secs(1);

/// How far a round has come.
#[derive(Debug, Default)]
struct Headway {
    /// What was left to do at the look that had the least.
    least: Option<usize>,
    /// A change has succeeded since the last look.
    changed: bool,
    fruitless: usize,
    outdated: usize,
}

impl ArmClient {
    /// Brings a resource to what is wanted: looks, changes, follows, looks again, until nothing is left to do.
    /// Answers with the resource as it is afterwards. A change that came too late, since the resource had changed after the
    /// look, is made anew from another one, a few times; beyond that nothing is tried again: that is the caller's to decide.
    ///
    /// `may_write` is asked at the moment when a change would be sent: looks, waits, tokens and connections may take minutes,
    /// after which the caller may have become one who must not write any more.
    ///
    /// # Errors
    /// The first failure. What was done before it stays done. `Identities` also where changes succeed and are undone at
    /// once.
    pub async fn apply(
        &self,
        id: &ComputeId,
        change: &IdentityChange,
        may_write: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Result<Compute, ArmError> {
        let gate = Gate::new(may_write);
        let mut headway = Headway::default();
        loop {
            let compute = self.get(id).await?;
            let left = change.left(&compute);
            let Some(patch) = IdentityPatch::next(&compute, change) else {
                return Ok(compute);
            };
            if compute.state == ProvisioningState::Deleting {
                return Err(failed(id, ErrorClass::Deleting, "it is being deleted"));
            }
            if !headway.goes_on(left.len()) {
                return Err(undone(id, left));
            }
            if !self.paced(id).await {
                headway.changed = self.round(id, &patch, &gate, &mut headway).await?;
            }
        }
    }

    /// One change, to its end. Not made if the resource is another one by now.
    async fn round(
        &self,
        id: &ComputeId,
        patch: &IdentityPatch,
        gate: &Gate,
        headway: &mut Headway,
    ) -> Result<bool, ArmError> {
        match self.patch(id, patch, gate.clone()).await {
            Ok(Patched::Started(operation)) => self.wait(&operation).await.map(|()| true),
            Ok(Patched::Done) => Ok(true),
            Err(error) if headway.looks_again(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Waits until our own count allows a change. Whether that took so long that whatever was known before is old: the
    /// resource may be another one, and more may be wanted of it.
    pub async fn paced(&self, id: &ComputeId) -> bool {
        let wait = self.limits.paced(id, CallKind::Patch);
        if wait <= OLD {
            return false;
        }
        sleep(wait).await;
        true
    }
}

impl Headway {
    /// Takes in a look. Whether there is any sense in another change.
    fn goes_on(&mut self, left: usize) -> bool {
        let is_less = self.least.is_none_or(|least| left < least);
        if is_less {
            self.least = Some(left);
            self.fruitless = 0;
        } else if self.changed {
            self.fruitless += 1;
        }
        self.changed = false;
        self.fruitless < FRUITLESS
    }

    fn looks_again(&mut self, error: &ArmError) -> bool {
        self.outdated += 1;
        error.class == ErrorClass::PreconditionFailed && self.outdated < OUTDATED
    }
}

fn failed(id: &ComputeId, class: ErrorClass, message: &str) -> ArmError {
    ArmError::new(class, format!("changing the identities of {id}"), message)
}

/// Named, so that whoever waits for others does not wait for these.
fn undone(id: &ComputeId, left: Vec<ResourceId>) -> ArmError {
    let message = "each change succeeded, and the next look found it undone";
    failed(id, ErrorClass::Identities(left), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_goes_on_while_each_change_leaves_less_and_ends_when_two_in_a_row_leave_as_much() {
        let mut headway = Headway::default();
        for left in [400, 250, 250, 100, 101] {
            assert!(headway.goes_on(left), "{left}");
            headway.changed = true;
        }
        assert!(!headway.goes_on(100));
    }

    #[test]
    fn looks_without_a_change_between_them_count_for_nothing() {
        let mut headway = Headway::default();
        assert!((0..10).all(|_| headway.goes_on(3)));
    }
}
