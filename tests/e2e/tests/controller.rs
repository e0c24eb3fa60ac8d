//! The controller as a process, between a real API server and azure-sim's ARM, with the rights it needs and no others.
//!
//! ```text
//! kube-apiserver ◀── (witness) ── podgate-controller ──▶ azure-sim: IMDS, Entra ID, ARM
//!       ▲                 └ tells requests of two controllers apart
//!       └── the tests: pods, nodes, identities, bindings
//! ```
//! Tests that are one of aad-pod-identity's end-to-end scenarios begin with its name. They need the test control plane
//! and the controller's program. What is in `scale` takes minutes.
#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

#[path = "controller/blind.rs"]
mod blind;
#[path = "controller/chaos.rs"]
mod chaos;
#[path = "controller/fencing.rs"]
mod fencing;
#[path = "controller/gateway.rs"]
mod gateway;
#[path = "controller/invalid.rs"]
mod invalid;
#[path = "controller/kills.rs"]
mod kills;
#[path = "controller/leaders.rs"]
mod leaders;
#[path = "controller/multiple.rs"]
mod multiple;
#[path = "controller/namespaces.rs"]
mod namespaces;
#[path = "controller/node.rs"]
mod node;
#[path = "controller/objects.rs"]
mod objects;
#[path = "controller/pods.rs"]
mod pods;
#[path = "controller/process.rs"]
mod process;
#[path = "controller/records.rs"]
mod records;
#[path = "controller/rights.rs"]
mod rights;
#[path = "controller/scale.rs"]
mod scale;
#[path = "controller/scene.rs"]
mod scene;
#[path = "controller/single.rs"]
mod single;
#[path = "controller/witness.rs"]
mod witness;
