//! helm, as an operator runs it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// Namespace and name of the release.
pub(crate) const RELEASE: &str = "podgate";
/// Of one call, in helm's words.
const TIMEOUT: &str = "120s";

/// helm with the cluster's credentials.
pub(crate) struct Helm {
    program: PathBuf,
    kubeconfig: PathBuf,
    /// What is set for azure-sim's sake.
    values: PathBuf,
}

impl Helm {
    pub(crate) fn new(program: &Path, kubeconfig: PathBuf, values: PathBuf) -> Self {
        Self {
            program: program.to_owned(),
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
        self.apply("install", settings, true)
    }

    /// Likewise.
    pub(crate) fn upgrade(&self, settings: &[&str]) -> Result<String> {
        self.apply("upgrade", settings, true)
    }

    /// Does not wait: what is installed is not to get ready, or not to be waited for.
    pub(crate) fn begin(&self, verb: &str, settings: &[&str]) -> Result<String> {
        self.apply(verb, settings, false)
    }

    fn apply(&self, verb: &str, settings: &[&str], wait: bool) -> Result<String> {
        let chart = chart();
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
        // It waits for what is no more, when this process is killed.
        let mut helm = Command::new("setpriv");
        helm.args(["--pdeathsig", "KILL", "--"]).arg(&self.program);
        helm.env("KUBECONFIG", &self.kubeconfig)
            .env("HELM_PLUGINS", "/nonexistent")
            .args(["--namespace", RELEASE])
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

/// The chart of this repository.
fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../charts/podgate")
}
