//! Clients of Azure's instance metadata service (IMDS) and of Microsoft Entra ID, and the limits they keep.
//!
//! ```text
//! ImdsClient ──▶ ImdsLimits ──▶ HttpClient::plain ──▶ 169.254.169.254      (tokens of managed identities)
//! EntraClient ─────────────────▶ HttpClient::https ──▶ login hosts          (tokens of service principals)
//!      └────────────── both: Token | Failure ──────────────┘
//! ```
//!
//! Nothing here retries, caches or knows of pods: one call is one request upstream, and [`failure::Failure`]
//! says whether another may do better and when. Whatever a peer answers is bounded and parsed before it is
//! used; secrets and tokens have types that neither print nor outlive their use.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

pub mod cloud;
pub mod entra;
pub mod failure;
pub mod http;
pub mod imds;
pub mod throttle;
pub mod token;

mod answer;
#[cfg(test)]
mod loopback;
