//! Cached tokens with all three plugins on, beside a bare hyper server with the same bytes.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::ensure;
use podgate_testkit::{AzureSim, Client};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::bare::Bare;
use super::containment::guests::Guests;
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
    /// Of those that have budgets for it.
    many_per_second: Option<f64>,
    half_p99_us: Option<f64>,
}

/// A server under measurement.
struct Server {
    subject: &'static str,
    address: SocketAddr,
    pid: u32,
    /// Whether it is measured at many connections and at half load as well.
    fully: bool,
    rounds: Vec<Measured>,
}

/// Rounds go from server to server, so that whatever else the machine does meets all of them alike.
const ROUNDS: usize = 3;

/// The one with a budget: as it is without a plugins file.
const GATEWAY: &str = "gateway";

/// The pod that asks: `shop/web` of the demo.
const POD: &str = "127.0.0.2";

/// Chains of other lengths: whose gateway, how many policies, and whether they are asked for each request.
const CHAINS: [(&str, usize, bool); 4] = [
    ("3 policies", 3, false),
    ("10 policies", 10, false),
    ("1 policy asked each time", 1, true),
    ("10 asked each time", 10, true),
];

/// azure-sim and a folder with what gateways need.
struct Ground {
    sim: AzureSim,
    folder: TempDir,
}

/// Measures the gateway, the floor, gateways with other chains, and a foreign server if there is one.
pub async fn measure(
    report: &mut Report,
    length: Duration,
    foreign: Option<(SocketAddr, u32)>,
    guests: &Guests,
) -> anyhow::Result<()> {
    let ground = Ground::lay().await?;
    let gateway = ground.gateway(None).await?;
    let bare = ground.bare(&gateway).await?;
    let mut servers = vec![
        Server::new("bare hyper", bare.address, bare.pid),
        Server::new(GATEWAY, gateway.address, gateway.pid),
    ];
    let mut chains = Vec::new();
    for (subject, policies, asked) in CHAINS {
        let chain = ground.gateway(Some(chain(guests, policies, asked))).await?;
        servers.push(Server {
            fully: false,
            ..Server::new(subject, chain.address, chain.pid)
        });
        chains.push(chain);
    }
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

/// A plugins file with so many policies and the other built-in plugins.
fn chain(guests: &Guests, policies: usize, asked: bool) -> String {
    let built_in = |name: &str, of: &str, grants: Value| json!({"name": name, "component": {"builtin": of}, "grants": grants});
    let policy = |number: usize| match (number, asked) {
        (0, false) => built_in("policy0", "exception-matcher", json!({"bypass": true})),
        (number, false) => built_in(&format!("policy{number}"), "exception-matcher", json!({})),
        (number, true) => guests.healthy(&format!("policy{number}")),
    };
    json!({"policy": (0..policies).map(policy).collect::<Vec<_>>(),
        "credential": [built_in("certificate-auth", "certificate-auth", json!({"clock": true}))],
        "cache": [built_in("token-cache", "token-cache", json!({}))]})
    .to_string()
}

impl Ground {
    async fn lay() -> anyhow::Result<Self> {
        let sim = AzureSim::start(demo::directory()?).await?;
        let folder = tempfile::tempdir()?;
        demo::lay_out(&folder.path().join("pods"))?;
        std::fs::write(folder.path().join("ca.pem"), sim.ca_pem())?;
        Ok(Self { sim, folder })
    }

    /// With this plugins file, or without any, and with its first token.
    async fn gateway(&self, plugins: Option<String>) -> anyhow::Result<GatewayProcess> {
        let path = |name: &str| self.folder.path().join(name);
        let mut flags = stage::arguments(&self.sim, &path("pods"), &path("ca.pem"));
        flags.extend(
            [
                "--operation-mode=managed",
                "--nmi-port=0",
                "--http-probe-port=0",
            ]
            .map(str::to_owned),
        );
        if let Some(plugins) = plugins {
            let file = tempfile::NamedTempFile::new_in(self.folder.path())?;
            std::fs::write(file.path(), plugins)?;
            flags.push(format!("--plugins={}", file.keep()?.1.display()));
        }
        let gateway = GatewayProcess::start(&flags, Stdio::null()).await?;
        answer(gateway.address).await?;
        Ok(gateway)
    }

    /// The floor, with the answer of this gateway.
    async fn bare(&self, gateway: &GatewayProcess) -> anyhow::Result<Bare> {
        let body = self.folder.path().join("body.json");
        std::fs::write(&body, answer(gateway.address).await?)?;
        Bare::start(&body).await
    }
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
            fully: true,
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
        let (mut many, mut half) = (None, None);
        if self.fully {
            many = Some(load(64, length, None).run().await?);
            let rate = few.per_second() / 2.0;
            half = Some(load(16, length, Some(rate)).run().await?);
        }
        self.rounds.push(Measured {
            cpu_us: cpu.as_secs_f64() * 1e6 / few.requests as f64,
            p50_us: few.percentile(0.5),
            p99_us: few.percentile(0.99),
            many_per_second: many.map(|many| many.per_second()),
            half_p99_us: half.map(|half| half.percentile(0.99)),
        });
        Ok(())
    }

    fn median(&self) -> Measured {
        let middle = |figure: fn(&Measured) -> Option<f64>| {
            let mut figures: Vec<f64> = self.rounds.iter().filter_map(figure).collect();
            figures.sort_by(f64::total_cmp);
            figures.get(figures.len() / 2).copied()
        };
        let of = |figure| middle(figure).unwrap_or_default();
        Measured {
            cpu_us: of(|round| Some(round.cpu_us)),
            p50_us: of(|round| Some(round.p50_us)),
            p99_us: of(|round| Some(round.p99_us)),
            many_per_second: middle(|round| round.many_per_second),
            half_p99_us: middle(|round| round.half_p99_us),
        }
    }
}

/// A figure of a server, where it has one.
type Of = fn(&Measured) -> Option<f64>;

/// What is told of each server, with its unit and the gateway's budget.
const LINES: [(&str, Of, &str, Option<&str>); 5] = [
    (
        "CPU per cached token, 16 connections",
        |measured| Some(measured.cpu_us),
        "µs",
        Some("aim 1.25 ×, must 1.5 ×"),
    ),
    (
        "cached tokens, 64 connections",
        |measured| measured.many_per_second,
        "/s",
        Some("aim 0.8 ×, must 0.65 ×"),
    ),
    (
        "latency p50, full load, 16 connections",
        |measured| Some(measured.p50_us),
        "µs",
        None,
    ),
    (
        "latency p99, full load, 16 connections",
        |measured| Some(measured.p99_us),
        "µs",
        None,
    ),
    (
        "latency p99, half load",
        |measured| measured.half_p99_us,
        "µs",
        Some("1000 µs"),
    ),
];

fn add(report: &mut Report, server: &Server, measured: &Measured, floor: Option<&Measured>) {
    for (what, of, unit, budget) in LINES {
        let Some(value) = of(measured) else { continue };
        let figure = report.add(what, server.subject, value, unit);
        if let Some(floor) = floor.and_then(of) {
            figure.against("bare hyper", floor);
        }
        figure.budget = budget.filter(|_| server.subject == GATEWAY);
    }
}
