//! Clients of Azure's instance metadata service (IMDS), of Microsoft Entra ID and of Azure Resource Manager, and
//! the limits they keep.
//!
//! ```text
//! ImdsClient ──▶ ImdsLimits ──▶ HttpClient::plain ──▶ 169.254.169.254      (tokens of managed identities)
//! EntraClient ─────────────────▶ HttpClient::https ──▶ login hosts          (tokens of service principals)
//!      └────────────── both: Token | Failure ──────────────┘
//! ArmClient ───▶ ArmLimits ──────▶ HttpClient::https ──▶ management.azure.com (identities of nodes)
//!      └── ArmCredential: azure_identity and EntraClient, over the same clients
//! ```
//!
//! Nothing here retries, caches or knows of pods: one call is one request upstream, and [`failure::Failure`]
//! says whether another may do better and when. Whatever a peer answers is bounded and parsed before it is
//! used; secrets and tokens have types that neither print nor outlive their use.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

pub mod arm;
pub mod cloud;
pub mod credential;
pub mod entra;
pub mod failure;
pub mod http;
pub mod imds;
pub mod throttle;
pub mod token;

mod answer;
#[cfg(test)]
mod loopback;

/// What the fuzz targets reach beyond the public items.
#[cfg(fuzzing)]
pub mod fuzzing {
    /// A success or a refusal of a token endpoint.
    pub fn answer(body: &[u8]) -> Option<crate::token::Token> {
        crate::answer::token(body, 1_790_000_000).ok()
    }
}
