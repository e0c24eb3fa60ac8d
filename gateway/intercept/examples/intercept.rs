//! The commands of `podgate-gateway intercept` as a program of their own, for trials and for the tests in network
//! namespaces.

use std::process::ExitCode;

use clap::Parser;
use podgate_intercept::cli::Intercept;

/// Interception of a node.
#[derive(Debug, Parser)]
struct Program {
    /// What to do.
    #[command(subcommand)]
    command: Intercept,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let program = Program::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    podgate_intercept::run(program.command).await
}
