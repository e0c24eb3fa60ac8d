//! Cached tokens with all three plugins on, beside a bare hyper server with the same bytes.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::ensure;
use podgate_testkit::{AzureSim, Client};

use super::bare::Bare;
use super::load::{Load, REQUEST};
use super::proc;
use super::report::Report;
use crate::process::GatewayProcess;
use crate::{demo, stage};

/// One server's figures, the median of the rounds each.
struct Measured {
    cpu_us: f64,
    p50_us: f64,
    p99_us: f64,
    many_per_second: f64,
    half_p99_us: f64,
}

/// A server under measurement.
struct Server {
    subject: &'static str,
    address: SocketAddr,
    pid: u32,
    rounds: Vec<Measured>,
}

/// Rounds go from server to server, so that whatever else the machine does meets all of them alike.
const ROUNDS: usize = 3;

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

    let mut servers = vec![
        Server::new("bare hyper", bare.address, bare.pid),
        Server::new("gateway", gateway.address, gateway.pid),
    ];
    servers.extend(foreign.map(|(address, pid)| Server::new("foreign server", address, pid)));
    for _ in 0..ROUNDS {
        for server in &mut servers {
            server.round(length).await?;
        }
    }
    let floor = servers[0].median();
    add(report, &servers[0], &floor, None);
    for server in &servers[1..] {
        add(report, server, &server.median(), Some(&floor));
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

impl Server {
    fn new(subject: &'static str, address: SocketAddr, pid: u32) -> Self {
        Self {
            subject,
            address,
            pid,
            rounds: Vec::new(),
        }
    }

    async fn round(&mut self, length: Duration) -> anyhow::Result<()> {
        let load = |connections, length, rate| Load {
            target: self.address,
            source: std::net::IpAddr::from([127, 0, 0, 2]),
            connections,
            length,
            rate,
        };
        load(16, Duration::from_millis(500), None).run().await?;
        let before = proc::cpu(self.pid)?;
        let few = load(16, length, None).run().await?;
        let cpu = proc::cpu(self.pid)?.saturating_sub(before);
        let many = load(64, length, None).run().await?;
        let half = load(16, length, Some(few.per_second() / 2.0)).run().await?;
        self.rounds.push(Measured {
            cpu_us: cpu.as_secs_f64() * 1e6 / few.requests as f64,
            p50_us: few.percentile(0.5),
            p99_us: few.percentile(0.99),
            many_per_second: many.per_second(),
            half_p99_us: half.percentile(0.99),
        });
        Ok(())
    }

    fn median(&self) -> Measured {
        let of = |figure: fn(&Measured) -> f64| {
            let mut figures: Vec<f64> = self.rounds.iter().map(figure).collect();
            figures.sort_by(f64::total_cmp);
            figures[figures.len() / 2]
        };
        Measured {
            cpu_us: of(|round| round.cpu_us),
            p50_us: of(|round| round.p50_us),
            p99_us: of(|round| round.p99_us),
            many_per_second: of(|round| round.many_per_second),
            half_p99_us: of(|round| round.half_p99_us),
        }
    }
}

fn add(report: &mut Report, server: &Server, measured: &Measured, floor: Option<&Measured>) {
    let subject = server.subject;
    let ours = subject == "gateway";
    let mut line = |what, of: fn(&Measured) -> f64, unit, budget: Option<&'static str>| {
        let figure = report.add(what, subject, of(measured), unit);
        if let Some(floor) = floor {
            figure.against("bare hyper", of(floor));
        }
        if let Some(budget) = budget.filter(|_| ours) {
            figure.budget(budget);
        }
    };
    let cpu = "CPU per cached token, 16 connections";
    line(cpu, |m| m.cpu_us, "µs", Some("aim 1.25 ×, must 1.5 ×"));
    let many = "cached tokens, 64 connections";
    line(
        many,
        |m| m.many_per_second,
        "/s",
        Some("aim 0.8 ×, must 0.65 ×"),
    );
    line(
        "latency p50, full load, 16 connections",
        |m| m.p50_us,
        "µs",
        None,
    );
    line(
        "latency p99, full load, 16 connections",
        |m| m.p99_us,
        "µs",
        None,
    );
    line(
        "latency p99, half load",
        |m| m.half_p99_us,
        "µs",
        Some("1000 µs"),
    );
}
