//! podgate as its users have it: installed by helm, from images, on nodes with real kubelets. Each case is a promise; the
//! report says what was measured and what leaked. Needs root: `cargo xtask test --only cluster-suite`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use podgate_e2e::node::Report;

mod acts;
mod around;
mod azure;
mod bare;
mod fleet;
mod helm;
mod invalid;
mod kube;
mod lost;
mod multiple;
mod objects;
mod people;
mod pods;
mod refused;
mod scene;
mod single;
mod standard;
mod started;
mod tokens;
mod uninstalled;
mod updated;
mod vmss;
mod walkthrough;

use acts::{Act, Beside};
use scene::{Mode, Scene};

/// podgate on a cluster of real nodes.
#[derive(Parser)]
struct Options {
    /// Folder with the archives of podgate's images, as `cargo xtask images --dev` makes them.
    #[arg(long, value_name = "FOLDER")]
    images: PathBuf,
    /// The helm to install with.
    #[arg(long, value_name = "FILE", default_value = "helm")]
    helm: PathBuf,
    /// The chart to install; a path in the repository.
    #[arg(long, value_name = "FOLDER", default_value = "charts/podgate")]
    chart: PathBuf,
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

/// How many nodes there are: two of a scale set, and one that is a virtual machine of its own.
const NODES: u8 = 3;
/// Of a whole run. At the end of this process the cluster ends as well, whatever it does.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// In managed mode pods have what the nodes have. These cases leave it as they find it.
const ASKED: [Beside; 9] = [
    walkthrough::NEWEST,
    walkthrough::BETWEEN,
    walkthrough::OLDEST,
    tokens::KINDS,
    tokens::STRANGER,
    tokens::EXCEPTED,
    tokens::ONCE,
    around::STATUS_CODES,
    around::GATEWAYS_LIVE,
];

/// In standard mode the controller puts on the nodes what the pods need: the scenarios of the old agent's tests. Pods whose end
/// is no part of their case stay for the last one, so that it costs one request to ARM: it takes four in a minute.
const ASSIGNED: [Beside; 18] = [
    single::VALIDATED,
    single::POD_DELETED,
    single::IDENTITY_DELETED,
    single::BINDING_DELETED,
    single::FIELDS_UPDATED,
    single::RIGHT_AND_WRONG,
    single::SERVICE_PRINCIPALS,
    multiple::ONE_OF_FIVE,
    multiple::RELABELLED,
    multiple::SAME_NAMES,
    vmss::USED_ELSEWHERE,
    vmss::TAKEN_BY_HAND,
    vmss::RESTORED,
    vmss::IMMUTABLE,
    invalid::BATCH,
    invalid::RESOURCE_ID,
    around::RETRY_AFTER,
    around::CONTROLLERS_LIVE,
];

/// In this order: as somebody has it who sets nothing, then managed mode until it is taken off the nodes, then standard mode.
fn acts() -> impl Iterator<Item = (Mode, Act)> {
    let managed = [
        Act::Alone(walkthrough::INSTALLED),
        Act::Alone(started::TAINTED),
        Act::Together(&ASKED),
        Act::Alone(updated::DELETED),
        Act::Alone(refused::KUBENET),
        Act::Alone(uninstalled::LEAVES_NOTHING),
    ];
    let standard = [
        Act::Alone(standard::INSTALLED),
        Act::Alone(updated::UPGRADED),
        Act::Alone(updated::ROLLED_BACK),
        Act::Alone(standard::WALKTHROUGH),
        // Before those that spend what ARM allows in a minute.
        Act::Alone(fleet::HUNDRED),
        Act::Together(&ASSIGNED),
        Act::Alone(standard::LEADERLESS),
        Act::Alone(vmss::NOTHING_OF_OTHERS),
        Act::Alone(lost::NODE),
        Act::Alone(standard::UNINSTALLED),
    ];
    let bare = [Act::Alone(bare::INSTALLED)];
    let in_mode = |mode| move |act| (mode, act);
    let managed = managed.into_iter().map(in_mode(Mode::Managed));
    let bare = bare.into_iter().map(in_mode(Mode::Bare));
    let standard = standard.into_iter().map(in_mode(Mode::Standard));
    bare.chain(managed).chain(standard)
}

fn main() -> ExitCode {
    let options = Options::parse();
    if options.list {
        let names = acts().flat_map(|(_, act)| act.names());
        names.for_each(|name| println!("{name}"));
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

fn run(options: &Options) -> Result<bool> {
    let mut scene = Scene::new(options)?;
    let mut report = Report::of_this_machine()?;
    let wanted = |name: &str| {
        options.only.is_empty() || options.only.iter().any(|only| name.contains(only.as_str()))
    };
    for (mode, act) in acts() {
        act.perform(mode, &mut scene, wanted, &mut report)?;
        let last = report.cases.last();
        if last.is_some_and(|case| case.name == walkthrough::INSTALLED.0 && case.failure.is_some())
        {
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
