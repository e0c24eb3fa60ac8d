//! Which identity: from a pod, its question and the chain's judgement to an [`Assignment`].
//!
//! Only an [`Assignment`] can be given to the credential stage, and only [`find`] makes one.

use std::sync::Arc;
use std::time::Duration;

use podgate_azure::imds::Selector;
use tokio::time::{Instant, timeout_at};

use crate::imds::TokenQuestion;
use crate::pod::ResolvedPod;
use crate::policy::{Allowed, Judgement};
use crate::refusal::Refusal;
use crate::world::{Identity, SecretData, World};
use select::Selection;

pub mod select;

/// Proof that an identity may be used for a pod's request, now.
#[derive(Clone, Debug)]
pub struct Assignment {
    whose: Whose,
}

/// The inside of an [`Assignment`].
#[derive(Clone, Debug)]
pub enum Whose {
    /// An identity bound to the pod, with its Secret where it needs one.
    Bound {
        /// The identity.
        identity: Arc<Identity>,
        /// The content of its Secret, for types 1 and 2.
        secret: Option<SecretData>,
    },
    /// The node's own identities, as the request names them.
    Node(Selector),
}

/// The assignments that may answer one request: one, or, where only the token itself tells which (a
/// request by object id), several to be tried.
#[derive(Clone, Debug)]
pub struct Assignments(Vec<Assignment>);

/// How identities are found.
#[derive(Clone, Debug)]
pub struct Rules {
    /// `--operation-mode`
    pub mode: Mode,
    /// `--forceNamespaced`: pod, binding and identity share a namespace.
    pub namespaced: bool,
    /// `--default-identity`
    pub default_identity: DefaultIdentity,
    /// How long a request waits for an identity that is on its way.
    pub wait: Duration,
}

/// Who says that an identity may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// The controller, by an AzureAssignedIdentity in state Assigned.
    Standard,
    /// The binding alone; identities are on the nodes already.
    Managed,
}

/// Which identity a pod gets that has several and names none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum DefaultIdentity {
    /// None: 400, as real IMDS answers.
    Refuse,
    /// The first by (weight, namespace, name).
    First,
}

// === impl Assignment ===

impl Assignment {
    /// Whose token it will be.
    pub fn whose(&self) -> &Whose {
        &self.whose
    }

    fn is_of(&self, other: &Identity) -> bool {
        matches!(&self.whose, Whose::Bound { identity, .. } if identity.edition == other.edition)
    }

    fn node(selector: Selector) -> Self {
        Self {
            whose: Whose::Node(selector),
        }
    }

    fn bound(identity: Arc<Identity>, secret: Option<SecretData>) -> Self {
        Self {
            whose: Whose::Bound { identity, secret },
        }
    }
}

impl Assignments {
    /// At least one.
    pub fn iter(&self) -> impl Iterator<Item = &Assignment> {
        self.0.iter()
    }
}

/// Finds what may answer a request.
///
/// Flow: an identity that no binding gives is refused at once; one that is on its way is waited for until
/// the rules' deadline, woken by each change of the world.
///
/// # Errors
/// [`Refusal::NoIdentity`], [`Refusal::SeveralIdentities`], [`Refusal::Misconfigured`] at once,
/// [`Refusal::NotAssignedYet`] at the deadline.
pub async fn find(
    world: &World,
    pod: &ResolvedPod,
    question: &TokenQuestion,
    judgement: &Judgement,
    rules: &Rules,
) -> Result<Assignments, Refusal> {
    if *judgement.allowed() == Allowed::Node {
        let selector = question.selector.clone();
        return Ok(Assignments(vec![Assignment::node(selector)]));
    }
    let decide = || {
        let index = world.read();
        select::select(
            &index,
            pod.pod(),
            &question.selector,
            judgement.allowed(),
            rules,
        )
    };
    let mut version = world.version();
    let deadline = Instant::now() + rules.wait;
    loop {
        let why = match decide() {
            Selection::Found(assignments) => return Ok(assignments),
            Selection::Refused(refusal) => return Err(refusal),
            Selection::Pending(why) => why,
        };
        if !matches!(timeout_at(deadline, version.changed()).await, Ok(Ok(()))) {
            return Err(Refusal::NotAssignedYet(why));
        }
    }
}

/// Whether an assignment is still what the state of now gives: asked after the upstream call, since a
/// binding may have gone in the meantime. Looks, and never waits.
///
/// # Errors
/// What [`find`] would answer now.
pub fn recheck(
    world: &World,
    pod: &ResolvedPod,
    question: &TokenQuestion,
    judgement: &Judgement,
    rules: &Rules,
    assignment: &Assignment,
) -> Result<(), Refusal> {
    let Whose::Bound { identity, .. } = assignment.whose() else {
        return match judgement.allowed() {
            Allowed::Node => Ok(()),
            _ => Err(Refusal::NoIdentity(format!(
                "pod {} is not excepted any more",
                pod.pod().object
            ))),
        };
    };
    let index = world.read();
    match select::select(
        &index,
        pod.pod(),
        &question.selector,
        judgement.allowed(),
        rules,
    ) {
        Selection::Found(now) if now.iter().any(|now| now.is_of(identity)) => Ok(()),
        Selection::Refused(refusal) => Err(refusal),
        Selection::Pending(why) => Err(Refusal::NotAssignedYet(why)),
        Selection::Found(_) => Err(Refusal::NotAssignedYet(format!(
            "{identity} was changed during the request; retry"
        ))),
    }
}

#[cfg(test)]
mod tests;

/// Assignments for the tests of later stages, which cannot make one.
#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use crate::world::{ObjectRef, Way};

    pub(crate) fn bound(name: &str, secret: Option<SecretData>) -> Assignment {
        let identity = Identity {
            object: ObjectRef::new("default", name),
            edition: format!("default/{name}").into(),
            namespaced: false,
            way: Way::Managed {
                client_id: Some("7a1d0c8e-2f34-4f0e-9a6f-0123456789ab".parse().unwrap()),
                resource_id: None,
            },
        };
        Assignment::bound(Arc::new(identity), secret)
    }

    pub(crate) fn node(selector: Selector) -> Assignment {
        Assignment::node(selector)
    }
}
