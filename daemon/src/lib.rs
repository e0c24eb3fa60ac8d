//! What podgate's long-running programs have in common: how their flags are written, how they log, and how they say that
//! they are ready.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

pub mod logging;
pub mod readiness;
pub mod values;
