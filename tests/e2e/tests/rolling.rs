//! One gateway takes over from another under load, and nobody notices.
#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

#[path = "rolling/load.rs"]
mod load;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use load::{Failure, Load, Pace};
use podgate_e2e::demo;
use podgate_e2e::process::GatewayProcess;
use podgate_e2e::stage::arguments;
use podgate_testkit::{AzureSim, Client, free_port};
use tempfile::TempDir;

/// The pod that asks: the threads of the load have no address of their own.
const CROWD: &str = "apiVersion: v1\nkind: Pod\nmetadata: { name: crowd, namespace: shop, labels: { aadpodidbinding: web } }\n\
     status: { phase: Running, podIP: 127.0.0.1 }\n";
/// A test that gets here has failed.
const LONG: Duration = Duration::from_secs(60);

/// What gateways share: azure-sim, a folder of manifests, a port, and compiled plugins.
struct Ground {
    sim: AzureSim,
    folder: TempDir,
    port: u16,
}

impl Ground {
    async fn lay() -> Self {
        let sim = AzureSim::start(demo::directory().unwrap()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        demo::lay_out(&folder.path().join("pods")).unwrap();
        std::fs::write(folder.path().join("pods/crowd.yaml"), CROWD).unwrap();
        std::fs::write(folder.path().join("ca.pem"), sim.ca_pem()).unwrap();
        let port = free_port();
        Self { sim, folder, port }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// A gateway on the port, ready.
    async fn gateway(&self) -> GatewayProcess {
        let mut flags = arguments(&self.sim, &self.path("pods"), &self.path("ca.pem"));
        flags.extend([
            "--operation-mode=managed".to_owned(),
            "--share-port".to_owned(),
            format!("--nmi-port={}", self.port),
            "--http-probe-port=0".to_owned(),
            format!("--code-cache={}", self.path("code").display()),
            "--log=warn".to_owned(),
        ]);
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path("log"))
            .unwrap();
        let gateway = GatewayProcess::start(&flags, Stdio::from(log)).await;
        let gateway = gateway.unwrap_or_else(|why| panic!("{why:#}\n{}", self.log()));
        self.until_ready(&gateway).await;
        gateway
    }

    async fn until_ready(&self, gateway: &GatewayProcess) {
        let start = Instant::now();
        let admin = Client::new(gateway.admin);
        while admin
            .get("/readyz", &[])
            .await
            .map_or(0, |answer| answer.status)
            != 200
        {
            assert!(start.elapsed() < LONG, "never ready\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }
}

/// New connections per request and kept ones, some of them used all the time and some now and then.
fn crowd(address: SocketAddr) -> Load {
    let often = Duration::from_micros(1500);
    let rarely = Duration::from_millis(700);
    Load::start(
        address,
        &[
            Pace::anew(often),
            Pace::anew(often),
            Pace::kept(often),
            Pace::kept(often),
            Pace::kept(rarely),
        ],
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_updates_and_ten_rollbacks_under_load_fail_no_request() {
    let ground = Ground::lay().await;
    let mut serving = ground.gateway().await;
    let load = crowd(ground.address());
    for _ in 0..10 {
        let newer = ground.gateway().await;
        std::mem::replace(&mut serving, newer).stop().await.unwrap();
    }
    for _ in 0..10 {
        ground.gateway().await.stop().await.unwrap();
    }
    let outcome = load.stop();
    serving.stop().await.unwrap();
    println!("{outcome}");
    let log = ground.log();
    assert!(outcome.failures.is_empty(), "{outcome}\n{log}");
    assert!(
        outcome.anew > 500 && outcome.kept > 500,
        "too little load: {outcome}"
    );
    assert!(!log.contains("connections may be lost"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_gateways_one_that_is_killed_takes_only_its_own_connections_with_it() {
    let ground = Ground::lay().await;
    let older = ground.gateway().await;
    let newer = ground.gateway().await;
    let load = crowd(ground.address());
    tokio::time::sleep(Duration::from_millis(500)).await;
    let killed = Instant::now();
    signal("-9", older.pid);
    // A process is dead, and its sockets are closed, when it can be waited for: its first thread may go before the rest.
    older.stop().await.unwrap();
    let dead = Instant::now();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let outcome = load.stop();
    println!("{outcome}");
    // While it dies its queue still takes connections, so a client may fail more than once; before and after none does.
    let others = |failure: &&Failure| failure.ended < killed || failure.connected > dead;
    assert_eq!(
        outcome.failures.iter().filter(others).count(),
        0,
        "{outcome}"
    );
    assert!(
        !outcome.failures.is_empty(),
        "it had no connection: {outcome}"
    );
    newer.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once() {
    let ground = Ground::lay().await;
    let gateway = ground.gateway().await;
    // A connection in the middle of a request's head: it would hold up the end for the whole drain.
    let mut open = std::net::TcpStream::connect(ground.address()).unwrap();
    std::io::Write::write_all(&mut open, b"GET / HTTP/1.1\r\n").unwrap();
    let start = Instant::now();
    signal("-15", gateway.pid);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!is_dead(gateway.pid), "it does not drain");
    gateway.stop().await.unwrap();
    // Less than the linger alone.
    assert!(
        start.elapsed() < Duration::from_millis(2500),
        "{:?}",
        start.elapsed()
    );
}

fn signal(name: &str, pid: u32) {
    let sent = std::process::Command::new("kill")
        .args([name, &pid.to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// Gone, or a zombie.
fn is_dead(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_none_or(|(_, state)| state.starts_with('Z'))
}
