//! azure-sim as a program.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use podgate_testkit::{AzureSim, SimConfig};
use tokio::signal::unix::{SignalKind, signal};

/// A strict double of Azure's instance metadata service, of Entra ID's token endpoints and of Azure Resource
/// Manager's virtual machines and scale sets, on loopback.
///
/// It prints its addresses as one line of JSON on stdout when it is ready, logs every call on stderr (set RUST_LOG
/// for more or less), and ends on SIGTERM or SIGINT.
#[derive(Parser)]
#[command(name = "azure-sim", version, after_long_help = ADMIN)]
struct Flags {
    /// Initial identities, applications, scale sets and settings (YAML).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where IMDS and the admin API listen (http); overrides the file.
    #[arg(long, value_name = "ADDRESS:PORT")]
    imds_listen: Option<SocketAddr>,
    /// Where Entra listens (https); overrides the file.
    #[arg(long, value_name = "ADDRESS:PORT")]
    entra_listen: Option<SocketAddr>,
    /// Where ARM listens (https); overrides the file.
    #[arg(long, value_name = "ADDRESS:PORT")]
    arm_listen: Option<SocketAddr>,
    /// Where to write the certificate that clients of Entra and ARM must trust (PEM).
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

const ADMIN: &str = include_str!("azure-sim.help.txt");

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(filter())
        .init();
    match run(&Flags::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("azure-sim: {why}");
            ExitCode::FAILURE
        }
    }
}

fn filter() -> tracing_subscriber::EnvFilter {
    tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into())
}

async fn run(flags: &Flags) -> Result<(), String> {
    let sim = AzureSim::start(configuration(flags)?)
        .await
        .map_err(|why| why.to_string())?;
    if let Some(path) = &flags.ca_file {
        std::fs::write(path, sim.ca_pem())
            .map_err(|why| format!("cannot write {}: {why}", path.display()))?;
    }
    println!("{}", sim.addresses());
    stopped()
        .await
        .map_err(|why| format!("cannot wait for signals: {why}"))
}

fn configuration(flags: &Flags) -> Result<SimConfig, String> {
    let mut config = flags
        .config
        .as_deref()
        .map_or_else(|| Ok(SimConfig::default()), read)?;
    config.imds_listen = flags.imds_listen.unwrap_or(config.imds_listen);
    config.entra_listen = flags.entra_listen.unwrap_or(config.entra_listen);
    config.arm_listen = flags.arm_listen.unwrap_or(config.arm_listen);
    Ok(config)
}

fn read(path: &Path) -> Result<SimConfig, String> {
    let shown = path.display();
    let text =
        std::fs::read_to_string(path).map_err(|why| format!("cannot read {shown}: {why}"))?;
    SimConfig::from_yaml(&text).map_err(|why| format!("{shown}: {why}"))
}

async fn stopped() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        interrupted = tokio::signal::ctrl_c() => interrupted,
    }
}
