//! podgate as its users have it: installed by helm, from images, on nodes with real kubelets. Each case is a promise; the
//! report says what was measured and what leaked. Needs root: `cargo xtask test --only cluster-suite`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Parser;
use podgate_e2e::node::{Case, Outcome, Report};

mod azure;
mod fleet;
mod helm;
mod objects;
mod refused;
mod scene;
mod standard;
mod started;
mod tokens;
mod uninstalled;
mod updated;
mod walkthrough;

use scene::Scene;

/// podgate on a cluster of real nodes.
#[derive(Parser)]
struct Options {
    /// Folder with the archives of podgate's images, as `cargo xtask images --dev` makes them.
    #[arg(long, value_name = "FOLDER")]
    images: PathBuf,
    /// The helm to install with.
    #[arg(long, value_name = "FILE", default_value = "helm")]
    helm: PathBuf,
    /// How many nodes there are.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=9))]
    nodes: u8,
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

/// Of a whole run. At the end of this process the cluster ends as well, whatever it does.
const LIMIT: Duration = Duration::from_secs(30 * 60);

fn main() -> ExitCode {
    let options = Options::parse();
    if options.list {
        promises().for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    }
    if !options.stay {
        end_after(LIMIT);
    }
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cluster-suite: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn end_after(limit: Duration) {
    std::thread::spawn(move || {
        std::thread::sleep(limit);
        eprintln!("cluster-suite: not done within {limit:?}");
        std::process::exit(1);
    });
}

/// In this order: managed mode until it is taken off the nodes, then standard mode.
fn promises() -> impl Iterator<Item = Promise> {
    let groups: [&[Promise]; 8] = [
        &walkthrough::PROMISES,
        &tokens::PROMISES,
        &updated::PROMISES,
        &fleet::PROMISES,
        &refused::PROMISES,
        &uninstalled::PROMISES,
        &started::PROMISES,
        &standard::PROMISES,
    ];
    groups.into_iter().flatten().copied()
}

fn run(options: &Options) -> Result<bool> {
    let mut scene = Scene::new(options)?;
    let mut report = Report::of_this_machine()?;
    let wanted = |name: &str| {
        options.only.is_empty() || options.only.iter().any(|only| name.contains(only.as_str()))
    };
    for (name, promise) in promises().filter(|(name, _)| wanted(name)) {
        report.add(prove(&mut scene, name, promise));
        if name == walkthrough::INSTALLS && !report.passed() {
            // Nothing could be asked of what is not there.
            break;
        }
    }
    if let Some(path) = &options.report {
        report.write(path)?;
    }
    if options.stay {
        scene.stay()?;
    }
    Ok(report.passed())
}

/// A case of its own: whatever leaked in it is its failure, but where the case says why it must.
fn prove(
    scene: &mut Scene,
    name: &'static str,
    promise: fn(&mut Scene) -> Result<Outcome>,
) -> Case {
    scene.azure.clear();
    scene.leaks_expected = false;
    let start = Instant::now();
    let outcome = promise(scene);
    let leaks = scene.azure.leaks().len();
    let (figures, mut failure) = match outcome {
        Ok(figures) => (figures, None),
        Err(error) => {
            let failure = format!("{error:#}\n{}", scene.troubles());
            (Outcome::new(), Some(failure))
        }
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
