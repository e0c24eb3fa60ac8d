//! `podgate plugin call FILE --input cases.yaml`: questions to a component in the host, and what it says to them.
//!
//! ```text
//! cases.yaml ─▶ Suite ─▶ each case: configure, ask ─▶ Found (answer, requests, signatures, log) ─▶ compare ─▶ Report
//! ```

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use podgate_plugin_host::World;

use super::anatomy::Anatomy;
use super::file::{self, ComponentFile};
use super::{Form, print};
use report::Report;
use suite::Suite;

mod ask;
mod compare;
mod expect;
mod found;
mod key;
mod log;
mod network;
mod place;
mod question;
mod report;
mod run;
mod suite;

/// Hundreds of cases; more is no file that somebody wrote.
const MAX_INPUT: u64 = 4 * 1024 * 1024;

/// Asks a component in the real host, and compares what it says and does with what is expected.
///
/// docs/plugin-guide.md has the format of the cases. Exits with 0 if all is as expected, 1 if not, 2 if it cannot be tried.
#[derive(Debug, Args)]
pub(crate) struct Call {
    /// The component: what cargo built
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The cases, as YAML
    #[arg(short, long, value_name = "FILE")]
    input: PathBuf,
    /// Only cases whose names contain this
    #[arg(long, value_name = "WORDS")]
    only: Option<String>,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value_t = Form::Text)]
    output: Form,
}

// === impl Call ===

impl Call {
    /// Asks every question and prints; whether all was as expected.
    pub(super) async fn run(self) -> anyhow::Result<bool> {
        let file = ComponentFile::read(&self.file)?;
        let world = world(&file)?;
        let mut suite = self.suite(world)?;
        if let Some(words) = &self.only {
            suite.cases.retain(|case| case.name.contains(words));
            anyhow::ensure!(
                !suite.cases.is_empty(),
                "no case's name has `{words}` in it"
            );
        }
        let report = run::run(&file, world, &suite).await?;
        print(&self.written(&report)?)?;
        Ok(report.is_good())
    }

    fn suite(&self, world: World) -> anyhow::Result<Suite> {
        let text = file::text(&self.input, MAX_INPUT)?;
        Suite::parse(&text, world).with_context(|| self.input.display().to_string())
    }

    fn written(&self, report: &Report) -> serde_json::Result<String> {
        match self.output {
            Form::Text => Ok(report.text()),
            Form::Json => Ok(serde_json::to_string_pretty(report)? + "\n"),
        }
    }
}

fn world(file: &ComponentFile) -> anyhow::Result<World> {
    let anatomy = Anatomy::of(&file.bytes).unwrap_or_default();
    let world = anatomy.world().map(|(world, _)| world);
    let path = file.path.display();
    world.with_context(|| {
        format!("{path} is no plugin of podgate's; `podgate plugin check {path}` says why")
    })
}
