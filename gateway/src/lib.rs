//! podgate's gateway: one per node, it answers its pods' requests for tokens.
//!
//! ```text
//!  pod ──GET 169.254.169.254/metadata/identity/oauth2/token──▶ listen
//!      ▸ imds ▸ pod ▸ policy ▸ assignment ▸ cache ▸ credential ▸ reply          (flow.rs has it in one place)
//!               │      │         │                    │
//!            world   [WASM]    world     managed identity → IMDS · secret → Entra · certificate → Entra [WASM]
//! ```
//! Types change at each stage, so that none can be skipped: only [`pod::resolve`] makes a
//! [`pod::ResolvedPod`], only [`policy::Chain::judge`] a [`policy::Judgement`], only [`assignment::find`] an
//! [`assignment::Assignment`], and only an assignment gets a token.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, reason = "a test's panic is its report")
)]

pub mod admin;
pub mod app;
pub mod assignment;
pub mod cache;
pub mod clock;
pub mod config;
pub mod credential;
pub mod explain;
pub mod flow;
pub mod host;
pub mod imds;
pub mod listen;
pub mod metrics;
pub mod plugins;
pub mod pod;
pub mod policy;
pub mod refusal;
pub mod reply;
pub mod source;
pub mod world;

pub use podgate_daemon::{logging, readiness};

/// What the fuzz targets reach beyond the public items.
#[cfg(fuzzing)]
pub mod fuzzing {
    /// The numbers of objects and of problems in a manifest.
    pub fn manifest(text: &str) -> (usize, usize) {
        let (objects, problems) = crate::source::read_manifest(text);
        (objects.len(), problems.len())
    }
}
