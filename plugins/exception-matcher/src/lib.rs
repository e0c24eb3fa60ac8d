//! exception-matcher: the policy plugin that honours AzurePodIdentityException.
//!
//! ```text
//! question ─▶ scope (allowedClientIds, allowedPaths) ─▶ any label pair of any exception ─▶ bypass
//!                                  └──────── else ──────────────────┴────────────────────▶ pass
//! ```
//! A pod that an exception names reaches the node's own identities instead of those bound to it. The
//! plugin imports nothing, so it is a pure function and the host remembers its answers.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

#[cfg(target_family = "wasm")]
mod component;

pub mod fold;
pub mod matching;
pub mod settings;
