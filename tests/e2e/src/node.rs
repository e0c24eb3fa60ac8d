//! A node in network namespaces: real firewall rules, a real API server, pods that are namespaces, and
//! azure-sim where the metadata address is on Azure: behind the node's uplink.
//!
//! ```text
//!  pod ──169.254.169.254──▶ node: nftables ─▶ gateway (uid 65532, no capabilities) ──▶ network: azure-sim
//!                                    └ watches the API server ────────────────────▶ network: kube-apiserver
//! ```
//! What reaches azure-sim from a pod's own address did not go through the gateway: a leak.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use podgate_testkit::netns::{METADATA, NETWORK, Namespace, Node, PodNetwork};
use podgate_testkit::{Answer, AzureSim, Call, Client, ControlPlane, SimConfig, Target};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::demo;
use crate::load::Inside;

mod objects;
mod process;
mod report;

pub use objects::{PodObject, apply};
pub use process::{InNode, Watch};
pub use report::{Case, Outcome, Report, percentiles};

/// The name of the node.
pub const NODE_NAME: &str = "node1";
/// Where the gateway listens: an address that only redirected connections reach.
pub const LISTENER: SocketAddr =
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(169, 254, 170, 24)), 2579);
/// Who the gateway is to the API server.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:podgate:podgate-gateway";
/// The addresses of pods.
const PODS: [u8; 3] = [10, 50, 0];

/// The node, the network and what runs there. Made on a thread that is in the network's namespace.
pub struct NodeStage {
    /// IMDS on the metadata address, and Entra ID.
    pub sim: AzureSim,
    /// etcd and kube-apiserver.
    pub control: ControlPlane,
    /// With every right.
    pub kube: kube::Client,
    /// The node.
    pub node: Node,
    runtime: Runtime,
    folder: TempDir,
    /// The rules as they were when they first were complete.
    rules: OnceLock<String>,
}

/// A pod: an object of the API server, and a network namespace.
pub struct RunningPod {
    /// As it was created.
    pub object: PodObject,
    /// Its network.
    pub network: PodNetwork,
}

impl NodeStage {
    /// The network's side, the node without any of podgate's processes, and the objects of `examples/standalone`
    /// but for its pods.
    pub fn new(network: &Namespace) -> Result<Self> {
        let runtime = Runtime::new()?;
        let node = Node::new(network)?;
        let folder = tempfile::tempdir()?;
        let (sim, control, kube) = runtime.block_on(async {
            let sim = AzureSim::start(directory()?).await?;
            let control = ControlPlane::listening(NETWORK.into()).await?;
            control.apply_crds().await?;
            let kube = control.client().await?;
            objects::cast(&kube).await?;
            anyhow::Ok((sim, control, kube))
        })?;
        let stage = Self {
            sim,
            control,
            kube,
            node,
            runtime,
            folder,
            rules: OnceLock::new(),
        };
        stage.open_folder()?;
        std::fs::write(stage.file("ca.pem"), stage.sim.ca_pem())?;
        let kubeconfig = stage
            .control
            .kubeconfig_for(SERVICE_ACCOUNT, "system:serviceaccounts")?;
        std::fs::write(stage.file("gateway.kubeconfig"), kubeconfig)?;
        Ok(stage)
    }

    /// The gateway's own user reads its settings here.
    fn open_folder(&self) -> Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(self.folder.path(), open).context("the stage's folder")
    }

    /// A path in the stage's folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs something of the network's side to its end.
    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Runs in the background of the network's side.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(work);
    }

    /// A pod: its object with its address, and its network.
    pub fn pod(&mut self, object: PodObject) -> Result<RunningPod> {
        let network = self.node.pod(object.ip)?;
        self.block_on(object.create(&self.kube))?;
        Ok(RunningPod { object, network })
    }

    /// A pod that the API server does not know.
    pub fn network_only(&mut self, object: PodObject) -> Result<RunningPod> {
        let network = self.node.pod(object.ip)?;
        Ok(RunningPod { object, network })
    }

    /// Waits until `intercept` has said that the rules are in, and remembers them.
    pub fn rules_in(&self) -> Result<()> {
        let good = || self.intercept("check", &[]).is_ok_and(|(good, _)| good);
        self.until("the rules are in", Duration::from_secs(15), good)?;
        self.rules
            .get_or_init(|| self.listed_rules().unwrap_or_default());
        ensure!(
            self.rules_complete(),
            "the rules are not what they were the first time"
        );
        Ok(())
    }

    /// Whether the node's table is what it was when it first was complete: nft's own word, not podgate's.
    pub fn rules_complete(&self) -> bool {
        self.listed_rules()
            .is_ok_and(|rules| Some(&rules) == self.rules.get())
    }

    fn listed_rules(&self) -> Result<String> {
        // Stateless: without the counters.
        Ok(self
            .node
            .namespace
            .run("nft --stateless list table inet podgate")?)
    }

    /// The pod's end: object and network. The address is free again.
    pub fn delete(&self, pod: RunningPod) -> Result<()> {
        self.block_on(pod.object.delete(&self.kube))
    }

    /// The calls to the metadata service that came from a pod past the gateway.
    pub fn leaks(&self) -> Vec<Call> {
        let from_pod =
            |call: &Call| matches!(call.peer.ip(), IpAddr::V4(ip) if ip.octets()[..3] == PODS);
        let calls = self.sim.calls_to(Target::Imds).into_iter();
        calls.filter(from_pod).collect()
    }

    /// Waits until `condition` holds, and says how long that took.
    pub fn until(
        &self,
        what: &str,
        limit: Duration,
        condition: impl Fn() -> bool,
    ) -> Result<Duration> {
        let start = Instant::now();
        while !condition() {
            ensure!(start.elapsed() < limit, "{what}: not within {limit:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(start.elapsed())
    }

    /// The token itself, verified by azure-sim's keys.
    pub fn client_id(&self, answer: &Answer) -> Result<String> {
        ensure!(answer.status == 200, "{}: {}", answer.status, answer.text());
        let json = answer.json();
        let token = json["access_token"].as_str().context("access_token")?;
        Ok(self.sim.verify(token)?.appid)
    }
}

impl RunningPod {
    /// A request for a token, as curl would make it, on a connection of its own.
    pub fn token(&self, query: &str) -> Result<Answer> {
        let path = format!("/metadata/identity/oauth2/token?api-version=2018-02-01&{query}");
        self.get(&path)
    }

    /// Any request to the metadata address.
    pub fn get(&self, path: &str) -> Result<Answer> {
        let metadata = SocketAddr::new(METADATA.into(), 80);
        self.get_from(metadata, path)
    }

    /// A request to any address.
    pub fn get_from(&self, target: SocketAddr, path: &str) -> Result<Answer> {
        let client = Client::new(target).deadline(Duration::from_secs(30));
        Ok(self.within(async move {
            let headers = [("Metadata", "true"), ("Host", "169.254.169.254")];
            client.get(path, &headers).await
        })??)
    }
}

impl Inside for RunningPod {
    fn within<T: Send>(&self, work: impl Future<Output = T> + Send) -> Result<T> {
        let run = || -> Result<T> {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            Ok(runtime.block_on(work))
        };
        self.network.namespace.within(run)?
    }
}

/// The demo's identities, IMDS on the metadata address, Entra ID on the network's.
fn directory() -> Result<SimConfig> {
    Ok(SimConfig {
        imds_listen: SocketAddr::new(METADATA.into(), 80),
        entra_listen: SocketAddr::new(NETWORK.into(), 0),
        arm_listen: SocketAddr::new(NETWORK.into(), 0),
        ..demo::directory()?
    })
}
