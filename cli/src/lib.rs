//! The `podgate` command line: what an operator and a plugin's author ask podgate from their own machine.
//!
//! A verb is a module with its arguments and `run`; [`main`] dispatches.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod connection;
mod explain;
mod plugin;

/// The identity gateway for Kubernetes on Azure, from the command line.
#[derive(Debug, Parser)]
#[command(name = "podgate", version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Explain(explain::Explain),
    Plugin(plugin::Plugin),
}

/// What a verb exits with that could not do its work; clap's own code for a wrong argument.
const FAILED: u8 = 2;

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    run(Cli::parse().verb).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(FAILED)
    })
}

#[tokio::main]
async fn run(verb: Verb) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Explain(explain) => explain.run().await,
        Verb::Plugin(plugin) => plugin.run().await,
    }
}
