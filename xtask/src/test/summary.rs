//! What is said at the end: a line for each step, then the counts.

use std::fmt;
use std::process::ExitCode;

use super::{Outcome, Report, Skip};
use crate::process::spoken;

/// Prints the table and the counts, which are the last line.
pub(super) fn print(reports: Vec<Report>, strict: bool) -> ExitCode {
    let reports: Vec<Report> = reports
        .into_iter()
        .map(|report| judge(report, strict))
        .collect();
    println!();
    reports.iter().for_each(|report| println!("{report}"));
    let counts = Counts::of(&reports);
    println!("{counts}");
    match counts.failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// Under `--strict` what is missing has to be installed.
fn judge(report: Report, strict: bool) -> Report {
    let outcome = match report.outcome {
        Outcome::Skipped(Skip::Missing(reason)) if strict => {
            Outcome::Failed(anyhow::anyhow!("skipped, which --strict forbids: {reason}"))
        }
        outcome => outcome,
    };
    Report { outcome, ..report }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<16} {:>7}  {}",
            self.step,
            spoken(self.elapsed),
            self.outcome
        )
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => f.write_str("passed"),
            Self::Failed(error) => write!(f, "FAILED: {error:#}"),
            Self::Skipped(Skip::Missing(reason)) => write!(f, "skipped: {reason}"),
            Self::Skipped(Skip::Environment(reason)) => {
                write!(
                    f,
                    "skipped, a limit of this environment that --strict forgives: {reason}"
                )
            }
        }
    }
}

#[derive(Debug, Default, PartialEq)]
struct Counts {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Counts {
    fn of(reports: &[Report]) -> Self {
        reports.iter().fold(Self::default(), |mut counts, report| {
            *match report.outcome {
                Outcome::Passed => &mut counts.passed,
                Outcome::Failed(_) => &mut counts.failed,
                Outcome::Skipped(_) => &mut counts.skipped,
            } += 1;
            counts
        })
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        match self.skipped {
            0 => Ok(()),
            skipped => write!(f, ", {skipped} skipped"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn mk_report(outcome: Outcome) -> Report {
        Report {
            step: "docs",
            outcome,
            elapsed: Duration::from_secs(61),
        }
    }

    fn mk_missing() -> Report {
        mk_report(Outcome::Skipped(Skip::Missing(
            "no node on this machine".into(),
        )))
    }

    fn mk_limit() -> Report {
        mk_report(Outcome::Skipped(Skip::Environment("no network".into())))
    }

    #[test]
    fn strict_turns_what_is_missing_into_a_failure_that_keeps_the_reason() {
        let report = judge(mk_missing(), true).to_string();
        assert!(
            report.contains("FAILED: skipped, which --strict forbids: no node"),
            "{report}"
        );
        assert!(matches!(
            judge(mk_missing(), false).outcome,
            Outcome::Skipped(_)
        ));
    }

    #[test]
    fn strict_forgives_a_limit_of_the_environment() {
        assert!(matches!(
            judge(mk_limit(), true).outcome,
            Outcome::Skipped(_)
        ));
    }

    #[test]
    fn the_counts_mention_skips_only_where_there_are_some() {
        let failed = mk_report(Outcome::Failed(anyhow::anyhow!("no")));
        let passed = || mk_report(Outcome::Passed);
        assert_eq!(
            Counts::of(&[passed(), passed(), failed]).to_string(),
            "2 passed, 1 failed"
        );
        assert_eq!(
            Counts::of(&[passed(), mk_limit()]).to_string(),
            "1 passed, 0 failed, 1 skipped"
        );
    }

    #[test]
    fn a_report_says_step_time_and_outcome() {
        assert_eq!(
            mk_report(Outcome::Passed).to_string(),
            "docs               1m01s  passed"
        );
    }
}
