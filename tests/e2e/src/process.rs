//! The gateway as a process of its own, the way people run it.

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

#[derive(Deserialize)]
struct Started {
    address: SocketAddr,
    admin: SocketAddr,
}

/// A start compiles its plugins in a debug build; this is for a loaded machine.
const START: Duration = Duration::from_secs(60);

impl GatewayProcess {
    /// Starts `podgate-gateway` with these arguments (the first one is its name).
    pub async fn start(arguments: &[String], log: Stdio) -> anyhow::Result<Self> {
        let binary = binary()?;
        let mut child = Command::new(&binary)
            .args(&arguments[1..])
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", binary.display()))?;
        let pid = child.id().context("the gateway ended at once")?;
        let stdout = child.stdout.take().context("stdout")?;
        let mut lines = BufReader::new(stdout).lines();
        let Some(line) = timeout(START, lines.next_line())
            .await
            .context("the gateway does not start")??
        else {
            bail!("the gateway ended: {}", child.wait().await?);
        };
        let started: Started = serde_json::from_str(&line).with_context(|| line.clone())?;
        Ok(Self {
            address: started.address,
            admin: started.admin,
            pid,
            child,
        })
    }

    /// Ends it as Kubernetes does, and waits.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        Command::new("kill")
            .arg(self.pid.to_string())
            .status()
            .await?;
        timeout(Duration::from_secs(30), self.child.wait()).await??;
        Ok(())
    }
}

/// Beside this program: cargo puts all binaries of a profile into one folder.
pub(crate) fn binary() -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe()?;
    let mut folder = this.parent().context("no parent")?;
    if folder.ends_with("deps") {
        folder = folder.parent().context("no parent")?;
    }
    let binary = folder.join("podgate-gateway");
    anyhow::ensure!(
        binary.exists(),
        "{} is not there; build it with `cargo build -p podgate-gateway`, or use `cargo xtask demo`",
        binary.display()
    );
    Ok(binary)
}
