//! A gateway as a process of its own, with azure-sim behind it and a plugins file that can be replaced.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use podgate_testkit::{Answer, AzureSim, Client};
use tempfile::TempDir;

use crate::process::GatewayProcess;
use crate::{demo, stage};

/// Longer than any start or reload, even of a debug build on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);
const EACH: Duration = Duration::from_millis(10);

/// All of it. It ends with this object.
pub struct Ground {
    /// The gateway.
    pub gateway: GatewayProcess,
    _sim: AzureSim,
    folder: TempDir,
}

impl Ground {
    /// A gateway that is ready, with this plugins file, the pods of the demo and these, and compiled code in `code`.
    pub async fn start(plugins: &str, pods: &str, code: &Path) -> Result<Self> {
        let sim = AzureSim::start(demo::directory()?).await?;
        let folder = tempfile::tempdir()?;
        let file = |name: &str| folder.path().join(name);
        demo::lay_out(&file("pods"))?;
        std::fs::write(file("pods/guests.yaml"), pods)?;
        std::fs::write(file("ca.pem"), sim.ca_pem())?;
        std::fs::write(file("plugins.yaml"), plugins)?;
        let mut flags = stage::arguments(&sim, &file("pods"), &file("ca.pem"));
        flags.extend([
            "--operation-mode=managed".to_owned(),
            "--nmi-port=0".to_owned(),
            "--http-probe-port=0".to_owned(),
            "--log=warn".to_owned(),
            format!("--plugins={}", file("plugins.yaml").display()),
            format!("--code-cache={}", code.display()),
        ]);
        let log = std::fs::File::create(file("log"))?;
        let ground = Self {
            gateway: GatewayProcess::start(&flags, Stdio::from(log)).await?,
            _sim: sim,
            folder,
        };
        ground
            .until(async || Ok(ground.admin("/readyz").await?.status == 200))
            .await?;
        Ok(ground)
    }

    /// Another plugins file, put there in one step as kubelet does; whether the gateway took it.
    pub async fn reload(&self, plugins: &str) -> Result<bool> {
        let before = self.reloads().await?;
        let staged = self.path("plugins.new");
        std::fs::write(&staged, plugins)?;
        std::fs::rename(staged, self.path("plugins.yaml"))?;
        self.until(async || Ok(self.reloads().await? != before))
            .await?;
        Ok(self.reloads().await?.0 > before.0)
    }

    /// Good and bad reloads so far.
    async fn reloads(&self) -> Result<(u64, u64)> {
        let of = |result: &str| format!("podgate_plugins_reload_total{{result=\"{result}\"}}");
        let metrics = self.metrics().await?;
        Ok((value(&metrics, &of("ok")), value(&metrics, &of("failed"))))
    }

    /// How often the calls of a plugin ended this way.
    pub async fn calls(&self, plugin: &str, outcome: &str) -> Result<u64> {
        let metrics = self.metrics().await?;
        let (plugin, outcome) = (
            format!("plugin=\"{plugin}\""),
            format!("outcome=\"{outcome}\""),
        );
        let is_meant = |line: &&str| {
            line.starts_with("podgate_plugin_calls_total{")
                && line.contains(&plugin)
                && line.contains(&outcome)
        };
        let line = metrics.lines().find(is_meant);
        let count = line.and_then(|line| line.rsplit_once(' '));
        Ok(count.map_or(Ok(0), |(_, count)| count.parse())?)
    }

    async fn metrics(&self) -> Result<String> {
        Ok(self.admin("/metrics").await?.text())
    }

    async fn admin(&self, path: &str) -> Result<Answer> {
        Ok(Client::new(self.gateway.admin).get(path, &[]).await?)
    }

    async fn until(&self, is_so: impl AsyncFn() -> Result<bool>) -> Result<()> {
        let begun = Instant::now();
        while !is_so().await? {
            if begun.elapsed() > PATIENCE {
                bail!("not within {PATIENCE:?}\n{}", self.log());
            }
            tokio::time::sleep(EACH).await;
        }
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The end of its log.
    pub fn log(&self) -> String {
        let log = std::fs::read_to_string(self.path("log")).unwrap_or_default();
        // Guests may fill it with their own lines.
        let lines: Vec<&str> = log
            .lines()
            .filter(|line| line.contains(" ERROR "))
            .collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    /// Ends the gateway as Kubernetes does.
    pub async fn stop(self) -> Result<()> {
        self.gateway.stop().await
    }
}

/// Of a series; 0 where there is none.
fn value(metrics: &str, series: &str) -> u64 {
    let value = metrics.lines().find_map(|line| line.strip_prefix(series));
    value
        .and_then(|value| value.trim().parse().ok())
        .unwrap_or(0)
}
