//! A cluster of objects alone, the Azure that its nodes are in, and the controller between them.

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Event, Namespace, Node, Pod};
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use kube::{Client, Resource};
use podgate_api::{AzureIdentity, AzureIdentityBinding, BINDING_LABEL, assigned_name};
use podgate_testkit::{ArmSettings, AzureSim, ControlPlane, Fleet, FleetNode, SimConfig};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::world::Place;
use crate::bench::proc;
use crate::node::apply;
use crate::process::ControllerProcess;

/// Where the pods are, and their identities.
pub(super) const NAMESPACE: &str = "shop";
/// Requests under way together while objects are laid out.
const WORKERS: usize = 16;
/// Who the controller is to the API server, which puts its requests in one queue with all service accounts'.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:podgate:podgate-controller";
/// The old controller's name for it.
const LEASE: &str = "aad-pod-identity-mic";
/// What it does in the background takes less than a clock tick of processor time in so long.
const STILL: Duration = Duration::from_secs(1);
/// Events are written one after the other, and few per second.
const TOLD: Duration = Duration::from_secs(300);

/// All but the controller. It ends with this object.
pub(super) struct Stage {
    pub(super) kube: Client,
    pub(super) sim: AzureSim,
    nodes: Vec<FleetNode>,
    fleet: Fleet,
    plane: ControlPlane,
    folder: TempDir,
}

impl Stage {
    /// Nodes, and the rights of a controller. The first identity of the fleet is on every node.
    pub(super) async fn set(fleet: Fleet) -> Result<Self> {
        let fleet = fleet.assigned(1);
        let nodes = fleet.nodes();
        let sim = azure(&fleet, &nodes).await?;
        let plane = ControlPlane::start().await?;
        plane.apply_crds().await?;
        let stage = Self {
            kube: plane.client().await?,
            folder: tempfile::Builder::new()
                .prefix("podgate-bench-")
                .tempdir()?,
            sim,
            nodes,
            fleet,
            plane,
        };
        stage.furnish().await?;
        Ok(stage)
    }

    async fn furnish(&self) -> Result<()> {
        create_namespace(&self.kube, NAMESPACE).await?;
        apply(&self.kube, &rights()?).await?;
        // Where there is none, a controller waits as long as one lasts: somebody may have deleted it under its holder.
        let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"namespace": "default", "name": LEASE}, "spec": {}});
        let leases: Api<Lease> = Api::namespaced(self.kube.clone(), "default");
        create(&leases, lease).await?;
        std::fs::write(self.file("ca.pem"), self.sim.ca_pem())?;
        let kubeconfig = self
            .plane
            .kubeconfig_for(SERVICE_ACCOUNT, "system:serviceaccounts")?;
        std::fs::write(self.kubeconfig(), kubeconfig)?;
        let own = self.fleet.identity(0).client_id;
        let cloud = json!({"cloud": "AzurePublicCloud", "useManagedIdentityExtension": true, "userAssignedIdentityID": own});
        std::fs::write(self.file("azure.json"), cloud.to_string())?;
        let nodes: Api<Node> = Api::all(self.kube.clone());
        each(self.nodes.clone(), WORKERS, move |node| {
            let nodes = nodes.clone();
            let object = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node.name},
                "spec": {"providerID": node.provider_id}});
            async move { create(&nodes, object).await }
        })
        .await
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Of the controller's service account.
    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.file("controller.kubeconfig")
    }

    /// The first so many identities after the nodes' own, each with a binding of the same name to a selector of that name.
    pub(super) async fn cast(&self, count: usize) -> Result<()> {
        let identities: Api<AzureIdentity> = Api::namespaced(self.kube.clone(), NAMESPACE);
        let bindings: Api<AzureIdentityBinding> = Api::namespaced(self.kube.clone(), NAMESPACE);
        let cast = (1..=count).map(|number| (identity_name(number), self.fleet.identity(number)));
        each(cast.collect(), WORKERS, move |(name, identity)| {
            let (identities, bindings) = (identities.clone(), bindings.clone());
            let who = json!({"type": 0, "resourceID": identity.resource_id, "clientID": identity.client_id});
            let bound = json!({"azureIdentity": name, "selector": name});
            async move {
                create(&identities, custom("AzureIdentity", &name, &who)).await?;
                create(&bindings, custom("AzureIdentityBinding", &name, &bound)).await
            }
        })
        .await
    }

    /// Pods as the scheduler placed them.
    pub(super) async fn deploy(&self, places: Vec<Place>) -> Result<()> {
        let objects = places
            .iter()
            .map(|place| pod(place, &self.nodes[place.node].name));
        let pods = self.pods();
        each(objects.collect(), WORKERS, move |object| {
            let pods = pods.clone();
            async move { create(&pods, object).await }
        })
        .await
    }

    /// Deletes them at once.
    pub(super) async fn withdraw(&self, places: Vec<Place>) -> Result<()> {
        let pods = self.pods();
        each(places, WORKERS, move |place| {
            let pods = pods.clone();
            let at_once = DeleteParams::default().grace_period(0);
            async move {
                pods.delete(&place.name, &at_once).await?;
                Ok(())
            }
        })
        .await
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.kube.clone(), NAMESPACE)
    }

    /// The machine of a node, in lower case.
    pub(super) fn compute(&self, node: usize) -> String {
        self.nodes[node].compute.to_ascii_lowercase()
    }

    /// With its defaults, but for these flags.
    pub(super) async fn controller(&self, flags: &[&str]) -> Result<ControllerProcess> {
        let imds = self.sim.imds_addr();
        let mut all = vec![
            format!("--kubeconfig={}", self.kubeconfig().display()),
            format!("--cloudconfig={}", self.file("azure.json").display()),
            format!("--ca-file={}", self.file("ca.pem").display()),
            format!("--arm-url={}", self.sim.arm_url()),
            format!("--authority={}", self.sim.entra_url()),
            format!("--metadata-ip={}", imds.ip()),
            format!("--metadata-port={}", imds.port()),
            "--admin-address=127.0.0.1".to_owned(),
            "--http-probe-port=0".to_owned(),
            "--prometheus-port=0".to_owned(),
        ];
        all.extend(flags.iter().map(|flag| (*flag).to_owned()));
        let log = std::fs::File::create(self.file("controller.log"))?;
        ControllerProcess::start(&all, Stdio::from(log)).await
    }

    /// Waits until it is the one that writes, and has used no processor time for a second; when that began.
    pub(super) async fn settled(&self, controller: &ControllerProcess) -> Result<Duration> {
        let begun = Instant::now();
        let probes = podgate_testkit::Client::new(controller.probes);
        let (mut used, mut since) = (Duration::ZERO, now());
        loop {
            let active = probes.get("/healthz", &[]).await?.text() == "Active";
            let cpu = proc::cpu(controller.pid)?;
            if !active || cpu > used {
                (used, since) = (cpu, now());
            }
            if now().saturating_sub(since) > STILL {
                return Ok(since);
            }
            ensure!(begun.elapsed() < TOLD, "the controller does not settle");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// The end of the controller's log, for a failure.
    pub(super) fn log(&self) -> String {
        let text = std::fs::read_to_string(self.file("controller.log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Waits until no more Events are written: they come long after what they tell of.
    pub(super) async fn quiet(&self) -> Result<()> {
        let events: Api<Event> = Api::all(self.kube.clone());
        let begun = Instant::now();
        let mut before = None;
        loop {
            let one = events
                .list_metadata(&ListParams::default().limit(1))
                .await?;
            let more = one.metadata.remaining_item_count;
            if before == Some((one.items.len(), more)) {
                return Ok(());
            }
            before = Some((one.items.len(), more));
            ensure!(
                begun.elapsed() < TOLD,
                "Events are still written after {TOLD:?}"
            );
            sleep(Duration::from_secs(1)).await;
        }
    }
}

async fn azure(fleet: &Fleet, nodes: &[FleetNode]) -> Result<AzureSim> {
    let node = nodes.first().context("a fleet without nodes")?;
    let arm = ArmSettings {
        fleet: Some(fleet.clone()),
        operation_ms: 0,
        imds_node: Some(node.name.clone()),
        writers: Some(vec![fleet.identity(0).client_id]),
        ..ArmSettings::default()
    };
    Ok(AzureSim::start(SimConfig {
        arm,
        ..SimConfig::default()
    })
    .await?)
}

/// The page's, for gateway and controller.
fn rights() -> Result<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/rbac.md");
    let page = std::fs::read_to_string(page).context("docs/rbac.md")?;
    let blocks = page.split("```yaml\n").skip(1);
    let blocks: Vec<&str> = blocks
        .filter_map(|block| block.split("```").next())
        .collect();
    Ok(blocks.join("---\n"))
}

/// Does something with each of them, so many at a time.
pub(super) async fn each<T, F>(
    items: Vec<T>,
    workers: usize,
    act: impl Fn(T) -> F + Clone + Send + 'static,
) -> Result<()>
where
    T: Clone + Send + 'static,
    F: Future<Output = Result<()>> + Send,
{
    let mut under_way = JoinSet::new();
    for worker in 0..workers {
        let share = items.iter().skip(worker).step_by(workers);
        let (share, act): (Vec<T>, _) = (share.cloned().collect(), act.clone());
        under_way.spawn(async move {
            for item in share {
                act(item).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = under_way.join_next().await {
        ended??;
    }
    Ok(())
}

pub(super) async fn create<K>(api: &Api<K>, object: Value) -> Result<()>
where
    K: Resource + Clone + Debug + DeserializeOwned + Serialize,
{
    let object = serde_json::from_value(object)?;
    api.create(&PostParams::default(), &object).await?;
    Ok(())
}

pub(super) async fn create_namespace(kube: &Client, name: &str) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(kube.clone());
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    create(&namespaces, namespace).await
}

fn pod(place: &Place, node: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": place.name, "labels": {BINDING_LABEL: identity_name(place.identity)}},
        "spec": {"nodeName": node, "containers": [{"name": "app", "image": "app:1"}]}})
}

fn custom(kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "aadpodidentity.k8s.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

pub(super) fn identity_name(number: usize) -> String {
    format!("web{number}")
}

/// The name of a pod's record.
pub(super) fn record_name(place: &Place) -> String {
    assigned_name(&place.name, NAMESPACE, &identity_name(place.identity))
}

/// Since 1970, as azure-sim counts.
pub(super) fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}
