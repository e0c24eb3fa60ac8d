//! The gateway on a node: real rules, a real API server, pods in network namespaces. Each case is a promise;
//! the report says what was measured and what leaked. Needs root: `cargo xtask test --only netns`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use clap::Parser;
use podgate_e2e::node::{Case, Outcome, Report};
use podgate_testkit::netns::isolated;

mod api_server;
mod attacks;
mod clients;
mod closed;
mod rolling;
mod scene;
mod tokens;

use scene::Scene;

/// The gateway on a node of network namespaces.
#[derive(Parser)]
struct Options {
    /// Where the report goes, as JSON.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Only the cases whose names contain this; may be repeated.
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
    /// Name the cases and run none.
    #[arg(long)]
    list: bool,
    /// Stay up after the cases, for requests of your own.
    #[arg(long)]
    stay: bool,
}

/// A case: a sentence and what proves it.
type Promise = (&'static str, fn(&mut Scene) -> Result<Outcome>);

fn main() -> ExitCode {
    let options = Options::parse();
    if options.list {
        promises().for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    }
    match isolated(|network| run(network, &options)) {
        Ok(Ok(true)) => ExitCode::SUCCESS,
        Ok(Ok(false)) => ExitCode::FAILURE,
        Ok(Err(error)) => failed(&error),
        Err(error) => failed(&error.into()),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("netns: {error:#}");
    ExitCode::FAILURE
}

/// In this order: the first ones see the node without rules.
fn promises() -> impl Iterator<Item = Promise> {
    let groups: [&[Promise]; 6] = [
        &tokens::PROMISES,
        &clients::PROMISES,
        &attacks::PROMISES,
        &api_server::PROMISES,
        &closed::PROMISES,
        &rolling::PROMISES,
    ];
    groups.into_iter().flatten().copied()
}

fn run(network: &podgate_testkit::netns::Namespace, options: &Options) -> Result<bool> {
    let mut scene = Scene::new(network)?;
    let mut report = Report::of_this_machine()?;
    let wanted = |name: &str| {
        options.only.is_empty() || options.only.iter().any(|only| name.contains(only.as_str()))
    };
    for (name, promise) in promises().filter(|(name, _)| wanted(name)) {
        report.add(prove(&mut scene, name, promise));
    }
    if let Some(path) = &options.report {
        report.write(path)?;
    }
    if options.stay {
        scene.stay()?;
    }
    Ok(report.passed())
}

/// A case of its own: whatever leaked in it is its failure.
fn prove(
    scene: &mut Scene,
    name: &'static str,
    promise: fn(&mut Scene) -> Result<Outcome>,
) -> Case {
    scene.stage.sim.clear_calls();
    let start = Instant::now();
    let outcome = scene.prepare(name).and_then(|()| promise(scene));
    let leaks = scene.stage.leaks().len();
    let (figures, mut failure) = match outcome {
        Ok(figures) => (figures, None),
        Err(error) => (Outcome::new(), Some(format!("{error:#}"))),
    };
    if leaks > 0 && !scene.leaks_expected {
        failure.get_or_insert_with(|| {
            format!("{leaks} requests reached the metadata service past the gateway")
        });
    }
    Case {
        name,
        seconds: start.elapsed().as_secs_f64(),
        leaks,
        figures,
        failure,
    }
}
