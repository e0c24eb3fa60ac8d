//! The `podgate` command line: what an operator and a plugin's author ask podgate from their own machine.
//!
//! A verb is a module with its arguments and `run`; [`main`] dispatches.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The identity gateway for Kubernetes on Azure, from the command line.
#[derive(Debug, Parser)]
#[command(name = "podgate", version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    match Cli::parse().verb {}
}
