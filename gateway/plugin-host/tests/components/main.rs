//! What the host does about components that were written by hand for one purpose, in the text format.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod calls;
mod code_cache;
mod loading;
mod policy;
