//! podgate's programs as processes of their own, the way people run them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// A running gateway. It ends with this object.
pub struct GatewayProcess {
    /// Where pods are served.
    pub address: SocketAddr,
    /// The admin port.
    pub admin: SocketAddr,
    /// Its process id.
    pub pid: u32,
    child: Child,
}

/// A running controller. It ends with this object.
pub struct ControllerProcess {
    /// `/healthz` and `/readyz`.
    pub probes: SocketAddr,
    /// `/metrics`
    pub metrics: SocketAddr,
    /// Its process id.
    pub pid: u32,
    child: Child,
}

#[derive(Deserialize)]
struct GatewayStarted {
    address: SocketAddr,
    admin: SocketAddr,
}

#[derive(Deserialize)]
struct ControllerStarted {
    probes: SocketAddr,
    metrics: SocketAddr,
}

/// A start compiles its plugins in a debug build; this is for a loaded machine.
const START: Duration = Duration::from_secs(60);

impl GatewayProcess {
    /// Starts `podgate-gateway` with these arguments (the first one is its name).
    pub async fn start(arguments: &[String], log: Stdio) -> anyhow::Result<Self> {
        let (child, line) = start("podgate-gateway", &arguments[1..], log).await?;
        let started: GatewayStarted = serde_json::from_str(&line).with_context(|| line.clone())?;
        Ok(Self {
            address: started.address,
            admin: started.admin,
            pid: child.id().context("the gateway ended at once")?,
            child,
        })
    }

    /// Ends it as Kubernetes does, and waits.
    pub async fn stop(self) -> anyhow::Result<()> {
        stop(self.child, self.pid).await
    }
}

impl ControllerProcess {
    /// Starts `podgate-controller` with these flags.
    pub async fn start(flags: &[String], log: Stdio) -> anyhow::Result<Self> {
        let (child, line) = start("podgate-controller", flags, log).await?;
        let started: ControllerStarted =
            serde_json::from_str(&line).with_context(|| line.clone())?;
        Ok(Self {
            probes: started.probes,
            metrics: started.metrics,
            pid: child.id().context("the controller ended at once")?,
            child,
        })
    }

    /// Ends it as Kubernetes does, and waits.
    pub async fn stop(self) -> anyhow::Result<()> {
        stop(self.child, self.pid).await
    }
}

/// A program that says on its first line that it listens, and where.
async fn start(program: &str, flags: &[String], log: Stdio) -> anyhow::Result<(Child, String)> {
    let binary = binary(program)?;
    let mut child = Command::new(&binary)
        .args(flags)
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("starting {}", binary.display()))?;
    let stdout = child.stdout.take().context("stdout")?;
    let mut lines = BufReader::new(stdout).lines();
    let line = timeout(START, lines.next_line()).await;
    match line.with_context(|| format!("{program} does not start"))?? {
        Some(line) => Ok((child, line)),
        None => bail!("{program} ended: {}", child.wait().await?),
    }
}

async fn stop(mut child: Child, pid: u32) -> anyhow::Result<()> {
    Command::new("kill").arg(pid.to_string()).status().await?;
    timeout(Duration::from_secs(30), child.wait()).await??;
    Ok(())
}

/// Beside this program: cargo puts all binaries of a profile into one folder.
pub fn binary(program: &str) -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe()?;
    let mut folder = this.parent().context("no parent")?;
    if folder.ends_with("deps") {
        folder = folder.parent().context("no parent")?;
    }
    let binary = folder.join(program);
    anyhow::ensure!(
        binary.exists(),
        "{} is not there; build it with `cargo build -p {program}`, or use `cargo xtask demo`",
        binary.display()
    );
    Ok(binary)
}
