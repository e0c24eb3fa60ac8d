//! `cargo xtask bench --controller`: what the controller costs in front of a real API server, beside a bare client that
//! writes as much.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use podgate_e2e::bench::controller::world::World;
use podgate_e2e::bench::controller::{self, Part, Sizes};
use podgate_e2e::bench::report::Report;

/// Measures podgate-controller. A cluster is written PODS/IDENTITIES/SCALE_SETS/NODES.
#[derive(Parser)]
struct Arguments {
    /// Also write the figures to this file, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Everything a tenth as large: a minute or two instead of ten.
    #[arg(long)]
    quick: bool,
    /// Only this part; may be repeated.
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// What the large cluster is compared with.
    #[arg(
        long,
        default_value = "200/10/1/10",
        default_value_if("quick", "true", "20/5/1/5")
    )]
    small: World,
    /// The cluster of most budgets.
    #[arg(
        long,
        default_value = "2000/50/10/100",
        default_value_if("quick", "true", "200/10/2/10")
    )]
    medium: World,
    /// The one that shows whether cost grows with size.
    #[arg(
        long,
        default_value = "20000/1000/100/1000",
        default_value_if("quick", "true", "2000/100/10/100")
    )]
    large: World,
    /// Pods that are created and deleted one by one in each cluster.
    #[arg(long, default_value_t = 200, default_value_if("quick", "true", "40"))]
    rounds: usize,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Subcommand)]
enum Role {
    /// The bare client: writes so many records to the API server of this kubeconfig.
    #[command(hide = true)]
    Write {
        /// Where to.
        kubeconfig: PathBuf,
        /// How many.
        records: usize,
        /// How many changes of them after that.
        changes: usize,
    },
}

/// In all; the parts have bounds of their own.
const MOST: Duration = Duration::from_secs(60 * 60);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(Role::Write {
        kubeconfig,
        records,
        changes,
    }) = arguments.role
    {
        return controller::write(kubeconfig, records, changes).await;
    }
    // Whatever ends it, processes and folders end with what is dropped here.
    tokio::select! {
        done = tokio::time::timeout(MOST, run(&arguments)) => done.context("it takes too long")?,
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
    }
}

async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let sizes = Sizes {
        small: arguments.small,
        medium: arguments.medium,
        large: arguments.large,
        rounds: arguments.rounds,
    };
    let mut report = Report::new()?;
    let measured = controller::measure(&mut report, &sizes, &arguments.only).await;
    print!("{report}");
    if let Some(path) = &arguments.json {
        std::fs::write(path, serde_json::to_string_pretty(&report)?)?;
    }
    measured
}
