//! podgate's processes on the node, each as the chart runs it.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use podgate_testkit::netns::METADATA;
use podgate_testkit::{Answer, Client};

use super::{LISTENER, NODE_NAME, NodeStage};
use crate::process::binary;

/// The user of the server: nobody else's, and without any right.
const GATEWAY_UID: u32 = 65532;
/// Ends of processes: longer than the drain.
const END: Duration = Duration::from_secs(40);

/// A process of the node. It ends with this object, at once.
pub struct InNode {
    child: Child,
    /// Where its log goes.
    pub log: std::path::PathBuf,
    /// The port of health and metrics, on the node's loopback.
    pub probe: u16,
}

/// `intercept watch`, which holds the rules.
pub type Watch = InNode;

impl NodeStage {
    /// A gateway: non-root, no capabilities, no way to gain any; ready when this returns.
    pub fn gateway(&self, probe: u16, flags: &[&str]) -> Result<InNode> {
        let gateway = self.start_gateway(probe, flags)?;
        self.ready(&gateway)?;
        Ok(gateway)
    }

    /// The same without the wait.
    pub fn start_gateway(&self, probe: u16, flags: &[&str]) -> Result<InNode> {
        let mut command = self.command("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--no-new-privs", "--clear-groups"])
            .args([
                format!("--reuid={GATEWAY_UID}"),
                format!("--regid={GATEWAY_UID}"),
            ])
            .args(["--bounding-set=-all", "--inh-caps=-all", "--"])
            .arg(binary("podgate-gateway")?)
            .args(self.gateway_arguments(probe))
            .args(flags);
        self.spawn_logged(&format!("gateway-{probe}"), probe, command)
    }

    fn gateway_arguments(&self, probe: u16) -> Vec<String> {
        vec![
            format!("--node={NODE_NAME}"),
            format!("--kubeconfig={}", self.file("gateway.kubeconfig").display()),
            format!("--nmi-listen-address={}", LISTENER.ip()),
            format!("--nmi-port={}", LISTENER.port()),
            format!("--http-probe-port={probe}"),
            format!("--authority={}", self.sim.entra_url()),
            format!("--ca-file={}", self.file("ca.pem").display()),
            "--log-format=json".to_owned(),
        ]
    }

    /// Waits for `/readyz`.
    pub fn ready(&self, gateway: &InNode) -> Result<()> {
        let ready = || {
            self.admin(gateway.probe, "/readyz")
                .is_ok_and(|answer| answer.status == 200)
        };
        self.until("the gateway is ready", Duration::from_secs(60), ready)
            .with_context(|| gateway.tail())?;
        Ok(())
    }

    /// A page of a gateway's admin port.
    pub fn admin(&self, probe: u16, path: &str) -> Result<Answer> {
        let client = Client::new(([127, 0, 0, 1], probe).into()).deadline(Duration::from_secs(2));
        let ask = || -> Result<Answer> {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let host = format!("127.0.0.1:{probe}");
            Ok(runtime.block_on(client.get(path, &[("Host", &host)]))?)
        };
        self.node.namespace.within(ask)?
    }

    /// `podgate-gateway intercept …` to its end; its status and what it wrote.
    pub fn intercept(&self, action: &str, flags: &[&str]) -> Result<(bool, String)> {
        let mut command = self.interception(action, flags)?;
        let output = command.stdin(Stdio::null()).output()?;
        let text = [output.stdout, output.stderr].concat();
        Ok((
            output.status.success(),
            String::from_utf8_lossy(&text).into_owned(),
        ))
    }

    /// `podgate-gateway intercept watch`, in the background.
    pub fn watch(&self, flags: &[&str]) -> Result<Watch> {
        let command = self.interception("watch", flags)?;
        self.spawn_logged("intercept", 0, command)
    }

    /// With the one capability that it needs.
    fn interception(&self, action: &str, flags: &[&str]) -> Result<Command> {
        let mut command = self.command("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--no-new-privs"])
            .args(["--bounding-set=-all,+net_admin,+net_raw", "--"])
            .arg(binary("podgate-gateway")?)
            .args(["intercept", action])
            .args([
                format!("--metadata-ip={METADATA}"),
                "--backend=nftables".to_owned(),
            ])
            .args([
                format!("--listen-address={}", LISTENER.ip()),
                format!("--listen-port={}", LISTENER.port()),
            ])
            .args(flags);
        Ok(command)
    }

    fn command(&self, program: &str) -> Command {
        self.node.namespace.command(program)
    }

    fn spawn_logged(&self, name: &str, probe: u16, mut command: Command) -> Result<InNode> {
        let log = self.file(&format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log)?;
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file);
        let child = command.spawn().with_context(|| format!("{command:?}"))?;
        Ok(InNode { child, log, probe })
    }
}

impl InNode {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, as Kubernetes does, and does not wait.
    pub fn terminate(&self) -> Result<()> {
        let status = Command::new("kill").arg(self.pid().to_string()).status()?;
        ensure!(status.success(), "kill: {status}");
        Ok(())
    }

    /// Waits for its own end, which must be a clean one.
    pub fn ended(mut self) -> Result<()> {
        let start = std::time::Instant::now();
        loop {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => {
                    anyhow::bail!("{status:?} (signal {:?})\n{}", status.signal(), self.tail())
                }
                None => ensure!(start.elapsed() < END, "it does not end\n{}", self.tail()),
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// SIGKILL: what a crash looks like.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// The end of its log.
    pub fn tail(&self) -> String {
        tail(&self.log)
    }
}

impl Drop for InNode {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
