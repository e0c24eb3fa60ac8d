//! `podgate-controller`: parse, log, run, resign.

use std::process::ExitCode;

use podgate_controller::app::Controller;
use podgate_controller::logging;
use podgate_controller::settings::{Settings, unknown_variables};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use tokio::signal::unix::{SignalKind, signal};

/// `EX_USAGE` of sysexits(3): the settings are wrong, and a restart will not mend them.
const USAGE: u8 = 64;

fn main() -> ExitCode {
    if let Some(ended) = podgate_controller::retire::command(std::env::args_os()) {
        return ended;
    }
    let settings = match Settings::read(std::env::args_os()) {
        Ok(settings) => settings,
        // Help and version come as errors as well, and are no failures.
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    match run(&settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("podgate-controller: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(settings: &Settings) -> anyhow::Result<()> {
    logging::start(settings.log_format, &settings.log)?;
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for variable in unknown_variables(names) {
        tracing::warn!(
            variable,
            "this variable is none of the controller's; see --help for the right name"
        );
    }
    for (flag, why) in settings.retired.given() {
        tracing::warn!(flag, why, "this flag has no effect");
    }
    // A core dump would hold the token that changes every machine of the cluster.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let controller = Controller::start(settings).await?;
    // For whoever started it with port 0: the only line on standard output.
    println!(
        "{{\"probes\":\"{}\",\"metrics\":\"{}\"}}",
        controller.probes, controller.metrics
    );
    controller
        .run(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("told to stop");
        })
        .await
}
