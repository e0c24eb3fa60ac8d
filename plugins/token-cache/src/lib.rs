//! token-cache: the cache plugin that decides how long a token is kept.
//!
//! ```text
//! obtained ──────── refresh-at ───────── fresh-until ── keep-until ≤ expires
//!     served              served, renewed       asked first,       not served
//!                         in the background     else served
//! ```
//! It sees times and never a token, and imports nothing: a pure function of its settings and the question.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

#[cfg(target_family = "wasm")]
mod component;

pub mod lifetime;
pub mod rules;
pub mod settings;
