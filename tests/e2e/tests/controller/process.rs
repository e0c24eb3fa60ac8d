//! The controller as a process of its own.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use podgate_testkit::{AzureSim, Client, free_port};
use tokio::time::{Instant, sleep};

/// Ends of processes: longer than any leave-taking.
const END: Duration = Duration::from_secs(30);
/// Becomes its arguments, unless this test is no longer its parent.
const WHILE_OWNED: &str = r#"[ "$PPID" = "$0" ] && exec "$@""#;

/// What a controller of these tests is told unless a test says otherwise.
const USUAL: [&str; 4] = [
    // The old controller's default, in which the scenarios are written.
    "--forceNamespaced=false",
    "--removal-linger=300ms",
    "--coalesce=50ms",
    "--log=info,podgate_controller=debug",
];

/// Where a controller finds its world.
pub(crate) struct World<'a> {
    pub(crate) sim: &'a AzureSim,
    pub(crate) kubeconfig: &'a Path,
    /// azure.json
    pub(crate) cloud: &'a Path,
    pub(crate) ca: &'a Path,
    /// `--leader-election-instance`
    pub(crate) instance: &'a str,
}

/// A running controller. It ends with this object, at once.
pub(crate) struct Controller {
    probe: SocketAddr,
    metrics: SocketAddr,
    child: Child,
}

/// The argument list, in one place.
fn arguments(world: &World<'_>, probe: u16, metrics: u16, flags: &[&str]) -> Vec<String> {
    let imds = world.sim.imds_addr();
    let mut arguments = vec![
        format!("--kubeconfig={}", world.kubeconfig.display()),
        format!("--cloudconfig={}", world.cloud.display()),
        format!("--ca-file={}", world.ca.display()),
        format!("--arm-url={}", world.sim.arm_url()),
        format!("--authority={}", world.sim.entra_url()),
        format!("--metadata-ip={}", imds.ip()),
        format!("--metadata-port={}", imds.port()),
        format!("--leader-election-instance={}", world.instance),
        "--admin-address=127.0.0.1".to_owned(),
        format!("--http-probe-port={probe}"),
        format!("--prometheus-port={metrics}"),
    ];
    let name = |flag: &str| flag.split('=').next().unwrap_or_default().to_owned();
    let given: Vec<String> = flags.iter().map(|flag| name(flag)).collect();
    let usual = USUAL.iter().filter(|flag| !given.contains(&name(flag)));
    arguments.extend(usual.chain(flags).map(|flag| (*flag).to_owned()));
    arguments
}

/// Beside this program: cargo puts all programs of a profile into one folder.
fn binary() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let folder = this.parent().and_then(Path::parent).unwrap();
    let binary = folder.join("podgate-controller");
    assert!(
        binary.exists(),
        "{} is not there; build it with `cargo build -p podgate-controller`",
        binary.display()
    );
    binary
}

impl Controller {
    /// Starts one. It need not be ready when this returns. To be called from the test's own thread: the kernel kills
    /// the process when the thread that started it ends.
    pub(crate) fn spawn(world: &World<'_>, log: &Path, flags: &[&str]) -> Self {
        let (probe, metrics) = (free_port(), free_port());
        let log = File::options().create(true).append(true).open(log).unwrap();
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--", "sh", "-c", WHILE_OWNED])
            .arg(std::process::id().to_string())
            .arg(binary())
            .args(arguments(world, probe, metrics, flags))
            // What may be set here is none of the test's.
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self {
            probe: at(probe),
            metrics: at(metrics),
            child,
        }
    }

    /// What `/healthz` says; nothing while it cannot be asked.
    pub(crate) async fn health(&self) -> Option<String> {
        let client = Client::new(self.probe).deadline(Duration::from_secs(1));
        let host = self.probe.to_string();
        let answer = client.get("/healthz", &[("Host", &host)]).await.ok()?;
        assert_eq!(answer.status, 200, "{}", answer.text());
        Some(answer.text().trim().to_owned())
    }

    /// Whether it says that it is the one that writes.
    pub(crate) async fn is_active(&self) -> bool {
        self.health().await.as_deref() == Some("Active")
    }

    pub(crate) async fn metrics(&self) -> String {
        let client = Client::new(self.metrics);
        let host = self.metrics.to_string();
        let answer = client.get("/metrics", &[("Host", &host)]).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text().to_string()
    }

    /// `STOP`, `CONT`, `TERM`, `KILL`.
    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &id]).status();
        assert!(sent.unwrap().success(), "kill -s {signal}");
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Ends it as Kubernetes does, and waits.
    pub(crate) async fn stop(mut self) -> ExitStatus {
        self.signal("TERM");
        let begun = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(begun.elapsed() < END, "it does not end");
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Ends it as the kernel does when memory runs out.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// A figure of `/proc/PID/status`, in KiB: `VmRSS`, `VmHWM`.
    pub(crate) fn memory(&self, figure: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = text.lines().find(|line| line.starts_with(figure)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// What it has used of the processors.
    pub(crate) fn cpu(&self) -> Duration {
        const TICK: Duration = Duration::from_millis(10);
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let (_, fields) = text.rsplit_once(')').unwrap();
        let ticks =
            |at: usize| -> u32 { fields.split_whitespace().nth(at).unwrap().parse().unwrap() };
        TICK * (ticks(11) + ticks(12))
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
