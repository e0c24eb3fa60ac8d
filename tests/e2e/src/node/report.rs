//! What a run on the node has shown: cases, latencies, leaks. Printed and kept.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

/// What one case has measured, by name; times in milliseconds.
pub type Outcome = BTreeMap<&'static str, f64>;

/// All cases of a run.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Kernel and processor: figures mean nothing without them.
    pub machine: String,
    /// In the order in which they ran.
    pub cases: Vec<Case>,
}

/// One case.
#[derive(Debug, Serialize)]
pub struct Case {
    /// Its name, a sentence.
    pub name: &'static str,
    /// How long it took.
    pub seconds: f64,
    /// Requests that reached the metadata service past the gateway.
    pub leaks: usize,
    /// What it measured.
    pub figures: Outcome,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

impl Report {
    /// An empty report of this machine.
    pub fn of_this_machine() -> Result<Self> {
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
        let cpus = std::thread::available_parallelism()?;
        let machine = format!("Linux {}, {cpus} cores", kernel.trim());
        Ok(Self {
            machine,
            cases: Vec::new(),
        })
    }

    /// Whether every case held.
    pub fn passed(&self) -> bool {
        self.cases.iter().all(|case| case.failure.is_none())
    }

    /// Adds a case and prints its line.
    pub fn add(&mut self, case: Case) {
        let verdict = if case.failure.is_none() {
            "ok  "
        } else {
            "FAIL"
        };
        let figures: Vec<_> = case
            .figures
            .iter()
            .map(|(name, value)| format!("{name} {value:.1}"))
            .collect();
        println!(
            "{verdict} {:6.2} s  leaks {}  {}  {}",
            case.seconds,
            case.leaks,
            case.name,
            figures.join(", ")
        );
        if let Some(failure) = &case.failure {
            println!("     {}", failure.replace('\n', "\n     "));
        }
        self.cases.push(case);
    }

    /// Keeps it as JSON.
    pub fn write(&self, path: &Path) -> Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        Ok(std::fs::write(path, serde_json::to_string_pretty(self)?)?)
    }
}

/// p50, p99 and the longest of a series, in milliseconds.
pub fn percentiles(mut series: Vec<Duration>) -> Outcome {
    series.sort_unstable();
    let at = |share: f64| {
        let last = series.len().saturating_sub(1);
        let position = (share * last as f64).ceil() as usize;
        series
            .get(position.min(last))
            .map_or(0.0, |time| time.as_secs_f64() * 1e3)
    };
    [
        ("p50 ms", at(0.5)),
        ("p99 ms", at(0.99)),
        ("longest ms", at(1.0)),
    ]
    .into()
}
