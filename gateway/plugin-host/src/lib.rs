//! Runs podgate's WebAssembly components. It is the only crate that knows wasmtime, and nothing of wasmtime
//! shows in its public surface.
//!
//! ```text
//! Plugin ──▶ Host ──compile──▶ inspect ──▶ link what is granted ──▶ configure ──▶ dyn Policy
//! (bytes,     │     code cache   world,      log, clock, keys,        settings      dyn Credential
//!  settings,  │                  version,    http, tokens, deny-all WASI            dyn CachePolicy
//!  grants,    │                  imports
//!  limits)    └ engine, pool, ticker
//! ```
//!
//! A plugin decides; the host holds state, keys and sockets. Each call gets a fresh instance out of a pool,
//! so no call sees what another one left (unless its operator says otherwise: [`Instances`]), and ends at its limits of
//! time, memory and answer. Whatever a component does, its caller gets a value: an answer, bounded and cleaned, or a
//! [`PluginError`] that names the plugin, the cause and the cure.
//!
//! What a call costs its neighbours is bounded too: a guest that computes for more than some milliseconds goes on at a
//! low priority on threads that serve nobody else, and a plugin holds at most 32 places of the pool and the memory of
//! four full instances.
//!
//! # What it relies on
//! wasmtime's sandbox keeps a guest inside its memory; a flaw there has happened and may again. So operators
//! name components by digest, private keys stay out of guests, and wasmtime is kept at its newest LTS patch.
//! What reads questions and sends requests ([`Outbound`]) belongs to the gateway and is trusted.

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
mod surroundings;
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
pub use plugin::{
    Grants, Instances, Limits, MAX_COMPONENT, MAX_MEMORY, MAX_TABLE_ELEMENTS, Plugin,
};
pub use policy::{
    IdentitySelector, Label, Pod, PodException, Policy, PolicyQuestion, TokenRequest, Verdict,
};
pub use surroundings::{Clock, ServiceAccount, Surroundings};
