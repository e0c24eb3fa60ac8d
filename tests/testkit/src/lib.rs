//! What podgate's tests share, and what application developers may use to test against Azure without Azure.
//!
//! - [`AzureSim`]: azure-sim, a strict double of IMDS, of Entra ID's token endpoints and of ARM on loopback
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
mod cluster;
mod control_plane;
pub mod fixtures;
pub mod netns;
pub mod pki;
mod sim;
mod tls_front;

pub use client::{Answer, Client, ClientError, free_port};
pub use cluster::Cluster;
pub use control_plane::{ControlPlane, cache_folder, client_of, programs};
pub use sim::{
    Application, ArmBucket, ArmCalls, ArmLimit, ArmSettings, AzureSim, Call, Certificate,
    CertificateError, Claims, Compute, ConfigError, Fault, FaultKind, FederatedCredential, Fleet,
    FleetNode, HandChange, IssuerKeys, LimitCounts, Limits, ManagedIdentity, Resources, ServedKeys,
    SimConfig, SimError, StateChange, SystemIdentity, Target, Times, TrustedIssuer, VerifyError,
};

pub use jsonwebtoken::jwk::JwkSet;
pub use tls_front::TlsFront;
