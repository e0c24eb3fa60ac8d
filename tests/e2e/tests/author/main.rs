//! What a plugin's author does, with real tools, from an empty folder on: `cargo xtask test --only author`.
//!
//! What compiles for a minute, or needs cargo-component and the registry of files that `cargo xtask wit` writes, is ignored
//! otherwise.
#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

mod check;
mod examples;
mod federation;
mod guide;
mod python;
mod shell;
mod template;
