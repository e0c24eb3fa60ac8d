//! The demonstration application of the old tutorials: as a pod it asks the metadata address for tokens, again and again, and
//! logs the lines that those tutorials tell their readers to look for.
//!
//! ```text
//! arguments ─▶ Settings ─▶ Round (generation 1, 2 or 3) ─▶ log lines
//!                            ├ Imds: the instance document, tokens
//!                            └ Arm: names of virtual machines, in the generations that listed them
//! ```
//! It uses Azure's metadata address as any program does, and knows nothing of podgate.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

mod arguments;
mod arm;
mod imds;
mod round;
mod token;

use std::process::ExitCode;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::arguments::{Arguments, with_two_hyphens};
use crate::round::Round;

fn main() -> ExitCode {
    let arguments = Arguments::parse_from(with_two_hyphens(std::env::args()));
    tracing_subscriber::fmt().with_ansi(false).init();
    match run(arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Until it is told to end: the first process of a container has to see to that itself.
#[tokio::main(flavor = "current_thread")]
async fn run(arguments: Arguments) -> anyhow::Result<bool> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        complete = rounds(arguments) => complete,
        _ = terminate.recv() => Ok(true),
        _ = interrupt.recv() => Ok(true),
    }
}

/// For ever, or one: then whether it got everything.
async fn rounds(arguments: Arguments) -> anyhow::Result<bool> {
    let (once, settings) = (arguments.once, arguments.settings());
    let period = settings.period;
    let round = Round::new(settings)?;
    round.begin();
    loop {
        let complete = round.perform().await;
        if once {
            return Ok(complete);
        }
        tokio::time::sleep(period).await;
    }
}
