//! A cluster whose nodes are scale sets' instances and virtual machines, and the Azure that has them.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::Client;
use kube::api::{Api, ListParams};
use podgate_api::{AzureAssignedIdentity, ObjectRef};
use podgate_e2e::node::apply;
use podgate_testkit::{
    Application, ArmSettings, AzureSim, Call, ControlPlane, Fault, FaultKind, Fleet, FleetNode,
    HandChange, SimConfig, Target, free_port,
};
use serde_json::json;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::objects::create;
use crate::process::{Controller, World};

/// Much longer than anything takes on a machine that compiles beside it.
pub(crate) const SOON: Duration = Duration::from_secs(60);
/// The tenant of the cluster's subscription.
const TENANT: &str = "7e4a0000-0000-4000-8000-000000000001";
/// The application that the second controller is.
const STANDBY: &str = "a9900000-0000-4000-8000-000000000001";
const SECRET: &str = "the standby's secret";
/// Lines of a log that a failure shows.
const TAIL: usize = 40;

/// The users that controllers are have the role of docs/rbac.md, and nothing else.
const BINDING: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: podgate-controllers-of-the-test }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: podgate-controller }
subjects:
  - { kind: Group, apiGroup: rbac.authorization.k8s.io, name: podgate-controllers }
";

/// The YAML of docs/rbac.md.
pub(crate) fn rbac() -> String {
    let page = include_str!("../../../../docs/rbac.md");
    let blocks = page.split("```yaml\n").skip(1);
    let blocks: Vec<&str> = blocks
        .filter_map(|block| block.split("```").next())
        .collect();
    blocks.join("---\n")
}

/// Everything but the controllers.
///
/// The first identity of the fleet is the kubelet's: it is on every machine from the beginning, and it is what the
/// first controller is at Azure. The second controller is an application of its own, so that azure-sim can tell them
/// apart.
pub(crate) struct Scene {
    pub(crate) plane: ControlPlane,
    pub(crate) kube: Client,
    pub(crate) sim: AzureSim,
    pub(crate) fleet: Fleet,
    pub(crate) nodes: Vec<FleetNode>,
    folder: TempDir,
    started: AtomicUsize,
}

/// Two scale sets of two instances (nodes 0 to 3) and a virtual machine (node 4); identities 1 to 9.
pub(crate) fn small() -> Fleet {
    let fleet = Fleet::new().scale_sets(2).instances(2);
    fleet.machines(1).identities(10)
}

impl Scene {
    pub(crate) async fn start() -> Self {
        Self::of(small()).await
    }

    /// ARM does at once what it is asked.
    pub(crate) async fn of(fleet: Fleet) -> Self {
        Self::with(fleet, |_| {}).await
    }

    pub(crate) async fn with(fleet: Fleet, change: impl FnOnce(&mut ArmSettings)) -> Self {
        let fleet = fleet.assigned(1);
        let nodes = fleet.nodes();
        let sim = AzureSim::start(azure(&fleet, &nodes[0], change))
            .await
            .unwrap();
        let plane = ControlPlane::start().await.unwrap();
        plane.apply_crds().await.unwrap();
        let kube = plane.client().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let scene = Self {
            plane,
            kube,
            sim,
            fleet,
            nodes,
            folder,
            started: AtomicUsize::new(0),
        };
        scene.furnish().await;
        scene
    }

    async fn furnish(&self) {
        for name in ["shop", "depot"] {
            self.namespace(name).await;
        }
        for rules in [&rbac(), BINDING] {
            apply(&self.kube, rules).await.unwrap();
        }
        self.create_nodes().await;
        self.create_lease().await;
        std::fs::write(self.file("ca.pem"), self.sim.ca_pem()).unwrap();
        for number in [0, 1] {
            let user = format!("podgate-controller-{number}");
            let kubeconfig = self.plane.kubeconfig_for(&user, "podgate-controllers");
            std::fs::write(self.kubeconfig(number), kubeconfig.unwrap()).unwrap();
            let cloud = self.cloud(number).to_string();
            std::fs::write(self.file(&format!("azure-{number}.json")), cloud).unwrap();
        }
    }

    /// azure.json: of a cluster with a managed identity, and of one with an application.
    fn cloud(&self, number: usize) -> serde_json::Value {
        match number {
            0 => {
                json!({"cloud": "AzurePublicCloud", "tenantId": TENANT, "useManagedIdentityExtension": true,
                "userAssignedIdentityID": self.client_id(0)})
            }
            _ => json!({"cloud": "AzurePublicCloud", "tenantId": TENANT, "aadClientId": STANDBY,
                "aadClientSecret": SECRET}),
        }
    }

    /// The client id of a controller at Azure.
    fn client_id(&self, number: usize) -> String {
        match number {
            0 => self.fleet.identity(0).client_id,
            _ => STANDBY.to_owned(),
        }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Of the user that this controller is.
    pub(crate) fn kubeconfig(&self, number: usize) -> PathBuf {
        self.file(&format!("controller-{number}.kubeconfig"))
    }

    /// A controller, 0 or 1, which need not be ready.
    pub(crate) fn spawn(&self, number: usize, flags: &[&str]) -> Controller {
        let nth = self.started.fetch_add(1, Ordering::Relaxed);
        let instance = format!("controller-{number}-{nth}");
        let world = World {
            sim: &self.sim,
            kubeconfig: &self.kubeconfig(number),
            cloud: &self.file(&format!("azure-{number}.json")),
            ca: &self.file("ca.pem"),
            instance: &instance,
        };
        Controller::spawn(&world, &self.file(&format!("{instance}.log")), flags)
    }

    /// The only controller, in charge when this returns.
    pub(crate) async fn leader(&self, flags: &[&str]) -> Controller {
        let controller = self.spawn(0, flags);
        self.active(&controller).await;
        controller
    }

    pub(crate) async fn active(&self, controller: &Controller) -> Duration {
        self.until("a controller is in charge", async || {
            controller.is_active().await
        })
        .await
    }

    /// Waits, and says how long that was.
    pub(crate) async fn until(&self, what: &str, there: impl AsyncFnMut() -> bool) -> Duration {
        self.within(SOON, what, there).await
    }

    pub(crate) async fn within(
        &self,
        patience: Duration,
        what: &str,
        mut there: impl AsyncFnMut() -> bool,
    ) -> Duration {
        let begun = Instant::now();
        while !there().await {
            if begun.elapsed() > patience {
                panic!("{what}: not within {patience:?}\n{}", self.told().await);
            }
            sleep(Duration::from_millis(20)).await;
        }
        begun.elapsed()
    }

    /// How things are, for people.
    async fn told(&self) -> String {
        let mut told = format!("records: {:#?}\n", self.states().await);
        for compute in self.sim.computes() {
            told += &format!("{}: {:?}\n", compute.id, compute.identities);
        }
        let mut logs: Vec<_> = std::fs::read_dir(self.folder.path()).unwrap().collect();
        logs.sort_by_key(|entry| entry.as_ref().unwrap().path());
        for path in logs.into_iter().map(|entry| entry.unwrap().path()) {
            if path.extension().is_some_and(|end| end == "log") {
                let text = std::fs::read_to_string(&path).unwrap_or_default();
                let lines: Vec<&str> = text.lines().collect();
                let tail = &lines[lines.len().saturating_sub(TAIL)..];
                told += &format!("--- {}\n{}\n", path.display(), tail.join("\n"));
            }
        }
        told
    }

    pub(crate) async fn records(&self) -> Vec<AzureAssignedIdentity> {
        let api: Api<AzureAssignedIdentity> = Api::all(self.kube.clone());
        api.list(&ListParams::default()).await.unwrap().items
    }

    /// The state of each record by `NAMESPACE/NAME`.
    pub(crate) async fn states(&self) -> BTreeMap<String, String> {
        let records = self.records().await;
        let state = |record: &AzureAssignedIdentity| {
            let name = ObjectRef::of(&record.metadata).to_string();
            (name, record.state().to_string())
        };
        records.iter().map(state).collect()
    }

    /// Waits until these records of the namespace `default` are there, all Assigned, and no others anywhere.
    pub(crate) async fn assigned(&self, names: &[&str]) -> Duration {
        let wanted = names.iter().map(|name| format!("default/{name}"));
        let wanted: Vec<(String, &str)> = wanted.map(|name| (name, "Assigned")).collect();
        let wanted: Vec<(&str, &str)> = wanted
            .iter()
            .map(|(name, state)| (name.as_str(), *state))
            .collect();
        self.settled(&wanted).await
    }

    /// Waits until these records (`NAMESPACE/NAME`) are there in these states, and no others.
    pub(crate) async fn settled(&self, wanted: &[(&str, &str)]) -> Duration {
        let wanted: BTreeMap<String, String> = wanted
            .iter()
            .map(|(name, state)| ((*name).to_owned(), (*state).to_owned()))
            .collect();
        let what = format!("the records {wanted:?}");
        self.until(&what, async || self.states().await == wanted)
            .await
    }

    /// The identities on the machine of a node, by their numbers, but for the kubelet's, which always stays.
    pub(crate) fn on(&self, node: usize) -> Vec<usize> {
        let compute = self.sim.compute(&self.nodes[node].compute).unwrap();
        let number = |id: &String| -> usize {
            let (_, name) = id
                .rsplit_once("/id-")
                .unwrap_or_else(|| id.rsplit_once("/ID-").unwrap());
            name.parse().unwrap()
        };
        let mut numbers: Vec<usize> = compute.identities.iter().map(number).collect();
        numbers.sort_unstable();
        assert_eq!(numbers.first(), Some(&0), "the kubelet's identity is gone");
        numbers.split_off(1)
    }

    /// Waits until exactly these are on the machine of a node.
    pub(crate) async fn holds(&self, node: usize, wanted: &[usize]) -> Duration {
        let what = format!("{wanted:?} on the machine of node {node}");
        self.until(&what, async || self.on(node) == wanted).await
    }

    /// Somebody changes identities by hand.
    pub(crate) fn by_hand(&self, node: usize, add: &[usize], remove: &[usize]) {
        let ids = |numbers: &[usize]| -> Vec<String> {
            let numbers = numbers.iter();
            numbers
                .map(|number| self.fleet.identity(*number).resource_id)
                .collect()
        };
        let change = HandChange {
            compute: self.nodes[node].compute.clone(),
            add: ids(add),
            remove: ids(remove),
        };
        assert!(self.sim.change_by_hand(&change));
    }

    /// The PATCHes that azure-sim saw since the last look away.
    pub(crate) fn patches(&self) -> Vec<Call> {
        let calls = self.sim.calls_to(Target::Arm).into_iter();
        calls.filter(|call| call.method == "PATCH").collect()
    }

    /// From now on the calls of this controller to ARM are marked, for [`Self::marked`]: they answer a moment later.
    pub(crate) fn mark(&self, number: usize) {
        let late = Fault::new(Target::Arm, FaultKind::Latency { ms: 1 });
        self.sim.fail(late.for_client(self.client_id(number)));
    }

    /// The PATCHes of the controller that is marked, from this time on (milliseconds since 1970).
    pub(crate) fn marked(&self, since_ms: u64) -> Vec<Call> {
        let calls = self.patches().into_iter();
        calls
            .filter(|call| call.faulted && call.at_ms >= since_ms)
            .collect()
    }

    pub(crate) fn leases(&self) -> Api<Lease> {
        Api::namespaced(self.kube.clone(), "default")
    }

    /// Who holds the lease.
    pub(crate) async fn holder(&self) -> Option<String> {
        let lease = self.leases().get_opt(LEASE).await.unwrap()?;
        lease.spec?.holder_identity
    }

    /// Whoever held the lease is known to be dead: nobody need wait for its end.
    pub(crate) async fn bury(&self) {
        let nobody = json!({"spec": {"holderIdentity": null}});
        self.edit::<Lease>("default", LEASE, nobody).await;
    }

    /// A lease that nobody holds, as a controller leaves it. Where there is none, a controller waits as long as one
    /// lasts, since somebody may have deleted it under its holder.
    async fn create_lease(&self) {
        let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"namespace": "default", "name": LEASE}, "spec": {}});
        create::<Lease>(&self.kube, lease).await;
    }
}

/// The old controller's name for it.
pub(crate) const LEASE: &str = "aad-pod-identity-mic";

fn azure(fleet: &Fleet, node: &FleetNode, change: impl FnOnce(&mut ArmSettings)) -> SimConfig {
    let application = Application {
        tenant: TENANT.to_owned(),
        client_id: STANDBY.to_owned(),
        secrets: vec![SECRET.to_owned()],
        ..Application::default()
    };
    let port = free_port();
    // A controller that is told another ARM asks for a token for that one.
    let mut audiences = ArmSettings::default().audiences;
    audiences.push(format!("https://localhost:{port}"));
    let mut arm = ArmSettings {
        audiences,
        fleet: Some(fleet.clone()),
        operation_ms: 0,
        retry_after_seconds: Some(1),
        imds_node: Some(node.name.clone()),
        writers: Some(vec![fleet.identity(0).client_id, STANDBY.to_owned()]),
        ..ArmSettings::default()
    };
    change(&mut arm);
    SimConfig {
        arm_listen: (Ipv4Addr::LOCALHOST, port).into(),
        tenant: TENANT.to_owned(),
        applications: vec![application],
        arm,
        ..SimConfig::default()
    }
}

/// Milliseconds since 1970, as azure-sim counts.
pub(crate) fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u64::try_from(since.unwrap().as_millis()).unwrap()
}
