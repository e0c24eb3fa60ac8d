//! Runs podgate's WebAssembly components. It is the only crate that knows wasmtime, and nothing of wasmtime
//! shows in its public surface.
//!
//! ```text
//! Plugin ──▶ Host ──compile──▶ inspect ──▶ link what is granted ──▶ configure ──▶ dyn Policy
//! (bytes,     │     code cache   world,      log, clock, keys,        settings      dyn Credential
//!  settings,  │                  version,    http, deny-all WASI                    dyn CachePolicy
//!  grants,    │                  imports
//!  limits)    └ engine, pool, ticker
//! ```
//!
//! A plugin decides; the host holds state, keys and sockets. Each call gets a fresh instance out of a pool,
//! so no call sees what another one left, and ends at its limits of time, memory and answer. Whatever a
//! component does, its caller gets a value: an answer, bounded and cleaned, or a [`PluginError`] that names
//! the plugin, the cause and the cure.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

mod bindings;
mod cache;
mod code_cache;
mod compile;
mod credential;
mod engine;
mod error;
mod guest;
mod host;
mod imports;
mod inspect;
mod key;
mod outbound;
mod plugin;
mod policy;
mod text;

pub use cache::{CachePolicy, IdentityType, Plan, Subject, Times};
pub use credential::{
    AccessToken, AcquiredToken, Credential, CredentialFailure, CredentialIdentity,
    CredentialQuestion,
};
pub use error::{HostError, PluginError, Problem, World};
pub use host::{Host, HostConfig};
pub use key::{Algorithm, SignError, SigningKey};
pub use outbound::{Method, Outbound, OutboundError, OutboundRequest, OutboundResponse};
pub use plugin::{Grants, Limits, MAX_MEMORY, MAX_TABLE_ELEMENTS, Plugin};
pub use policy::{
    IdentitySelector, Label, Pod, PodException, Policy, PolicyQuestion, TokenRequest, Verdict,
};
