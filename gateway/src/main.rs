//! `podgate-gateway`: parse, log, run, drain.

use std::process::ExitCode;

use clap::Parser;
use podgate_gateway::app::Gateway;
use podgate_gateway::config::{Config, unknown_variables};
use podgate_gateway::logging;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use tokio::signal::unix::{SignalKind, signal};

/// `EX_USAGE` of sysexits(3): the settings are wrong, and a restart will not mend them.
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let config = match Config::try_parse() {
        Ok(config) => config,
        Err(error) => {
            // Help and version come this way as well, and are no failures.
            let code = if error.use_stderr() { USAGE } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    match run(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("podgate-gateway: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(config: &Config) -> anyhow::Result<()> {
    logging::start(config.log_format, &config.log)?;
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for variable in unknown_variables(names) {
        tracing::warn!(
            variable,
            "this variable is none of the gateway's; see --help for the right name"
        );
    }
    // A core dump would hold every token, secret and key of the node; without it no debugger of the same
    // user can attach either.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let gateway = Gateway::start(config).await?;
    // For whoever started it with port 0: the only line on standard output.
    println!(
        "{{\"address\":\"{}\",\"admin\":\"{}\"}}",
        gateway.address, gateway.admin
    );
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("draining");
    gateway.shut_down().await;
    Ok(())
}
