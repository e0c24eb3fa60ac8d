//! Cached tokens with all three plugins on, beside a bare hyper server with the same bytes.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::ensure;
use podgate_testkit::{AzureSim, Client};

use super::bare::Bare;
use super::load::{Load, Outcome, REQUEST};
use super::proc;
use super::report::Report;
use crate::process::GatewayProcess;
use crate::{demo, stage};

/// One server's figures.
struct Measured {
    cpu_us: f64,
    few: Outcome,
    many: Outcome,
    half: Outcome,
}

/// The pod that asks: `shop/web` of the demo.
const POD: &str = "127.0.0.2";

/// Measures the gateway, the floor, and a foreign server if there is one.
pub async fn measure(
    report: &mut Report,
    length: Duration,
    foreign: Option<(SocketAddr, u32)>,
) -> anyhow::Result<()> {
    let sim = AzureSim::start(demo::directory()?).await?;
    let folder = tempfile::tempdir()?;
    let pods = folder.path().join("pods");
    demo::lay_out(&pods)?;
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
    let gateway = GatewayProcess::start(&flags, Stdio::null()).await?;
    let body = folder.path().join("body.json");
    std::fs::write(&body, answer(gateway.address).await?)?;
    let bare = Bare::start(&body).await?;

    let floor = server(bare.address, bare.pid, length).await?;
    let ours = server(gateway.address, gateway.pid, length).await?;
    add(report, "bare hyper", &floor, None);
    add(report, "gateway", &ours, Some(&floor));
    if let Some((address, pid)) = foreign {
        let theirs = server(address, pid, length).await?;
        add(report, "foreign server", &theirs, Some(&floor));
    }
    gateway.stop().await
}

/// The answer that the floor will serve; the gateway may still be starting.
async fn answer(gateway: SocketAddr) -> anyhow::Result<Vec<u8>> {
    for _ in 0..500 {
        let answer = Client::new(gateway)
            .from_source(POD.parse()?)
            .send(REQUEST)
            .await?;
        if answer.status == 200 {
            return Ok(answer.body.to_vec());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    ensure!(false, "the gateway gives no token");
    Ok(Vec::new())
}

async fn server(target: SocketAddr, pid: u32, length: Duration) -> anyhow::Result<Measured> {
    let load = |connections, length, rate| Load {
        target,
        source: std::net::IpAddr::from([127, 0, 0, 2]),
        connections,
        length,
        rate,
    };
    load(16, Duration::from_secs(1), None).run().await?;
    let before = proc::cpu(pid)?;
    let few = load(16, length, None).run().await?;
    let cpu = proc::cpu(pid)?.saturating_sub(before);
    let many = load(64, length, None).run().await?;
    let half = load(16, length, Some(few.per_second() / 2.0)).run().await?;
    let cpu_us = cpu.as_secs_f64() * 1e6 / few.requests as f64;
    Ok(Measured {
        cpu_us,
        few,
        many,
        half,
    })
}

fn add(report: &mut Report, subject: &str, measured: &Measured, floor: Option<&Measured>) {
    let ours = subject == "gateway";
    let figure = report.add(
        "CPU per cached token, 16 connections",
        subject,
        measured.cpu_us,
        "µs",
    );
    if let Some(floor) = floor {
        figure.against("bare hyper", floor.cpu_us);
    }
    if ours {
        figure.budget("aim 1.25 ×, must 1.5 ×");
    }
    let figure = report.add(
        "cached tokens, 64 connections",
        subject,
        measured.many.per_second(),
        "/s",
    );
    if let Some(floor) = floor {
        figure.against("bare hyper", floor.many.per_second());
    }
    if ours {
        figure.budget("aim 0.8 ×, must 0.65 ×");
    }
    report.add(
        "latency p50, full load, 16 connections",
        subject,
        measured.few.percentile(0.5),
        "µs",
    );
    report.add(
        "latency p99, full load, 16 connections",
        subject,
        measured.few.percentile(0.99),
        "µs",
    );
    let figure = report.add(
        "latency p99, half load",
        subject,
        measured.half.percentile(0.99),
        "µs",
    );
    if ours {
        figure.budget("1000 µs");
    }
}
