//! helm, as an operator runs it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::Options;

/// Namespace and name of the release.
pub(crate) const RELEASE: &str = "podgate";
/// Of one call, in helm's words.
const TIMEOUT: &str = "120s";

/// helm with the cluster's credentials.
pub(crate) struct Helm {
    program: PathBuf,
    chart: PathBuf,
    kubeconfig: PathBuf,
    /// What is set for azure-sim's sake.
    values: PathBuf,
}

impl Helm {
    pub(crate) fn new(options: &Options, kubeconfig: PathBuf, values: PathBuf) -> Self {
        Self {
            program: options.helm.clone(),
            chart: options.chart.clone(),
            kubeconfig,
            values,
        }
    }

    /// Has other values from now on.
    pub(crate) fn change(&mut self, values: PathBuf) {
        self.values = values;
    }

    /// `helm install podgate charts/podgate`, and waits until everything is ready.
    pub(crate) fn install(&self, settings: &[&str]) -> Result<String> {
        self.apply("install", &self.chart, settings, true)
    }

    /// The chart as it was before, without waiting.
    pub(crate) fn begin_with_previous(&self, settings: &[&str]) -> Result<String> {
        self.apply("install", &previous()?, settings, false)
    }

    /// Just so, in whatever namespace this is; no value is given.
    pub(crate) fn install_bare(&self, namespace: &str) -> Result<String> {
        let chart = self.chart.display().to_string();
        let words = ["install", RELEASE, &chart].map(str::to_owned);
        self.run_in(namespace, &words)
    }

    /// And away again.
    pub(crate) fn uninstall_bare(&self, namespace: &str) -> Result<String> {
        let words = ["uninstall", RELEASE, "--wait", "--timeout", TIMEOUT];
        self.run_in(namespace, &words.map(str::to_owned))
    }

    /// Likewise.
    pub(crate) fn upgrade(&self, settings: &[&str]) -> Result<String> {
        self.apply("upgrade", &self.chart, settings, true)
    }

    /// Does not wait: what is installed is not to get ready, or not to be waited for.
    pub(crate) fn begin(&self, verb: &str, settings: &[&str]) -> Result<String> {
        self.apply(verb, &self.chart, settings, false)
    }

    fn apply(&self, verb: &str, chart: &Path, settings: &[&str], wait: bool) -> Result<String> {
        let mut arguments = vec![verb.to_owned(), RELEASE.to_owned()];
        arguments.extend([chart.display().to_string(), "--values".to_owned()]);
        arguments.push(self.values.display().to_string());
        for setting in settings {
            arguments.extend(["--set".to_owned(), (*setting).to_owned()]);
        }
        if wait {
            arguments.extend(["--wait", "--timeout", TIMEOUT].map(str::to_owned));
        }
        self.run(&arguments)
    }

    /// Back to a revision.
    pub(crate) fn rollback(&self, revision: &str) -> Result<String> {
        let words = [
            "rollback",
            RELEASE,
            revision,
            "--wait",
            "--timeout",
            TIMEOUT,
        ];
        self.run(&words.map(str::to_owned))
    }

    /// Nothing of the release is left but what the chart keeps.
    pub(crate) fn uninstall(&self) -> Result<String> {
        let words = ["uninstall", RELEASE, "--wait", "--timeout", TIMEOUT];
        self.run(&words.map(str::to_owned))
    }

    /// Whether there is a release.
    pub(crate) fn is_installed(&self) -> bool {
        self.run(&["status".to_owned(), RELEASE.to_owned()]).is_ok()
    }

    fn run(&self, arguments: &[String]) -> Result<String> {
        self.run_in(RELEASE, arguments)
    }

    fn run_in(&self, namespace: &str, arguments: &[String]) -> Result<String> {
        // It waits for what is no more, when this process is killed.
        let mut helm = Command::new("setpriv");
        helm.args(["--pdeathsig", "KILL", "--"]).arg(&self.program);
        helm.env("KUBECONFIG", &self.kubeconfig)
            .env("HELM_PLUGINS", "/nonexistent")
            .current_dir(root())
            .args(["--namespace", namespace])
            .args(arguments)
            .stdin(Stdio::null());
        let output = helm
            .output()
            .with_context(|| format!("starting {}", self.program.display()))?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "helm {}: {}",
            arguments.join(" "),
            said.trim()
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The chart as it was before, packed by helm.
fn previous() -> Result<PathBuf> {
    let folder = root().join("tests/chart/previous");
    let entries = std::fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let packed = entries
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|ending| ending == "tgz"));
    packed.with_context(|| format!("no chart in {}", folder.display()))
}
