//! `podgate-gateway`: parse, log, run, drain.

use std::process::ExitCode;

use clap::Parser;
use podgate_gateway::admin::Ready;
use podgate_gateway::app::Gateway;
use podgate_gateway::config::{Config, LogFormat, unknown_variables};
use podgate_gateway::logging;
use podgate_intercept::cli::Intercept;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// `EX_USAGE` of sysexits(3): the settings are wrong, and a restart will not mend them.
const USAGE: u8 = 64;

/// The other process of a node: it keeps the firewall's rules, and has nothing of the server.
#[derive(Parser)]
#[command(
    name = "podgate-gateway intercept",
    bin_name = "podgate-gateway intercept",
    version,
    max_term_width = 110
)]
struct Interception {
    #[command(subcommand)]
    command: Intercept,
    /// What is logged, as in `info,podgate_intercept=debug`.
    #[arg(long, env = "PODGATE_LOG", default_value = "info", global = true)]
    log: String,
    /// Form of log lines.
    #[arg(
        long,
        env = "PODGATE_LOG_FORMAT",
        default_value = "text",
        ignore_case = true,
        global = true
    )]
    log_format: LogFormat,
}

fn main() -> ExitCode {
    let word = std::env::args_os().nth(1);
    let rest = std::env::args_os().skip(1);
    let outcome = match word.as_ref().and_then(|word| word.to_str()) {
        Some("intercept") => parse(Interception::try_parse_from(rest)).map(intercept),
        Some("ready") => parse(Ready::try_parse_from(rest)).map(ready),
        _ => parse(Config::try_parse()).map(|config| run(&config)),
    };
    match outcome {
        Ok(Ok(code)) | Err(code) => code,
        Ok(Err(error)) => {
            eprintln!("podgate-gateway: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Help and version come as errors as well, and are no failures.
fn parse<T>(parsed: Result<T, clap::Error>) -> Result<T, ExitCode> {
    parsed.map_err(|error| {
        let code = if error.use_stderr() { USAGE } else { 0 };
        // Nobody reads what cannot be printed.
        let _ = error.print();
        ExitCode::from(code)
    })
}

/// For a probe: what is awaited is its output.
#[tokio::main(flavor = "current_thread")]
async fn ready(options: Ready) -> anyhow::Result<ExitCode> {
    let (ready, page) = options.ask().await?;
    print!("{page}");
    Ok(match ready {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

#[tokio::main(flavor = "current_thread")]
async fn intercept(options: Interception) -> anyhow::Result<ExitCode> {
    logging::start(options.log_format, &options.log)?;
    podgate_intercept::run(options.command).await
}

#[tokio::main]
async fn run(config: &Config) -> anyhow::Result<ExitCode> {
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
    let mut signals = Signals::new()?;
    let gateway = Gateway::start(config).await?;
    // For whoever started it with port 0: the only line on standard output.
    println!(
        "{{\"address\":\"{}\",\"admin\":\"{}\"}}",
        gateway.address, gateway.admin
    );
    signals.next().await;
    tracing::info!("draining");
    tokio::select! {
        () = gateway.shut_down() => Ok(ExitCode::SUCCESS),
        () = signals.next() => {
            tracing::warn!("told twice to end: open requests are cut");
            // Not by returning: the runtime would wait for plugins that are being compiled.
            std::process::exit(1)
        }
    }
}

/// What ends the gateway.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
