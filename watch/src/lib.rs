//! Objects of one kind, listed once and watched from there on, for good.
//!
//! ```text
//! Kind (what, and how it is read)
//!   └▶ Watch ─▶ Api ▸ list, watch ─▶ the API server      one connection; a stream each
//!        ├────▶ Replica ▸ held ─▶ Sink                    what came, what went, what cannot be read
//!        └────▶ Beat ─▶ Freshness                         how old that is: log, probes, metrics
//! ```
//! A watch never gives up. What it said last stands while the API server is away; what the API server takes back goes
//! at once. What it says that cannot be understood means what the kind wants it to mean ([`InDoubt`]). Whatever comes is
//! bounded, and one object that cannot be read harms only itself.
//!
//! kube's own watcher is not used: it hides bookmarks, the only sign of life of a quiet watch; its lists have no
//! deadline; one object that cannot be read ends a whole list; and what cannot be read is logged, a Secret as well.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

mod api;
pub mod client;
mod failure;
mod freshness;
mod kind;
mod replica;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod watch;

pub use api::{Api, Patience};
pub use failure::reasons;
pub use freshness::{Beat, Freshness, Restart, WatchState};
pub use kind::{InDoubt, Kind, Reading, Selectors, Sink};
pub use watch::Watch;

#[cfg(test)]
mod tests;
