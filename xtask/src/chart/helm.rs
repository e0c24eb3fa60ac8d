//! helm itself, of one version, so that what it renders is the same everywhere: the one of this machine where it is that
//! version, else one that is built from its Go module.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::process::{line, probe, run};
use crate::test::Skip;
use crate::workspace::{installed, root};

/// What tests/chart/helm/go.mod pins.
const VERSION: &str = "v3.19.5";
const MODULE: &str = "helm.sh/helm/v3";
/// The Kubernetes that `helm template` assumes: the one of the test control plane.
pub(crate) const KUBERNETES: &str = "1.33.4";
const NAME: &str = "podgate";

/// A helm that can be run.
pub(crate) struct Helm(PathBuf);

/// Finds or builds it; says what is missing on a machine that cannot.
pub(crate) fn set_up() -> Result<Result<Helm, Skip>> {
    let own = installed("helm").join("helm");
    let known = [PathBuf::from("helm"), own.clone()];
    if let Some(program) = known.into_iter().find(|program| is_right(program)) {
        return Ok(Ok(Helm(program)));
    }
    if probe("go", &["version"]).is_none() {
        let why = format!(
            "the chart's checks need helm {VERSION}; install it, or Go 1.24 or later to build it"
        );
        return Ok(Err(Skip::Missing(why)));
    }
    println!(
        "building helm {VERSION} (once, three minutes on two cores) into {}",
        own.display()
    );
    run(&mut build(&own)).context("building helm")?;
    ensure!(
        is_right(&own),
        "helm was built, but says it is not {VERSION}"
    );
    Ok(Ok(Helm(own)))
}

fn is_right(program: &Path) -> bool {
    probe(program, &["version", "--template", "{{.Version}}"]).as_deref() == Some(VERSION)
}

fn build(into: &Path) -> Command {
    let set = |name: &str, value: &str| format!("-X {MODULE}/{name}={value}");
    let flags = [
        "-s -w".to_owned(),
        set("internal/version.version", VERSION),
        set("internal/version.metadata", ""),
    ];
    let mut go = Command::new("go");
    go.current_dir(root().join("tests/chart/helm"))
        .env("GOFLAGS", "-mod=readonly -modcacherw -buildvcs=false")
        .env("CGO_ENABLED", "0")
        .args(["build", "-trimpath", "-ldflags", &flags.join(" "), "-o"])
        .arg(into)
        .arg(format!("{MODULE}/cmd/helm"));
    go
}

impl Helm {
    /// Where it is; a bare name is looked up as a shell does it.
    pub(crate) fn program(&self) -> &Path {
        &self.0
    }

    /// The chart has no mistake that helm itself can see.
    pub(crate) fn lint(&self, chart: &Path) -> Result<()> {
        run(self
            .command()
            .args(["lint", "--strict", "--quiet", "--kube-version", KUBERNETES])
            .arg(chart))
    }

    /// What the chart becomes with a file of values, or what helm says against it.
    pub(crate) fn template(&self, chart: &Path, values: &Path) -> Result<Result<String, String>> {
        let mut helm = self.command();
        helm.args([
            "template",
            NAME,
            "--namespace",
            NAME,
            "--kube-version",
            KUBERNETES,
            "--values",
        ])
        .arg(values)
        .arg(chart)
        .stdin(Stdio::null());
        let output = helm
            .output()
            .with_context(|| format!("starting `{}`", line(&helm)))?;
        let said = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(match output.status.success() {
            true => Ok(said(output.stdout)),
            false => Err(said(output.stderr)),
        })
    }

    /// Nothing of the user's settings changes what it says.
    fn command(&self) -> Command {
        let mut helm = Command::new(&self.0);
        helm.current_dir(root())
            .env("HELM_PLUGINS", "/nonexistent")
            .env_remove("HELM_NAMESPACE");
        helm
    }
}
