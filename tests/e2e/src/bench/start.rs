//! Cold starts, and memory with 250 pods.

use std::fmt::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::ensure;
use podgate_testkit::{AzureSim, Client};

use super::proc;
use super::report::Report;
use crate::process::GatewayProcess;
use crate::{demo, stage};

/// What a node holds by default on AKS with Azure CNI.
const PODS: u8 = 250;

/// Measures.
pub async fn measure(report: &mut Report) -> anyhow::Result<()> {
    let sim = AzureSim::start(demo::directory()?).await?;
    let folder = tempfile::tempdir()?;
    let pods = folder.path().join("pods");
    demo::lay_out(&pods)?;
    std::fs::write(pods.join("many.yaml"), many())?;
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, sim.ca_pem())?;
    let mut flags = stage::arguments(&sim, &pods, &ca);
    flags.extend(
        [
            "--operation-mode=managed",
            "--nmi-port=0",
            "--http-probe-port=0",
        ]
        .map(str::to_owned),
    );

    let without = started(&flags, None).await?;
    let cache = folder.path().join("code");
    started(&flags, Some(&cache)).await?;
    let with = started(&flags, Some(&cache)).await?;
    report.add(
        "ready after start, plugins compiled",
        "gateway",
        millis(without.1),
        "ms",
    );
    report
        .add(
            "ready after start, code cache",
            "gateway",
            millis(with.1),
            "ms",
        )
        .against("without", millis(without.1))
        .budget("150 ms");
    memory(report, with.0).await
}

async fn memory(report: &mut Report, gateway: GatewayProcess) -> anyhow::Result<()> {
    for pod in 1..=PODS {
        let client = Client::new(gateway.address).from_source([127, 0, 1, pod].into());
        let path = format!("/metadata/identity/oauth2/token?resource=https://{pod}.example");
        let headers = [("Metadata", "true"), ("Host", "169.254.169.254")];
        let answer = client.get(&path, &headers).await?;
        ensure!(answer.status == 200, "{}", answer.text());
    }
    let rss = proc::rss(gateway.pid)? as f64 / 1024.0;
    report
        .add("RSS, 250 pods with a token each", "gateway", rss, "MiB")
        .budget("32 MiB");
    gateway.stop().await
}

/// A gateway and how long it took until it was ready.
async fn started(
    flags: &[String],
    cache: Option<&Path>,
) -> anyhow::Result<(GatewayProcess, Duration)> {
    let mut flags = flags.to_vec();
    flags.extend(cache.map(|cache| format!("--code-cache={}", cache.display())));
    let start = Instant::now();
    let gateway = GatewayProcess::start(&flags, Stdio::null()).await?;
    let host = gateway.admin.to_string();
    loop {
        let answer = Client::new(gateway.admin)
            .get("/readyz", &[("Host", &host)])
            .await?;
        if answer.status == 200 {
            return Ok((gateway, start.elapsed()));
        }
        ensure!(
            start.elapsed() < Duration::from_secs(60),
            "the gateway does not get ready"
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn many() -> String {
    let mut yaml = String::new();
    for pod in 1..=PODS {
        // Writing to a string cannot fail.
        let _ = write!(
            yaml,
            "---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: web-{pod}\n  namespace: shop\n  labels: {{ app: web, \
             aadpodidbinding: web }}\nstatus: {{ phase: Running, podIP: 127.0.1.{pod} }}\n"
        );
    }
    yaml
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
