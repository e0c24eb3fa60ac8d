//! The controller: which pod may use which identity, and the identities on the nodes.
//!
//! ```text
//! watch ▸ index ▸ matching ▸ plan ▸ apply ──▶ AzureAssignedIdentity, one PATCH per VMSS/VM
//! ```
//! [`index`], [`matching`] and [`plan`] are pure: no I/O, no clock. Everything that has an effect comes out of the plan as
//! a value, and its outcome goes back in.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

pub mod admin;
pub mod app;
pub mod apply;
pub mod desk;
pub mod index;
pub mod lease;
pub mod matching;
pub mod metrics;
pub mod plan;
pub mod record;
pub mod retire;
pub mod settings;
pub mod watch;

pub use podgate_daemon::logging;
