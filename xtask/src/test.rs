//! `cargo xtask test`: every check and every test as named steps, one after the other.
//!
//! All steps run, whatever the ones before them said: one run tells everything that is wrong. A step that this
//! machine cannot run is skipped by name and reason; `--strict` counts that as a failure.

mod deny;
pub(crate) mod packages;
mod readme;
mod steps;
mod summary;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use self::steps::{STEPS, Step};
use crate::cli;

/// How a step ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It ran and found nothing wrong.
    Passed,
    /// It ran and found something, or could not run although this machine could.
    Failed(anyhow::Error),
    /// This machine cannot run it.
    Skipped(Skip),
}

/// Why a step cannot run here.
#[derive(Debug)]
pub(crate) enum Skip {
    /// Something that can be installed is missing: what, and what needs it.
    Missing(String),
    /// The surroundings withhold it whatever is installed, so that `--strict` forgives it.
    Environment(String),
}

impl From<Result<Option<Skip>>> for Outcome {
    fn from(result: Result<Option<Skip>>) -> Self {
        match result {
            Ok(None) => Self::Passed,
            Ok(Some(skip)) => Self::Skipped(skip),
            Err(error) => Self::Failed(error),
        }
    }
}

/// What is to be said of one step at the end.
#[derive(Debug)]
struct Report {
    step: &'static str,
    outcome: Outcome,
    elapsed: Duration,
}

/// Runs what the options choose; the code says whether anything failed.
pub(crate) fn perform(options: &cli::Test) -> Result<ExitCode> {
    let steps = chosen(&options.only)?;
    if options.list {
        steps
            .iter()
            .for_each(|step| println!("{:<16} {}", step.name, step.about));
        return Ok(ExitCode::SUCCESS);
    }
    let reports: Vec<Report> = steps
        .iter()
        .enumerate()
        .map(|(done, step)| report(step, done + 1, steps.len()))
        .collect();
    Ok(summary::print(reports, options.strict))
}

fn chosen(only: &[String]) -> Result<Vec<&'static Step>> {
    for wanted in only {
        ensure!(
            STEPS.iter().any(|step| step.answers_to(wanted)),
            "there is no step `{wanted}`; `cargo xtask test --list` shows them"
        );
    }
    let is_chosen =
        |step: &&Step| only.is_empty() || only.iter().any(|wanted| step.answers_to(wanted));
    Ok(STEPS.iter().filter(is_chosen).collect())
}

fn report(step: &Step, number: usize, of: usize) -> Report {
    println!("\n==> [{number}/{of}] {}: {}", step.name, step.about);
    let start = Instant::now();
    let outcome = Outcome::from((step.run)());
    let report = Report {
        step: step.name,
        outcome,
        elapsed: start.elapsed(),
    };
    println!("<== {report}");
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(only: &[&str]) -> Result<Vec<&'static str>> {
        let only: Vec<String> = only.iter().map(ToString::to_string).collect();
        Ok(chosen(&only)?.iter().map(|step| step.name).collect())
    }

    #[test]
    fn all_steps_run_unless_some_are_named() {
        assert_eq!(names(&[]).unwrap().len(), STEPS.len());
        assert_eq!(names(&["docs", "fmt"]).unwrap(), ["fmt", "docs"]);
    }

    #[test]
    fn a_family_of_steps_answers_to_its_common_name() {
        assert_eq!(
            names(&["clients"]).unwrap(),
            ["clients-python", "clients-js", "clients-java", "clients-go"]
        );
    }

    #[test]
    fn an_unknown_step_is_refused_by_name() {
        let error = names(&["fmt", "lint"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no step `lint`; `cargo xtask test --list` shows them"
        );
    }

    #[test]
    fn no_two_steps_share_a_name() {
        let mut names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), STEPS.len());
    }
}
