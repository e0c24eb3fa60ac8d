//! A stage: azure-sim, a folder of manifests, and a gateway in this process.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Parser;
use podgate_gateway::app::Gateway;
use podgate_gateway::config::Config;
use podgate_testkit::{Answer, AzureSim, Client, SimConfig};
use tempfile::TempDir;

use crate::demo;

/// Everything that a test needs, on free ports of loopback.
pub struct Stage {
    /// IMDS and Entra ID.
    pub sim: AzureSim,
    /// The gateway.
    pub gateway: Gateway,
    folder: TempDir,
}

/// What a pod asks for by default.
pub const VAULT: &str = "https://vault.azure.net";
/// Longer than any start; a test that gets here has failed.
const READY: Duration = Duration::from_secs(30);

impl Stage {
    /// The stage of the demo: `examples/standalone`, in managed mode.
    pub async fn demo() -> anyhow::Result<Self> {
        Self::start(
            demo::directory()?,
            &["--operation-mode=managed"],
            demo::lay_out,
        )
        .await
    }

    /// A stage with these identities, flags and manifests.
    pub async fn start(
        directory: SimConfig,
        flags: &[&str],
        lay_out: impl FnOnce(&Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let sim = AzureSim::start(directory).await?;
        let folder = tempfile::tempdir()?;
        let pods = folder.path().join("pods");
        std::fs::create_dir(&pods)?;
        lay_out(&pods)?;
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, sim.ca_pem())?;
        let mut arguments = arguments(&sim, &pods, &ca);
        arguments.extend(["--nmi-port=0".to_owned(), "--http-probe-port=0".to_owned()]);
        arguments.extend(flags.iter().map(|flag| (*flag).to_owned()));
        let config = Config::try_parse_from(arguments)?;
        let gateway = Gateway::start(&config).await?;
        let stage = Self {
            sim,
            gateway,
            folder,
        };
        stage.ready().await?;
        Ok(stage)
    }

    async fn ready(&self) -> anyhow::Result<()> {
        let deadline = tokio::time::Instant::now() + READY;
        while !self.gateway.readiness.awaited().is_empty() {
            ensure!(
                tokio::time::Instant::now() < deadline,
                "the gateway does not get ready"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Writes one manifest file. The gateway sees it within moments: wait on what it changes.
    pub fn apply(&self, file: &str, manifest: &str) -> anyhow::Result<()> {
        std::fs::write(self.folder.path().join("pods").join(file), manifest).context("manifest")
    }

    /// Takes a manifest file away.
    pub fn delete(&self, file: &str) -> anyhow::Result<()> {
        std::fs::remove_file(self.folder.path().join("pods").join(file)).context("manifest")
    }

    /// A client with the pod's own address.
    pub fn pod(&self, ip: &str) -> anyhow::Result<Client> {
        let ip: IpAddr = ip.parse()?;
        Ok(Client::new(self.gateway.address)
            .from_source(ip)
            .deadline(Duration::from_secs(40)))
    }

    /// A pod's request for a token, as curl would make it.
    pub async fn token(&self, ip: &str, query: &str) -> anyhow::Result<Answer> {
        let path = format!("/metadata/identity/oauth2/token?api-version=2018-02-01&{query}");
        let headers = [("Metadata", "true"), ("Host", "169.254.169.254")];
        Ok(self.pod(ip)?.get(&path, &headers).await?)
    }

    /// The token itself, verified by azure-sim's keys.
    pub fn claims(&self, answer: &Answer) -> anyhow::Result<podgate_testkit::Claims> {
        ensure!(answer.status == 200, "{}: {}", answer.status, answer.text());
        let json = answer.json();
        let token = json["access_token"].as_str().context("access_token")?;
        Ok(self.sim.verify(token)?)
    }

    /// A page of the admin port.
    pub async fn admin(&self, path: &str) -> anyhow::Result<Answer> {
        let host = self.gateway.admin.to_string();
        Ok(Client::new(self.gateway.admin)
            .get(path, &[("Host", &host)])
            .await?)
    }
}

/// The flags that lead a gateway to azure-sim and a folder.
pub fn arguments(sim: &AzureSim, pods: &Path, ca: &Path) -> Vec<String> {
    let imds = sim.imds_addr();
    vec![
        "podgate-gateway".to_owned(),
        format!("--standalone={}", pods.display()),
        format!("--metadata-ip={}", imds.ip()),
        format!("--metadata-port={}", imds.port()),
        format!("--authority={}", sim.entra_url()),
        format!("--ca-file={}", ca.display()),
    ]
}
