//! What a scenario costs at ARM.

use serde::Serialize;

use crate::{Call, Target};

/// Calls to ARM by their kind, whatever came of them, and what came of them.
#[derive(Clone, Copy, Debug, Default, Serialize, PartialEq, Eq)]
pub struct ArmCalls {
    /// `GET`s of virtual machines and scale sets.
    pub gets: usize,
    /// `PATCH`es.
    pub patches: usize,
    /// `GET`s of operations.
    pub polls: usize,
    /// Those of all three that were 429.
    pub throttled: usize,
    /// Those that were refused for another reason, or met an outage.
    pub failed: usize,
}

impl ArmCalls {
    /// All three kinds.
    pub fn all(&self) -> usize {
        self.gets + self.patches + self.polls
    }

    pub(super) fn add(&mut self, call: &Call) {
        if call.target != Target::Arm {
            return;
        }
        match call.method.as_str() {
            _ if call.path.contains("/operations/") => self.polls += 1,
            "PATCH" => self.patches += 1,
            _ => self.gets += 1,
        }
        match call.status {
            Some(200) => {}
            Some(429) => self.throttled += 1,
            _ => self.failed += 1,
        }
    }
}
