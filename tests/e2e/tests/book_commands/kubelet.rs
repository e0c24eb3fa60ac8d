//! The least of a kubelet: a node that is ready, pods that run on it and go, and nobody at its port.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use podgate_testkit::free_port;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

pub(crate) const NODE: &str = "node1";
const TURN: Duration = Duration::from_millis(200);
/// Without a word for 50 seconds a node counts as lost.
const HEARTBEAT: Duration = Duration::from_secs(10);
const PROVIDER: &str = "azure:///subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/nodes/providers/Microsoft.Compute/virtualMachineScaleSets/pool/virtualMachines/0";

/// It ends with this object.
pub(crate) struct Kubelet {
    /// Where it would be asked.
    pub(crate) port: u16,
    task: JoinHandle<()>,
}

struct Work {
    client: Client,
    /// While this file is there, Jobs go on.
    busy: PathBuf,
    /// The last address that a pod got.
    address: u16,
}

impl Kubelet {
    /// Registers the node. While the file `busy` is there, no Job's pod ends.
    pub(crate) async fn start(client: Client, busy: &Path) -> Self {
        let port = free_port();
        let nodes: Api<Node> = Api::all(client.clone());
        let node = serde_json::from_value(node(port)).unwrap();
        nodes.create(&PostParams::default(), &node).await.unwrap();
        let work = Work {
            client,
            busy: busy.to_owned(),
            address: 0,
        };
        let task = tokio::spawn(work.go_on());
        Self { port, task }
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn node(port: u16) -> Value {
    let room = json!({"cpu": "8", "memory": "16Gi", "pods": "110"});
    json!({
        "metadata": {"name": NODE, "labels": {"kubernetes.io/os": "linux", "kubernetes.io/hostname": NODE}},
        "spec": {"providerID": PROVIDER},
        "status": {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "capacity": room,
            "allocatable": room,
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        },
    })
}

impl Work {
    /// What fails is done at the next turn: objects change and go under its hands.
    async fn go_on(mut self) {
        let mut beaten: Option<Instant> = None;
        loop {
            if beaten.is_none_or(|beaten| beaten.elapsed() > HEARTBEAT) && self.beat().await.is_ok()
            {
                beaten = Some(Instant::now());
            }
            let here = ListParams::default().fields(&format!("spec.nodeName={NODE}"));
            let pods = Api::<Pod>::all(self.client.clone()).list(&here).await;
            for pod in pods.into_iter().flatten() {
                let _ = self.tend(&pod).await;
            }
            tokio::time::sleep(TURN).await;
        }
    }

    async fn beat(&self) -> kube::Result<()> {
        let nodes: Api<Node> = Api::all(self.client.clone());
        let mut ready = json!({"type": "Ready", "status": "True", "reason": "KubeletReady"});
        ready["lastHeartbeatTime"] = json!(k8s_openapi::jiff::Timestamp::now().to_string());
        let patch = Patch::Strategic(json!({"status": {"conditions": [ready]}}));
        nodes
            .patch_status(NODE, &PatchParams::default(), &patch)
            .await?;
        Ok(())
    }

    async fn tend(&mut self, pod: &Pod) -> kube::Result<()> {
        let namespace = pod.namespace().unwrap_or_default();
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &namespace);
        if pod.metadata.deletion_timestamp.is_some() {
            let at_once = DeleteParams::default().grace_period(0);
            return pods.delete(&pod.name_any(), &at_once).await.map(drop);
        }
        let phase = self.phase(pod);
        let told = pod
            .status
            .as_ref()
            .and_then(|status| status.phase.as_deref());
        if told == Some(phase) {
            return Ok(());
        }
        let status = Patch::Merge(json!({"status": self.status(phase)}));
        let parameters = PatchParams::default();
        pods.patch_status(&pod.name_any(), &parameters, &status)
            .await?;
        Ok(())
    }

    fn phase(&self, pod: &Pod) -> &'static str {
        let is_jobs = pod
            .owner_references()
            .iter()
            .any(|owner| owner.kind == "Job");
        match is_jobs && !self.busy.exists() {
            true => "Succeeded",
            false => "Running",
        }
    }

    fn status(&mut self, phase: &str) -> Value {
        self.address += 1;
        let [high, low] = self.address.to_be_bytes();
        let address = format!("10.244.{high}.{low}");
        let ready = json!({"type": "Ready", "status": "True"});
        json!({"phase": phase, "podIP": address, "podIPs": [{"ip": address}], "conditions": [ready]})
    }
}
