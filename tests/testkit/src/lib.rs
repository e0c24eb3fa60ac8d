//! What podgate's tests share, and what application developers may use to test against Azure without Azure.
//!
//! - [`AzureSim`]: azure-sim, a strict double of IMDS and of Entra ID's token endpoints on loopback
//!   (also a program: `cargo run -p podgate-testkit --bin azure-sim -- --help`);
//! - [`pki`]: RSA certificates made for tests, and [`fixtures`]: committed PFX files in every encoding users hold;
//! - [`Client`]: a small HTTP/1.1 client that chooses its source address, because a pod is its address.
//!
//! ```text
//!             ┌────────────── AzureSim ──────────────┐
//! http  ──▶   imds   ┐                    ┌ /admin  (scripts of faults, recorded calls)
//!                    ├▶ faults ▶ record ◀─┤
//! https ──▶   entra  ┘        │           └ library calls
//!                          tokens: RS256, one key set
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

mod client;
pub mod fixtures;
pub mod netns;
pub mod pki;
mod sim;

pub use client::{Answer, Client, ClientError, free_port};
pub use sim::{
    Application, AzureSim, Call, Certificate, CertificateError, Claims, ConfigError, Fault,
    FaultKind, LimitCounts, Limits, ManagedIdentity, Resources, SimConfig, SimError, Target, Times,
    TrustedIssuer, VerifyError,
};
