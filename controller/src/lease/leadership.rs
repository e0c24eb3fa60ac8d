//! What the rest of the controller sees of the election.

use std::future::pending;

use tokio::sync::watch;

use super::tenure::Tenure;

/// How the election stands. Clones see the same one.
#[derive(Clone, Debug)]
pub struct Leadership(watch::Receiver<Standing>);

#[derive(Debug, Default)]
pub(super) struct Standing {
    pub(super) tenure: Option<Tenure>,
    pub(super) leader: Option<String>,
    pub(super) problem: Option<String>,
}

impl Leadership {
    pub(super) fn new(standing: watch::Receiver<Standing>) -> Self {
        Self(standing)
    }

    /// Waits until this process leads. Once its candidate has ended it never does.
    pub async fn elected(&self) -> Tenure {
        let mut standing = self.0.clone();
        loop {
            if let Some(tenure) = current(&standing.borrow_and_update()) {
                return tenure;
            }
            if standing.changed().await.is_err() {
                return pending().await;
            }
        }
    }

    /// The tenure of this process, if it leads at this moment.
    pub fn tenure(&self) -> Option<Tenure> {
        current(&self.0.borrow())
    }

    /// Who led when the Lease was last seen, this process or another one.
    pub fn leader(&self) -> Option<String> {
        self.0.borrow().leader.clone()
    }

    /// Why the Lease cannot be read or written, where it cannot.
    pub fn problem(&self) -> Option<String> {
        self.0.borrow().problem.clone()
    }
}

fn current(standing: &Standing) -> Option<Tenure> {
    standing.tenure.clone().filter(Tenure::is_current)
}
