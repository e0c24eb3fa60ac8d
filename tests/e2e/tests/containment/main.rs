//! Plugins that misbehave in one chain with healthy ones, under load: every request that fails is one that the failure
//! mode of its own plugin explains. And what is remembered of verdicts is what the plugins would say again.
#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

#[allow(dead_code, reason = "what other programs take of it")]
#[path = "../plugins/guests.rs"]
mod guests;
mod memory;
mod misdeeds;
