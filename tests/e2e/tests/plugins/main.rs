//! Plugins that misbehave, in the real gateway: whatever one does, its own requests get an answer that says
//! so, and everybody else gets what they always get.
#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

mod cache;
mod chain;
mod credential;
mod drain;
mod guests;
#[allow(dead_code, reason = "what other programs look at of it")]
#[path = "../rolling/load.rs"]
mod load;
mod neighbours;
mod observe;
mod policy;
mod process;
mod registry;
mod reload;
mod secrecy;
mod start;
