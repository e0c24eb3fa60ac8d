//! `cargo xtask bench`: what a request, a plugin call, a start and a pod cost, each beside something to
//! compare it with in the same run.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Parser, Subcommand};
use podgate_e2e::bench::containment::guests::Guests;
use podgate_e2e::bench::containment::{self, Effort};
use podgate_e2e::bench::report::Report;
use podgate_e2e::bench::{bare, chains, loads, requests, start, worlds};

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
    /// Measure instead what plugins that misbehave cost the requests of others, and find every request that fails for it.
    #[arg(long)]
    containment: bool,
    /// With `--containment`: only misdeeds with these words in their titles, as `policy loop` or `skip`.
    #[arg(long, requires = "containment", default_value = "")]
    only: String,
    /// Only calls, chains and loads of plugins: no gateway is started.
    #[arg(long, conflicts_with = "containment")]
    plugins: bool,
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
    let mut report = Report::new()?;
    let measured = measure(&mut report, &arguments).await;
    print!("{report}");
    if let Some(path) = &arguments.json {
        std::fs::write(path, serde_json::to_string_pretty(&report)?)?;
    }
    measured
}

async fn measure(report: &mut Report, arguments: &Arguments) -> anyhow::Result<()> {
    let length = Duration::from_secs(arguments.seconds);
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/guests");
    if arguments.containment {
        let effort = Effort {
            length,
            only: arguments.only.clone(),
        };
        return containment::measure(report, &guests, &effort).await;
    }
    if !arguments.plugins {
        let foreign = arguments.foreign.zip(arguments.foreign_pid);
        requests::measure(report, length, foreign, &Guests::at(&guests)?).await?;
        start::measure(report).await?;
    }
    worlds::measure(report).await?;
    chains::measure(report).await?;
    loads::measure(report).await
}
