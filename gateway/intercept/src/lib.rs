//! The node's firewall rules: they lead pods' requests for metadata to the gateway, and nowhere else.
//!
//! ```text
//!  apply ─▶ kubenet? ─▶ listener address on lo ─▶ routing rules ─▶ nftables table ─▶ leftovers, the old agent's chain
//!                                                 (closed from    (or chains of
//!  watch ─▶ apply, then on every netlink event ─▶  here on)        iptables-legacy)
//!           and every 30 s: compare, restore
//!  check ─▶ compare            remove ─▶ all of it backwards
//! ```
//!
//! It runs as a process of its own with CAP_NET_ADMIN, so that the server has no capability at all; nothing here is
//! linked into the path of a request.
//!
//! # Guarantees
//! Rules stay when the process ends, however it ends; they go by `remove`, or when the DaemonSet is being deleted.
//! Two things close the metadata address to pods, each without the other: routing rules and the firewall's rules.
//! Firewall tools are looked up in fixed folders, get no environment, and are told nothing but what `plan::Plan`
//! holds, which is typed and bounded.
//!
//! # Assumptions
//! Pods reach the node by interfaces other than those of its default routes, and packets pass through the node's own
//! IP layer (`docs/interception.md` names the networks of which that is not true).

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

pub mod cli;

mod backend;
mod cluster;
mod comparison;
mod events;
mod firewall;
mod kubenet;
mod legacy;
mod network;
mod nftables;
mod old_agent;
mod owner;
mod plan;
mod startup;
mod tool;
mod watch;

use std::process::ExitCode;

use anyhow::Result;

use crate::cli::Intercept;
use crate::firewall::Firewall;

/// `check`: what is in place is not what it should be.
const DIFFERENT: u8 = 1;
/// `check`: it cannot be told, for instance because a tool or a permission is missing.
const UNKNOWN: u8 = 2;

/// Does what one `intercept …` command says.
///
/// The code is success, or 1 when `check` finds a difference, or 2 when it cannot tell.
///
/// # Errors
/// The rules could not be brought into place or taken away; the message says what was tried and what to do.
pub async fn run(command: Intercept) -> Result<ExitCode> {
    match command {
        Intercept::Apply(rules) => {
            let firewall = Firewall::closed(rules).await?;
            firewall.apply().await?;
            Ok(ExitCode::SUCCESS)
        }
        Intercept::Watch(options) => watch::watch(*options).await,
        Intercept::Check(rules) => Ok(check(rules).await),
        Intercept::Remove(rules) => {
            Firewall::remover(rules).await?.remove().await?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn check(rules: cli::Rules) -> ExitCode {
    let found = async { Firewall::new(rules).await?.differences().await };
    match found.await {
        Ok(differences) if differences.is_empty() => {
            tracing::info!("interception is in place");
            ExitCode::SUCCESS
        }
        Ok(differences) => {
            println!("{}", differences.join("\n"));
            tracing::warn!(
                differences = differences.len(),
                "interception is not as it should be; `intercept apply` mends it"
            );
            ExitCode::from(DIFFERENT)
        }
        Err(error) => {
            tracing::error!("cannot tell whether interception is in place: {error:#}");
            ExitCode::from(UNKNOWN)
        }
    }
}
