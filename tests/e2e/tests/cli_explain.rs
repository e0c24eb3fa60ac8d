//! `podgate explain` as a process, with the rights of whoever runs it.
//!
//! `on_a_control_plane` is against a real API server without a kubelet, so no gateway can be asked there. `on_a_node` has
//! real nodes: a real gateway on one of them answers through API server and kubelet.
#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

#[path = "cli_explain/command.rs"]
mod command;
#[path = "cli_explain/ground.rs"]
mod ground;
#[path = "cli_explain/on_a_control_plane.rs"]
mod on_a_control_plane;
#[path = "cli_explain/on_a_node.rs"]
mod on_a_node;
