//! A gateway on a node of a real API server, with the rights of docs/rbac.md and no others.
//!
//! Pods are objects with an address of loopback, so that a client with that address is the pod. They need the test
//! control plane: `cargo xtask test --only cluster-source`.
#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

#[path = "cluster_source/appearing.rs"]
mod appearing;
#[path = "cluster_source/outages.rs"]
mod outages;
#[path = "cluster_source/plugins.rs"]
mod plugins;
#[path = "cluster_source/scene.rs"]
mod scene;
#[path = "cluster_source/secrets.rs"]
mod secrets;
#[path = "cluster_source/strange.rs"]
mod strange;
