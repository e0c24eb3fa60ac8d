//! Interception in network namespaces with the kernel's real firewall: a node, its pods, and the network around it.
//!
//! ```text
//!  network ── 169.254.169.254 (the "real" metadata service, which counts), 192.168.99.1
//!     │
//!   eth0 192.168.99.2
//!   node ── cni0 10.50.0.1/24 ── pods 10.50.0.11, 10.50.0.12 on a bridge
//!       └── azv1 ── pod 10.60.0.5, point to point
//! ```
//! Nothing touches the machine's own namespace, and whatever was started dies with the test.
#![allow(clippy::unwrap_used, reason = "tests")]

mod agent;
mod attacks;
mod endings;
mod fixture;
mod holding;
mod neighbours;
mod paths;
mod program;
mod server;

/// Both ways to write rules.
const BACKENDS: [&str; 2] = ["nftables", "iptables-legacy"];
