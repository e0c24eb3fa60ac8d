//! Plugins that misbehave, in the real gateway: whatever one does, its own requests get an answer that says
//! so, and everybody else gets what they always get.
#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

mod cache;
mod chain;
mod credential;
mod drain;
mod guests;
mod neighbours;
mod policy;
mod process;
mod secrecy;
mod start;
