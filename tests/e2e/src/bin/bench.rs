//! `cargo xtask bench`: what a request, a plugin call, a start and a pod cost, each beside something to
//! compare it with in the same run.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use podgate_e2e::bench::{bare, report::Report, requests, start, worlds};

/// Measures podgate.
#[derive(Parser)]
struct Arguments {
    /// Also write the figures to this file, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// A server to be measured beside the gateway, with the same request.
    #[arg(long, requires = "foreign_pid")]
    foreign: Option<SocketAddr>,
    /// The process of that server.
    #[arg(long)]
    foreign_pid: Option<u32>,
    /// Seconds of each measurement of requests.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Subcommand)]
enum Role {
    /// A bare hyper server that answers each request with the bytes of this file.
    #[command(hide = true)]
    Bare {
        /// The body.
        body: PathBuf,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(Role::Bare { body }) = arguments.role {
        return bare::serve(std::fs::read(body)?).await;
    }
    let length = Duration::from_secs(arguments.seconds);
    let foreign = arguments.foreign.zip(arguments.foreign_pid);
    let mut report = Report::new()?;
    requests::measure(&mut report, length, foreign).await?;
    worlds::measure(&mut report).await?;
    start::measure(&mut report).await?;
    print!("{report}");
    if let Some(path) = arguments.json {
        std::fs::write(path, serde_json::to_string_pretty(&report)?)?;
    }
    Ok(())
}
