//! An API server, and what users, kubelets and controllers write into it.

use std::path::PathBuf;
use std::process::Command;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Event, Namespace, Pod};
use kube::Client;
use kube::api::{Api, Patch, PatchParams, PostParams};
use podgate_e2e::demo;
use podgate_e2e::node::{NODE_NAME, apply};
use podgate_testkit::ControlPlane;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::command::{self, Told};

/// An API server with podgate's kinds and the identities and bindings of the demo.
pub(crate) struct Ground {
    pub(crate) plane: ControlPlane,
    pub(crate) kube: Client,
    pub(crate) folder: TempDir,
}

impl Ground {
    pub(crate) async fn lay() -> Self {
        let ground = Self::bare().await;
        ground.plane.apply_crds().await.unwrap();
        let text = std::fs::read_to_string(demo::manifests().join("identities.yaml")).unwrap();
        apply(&ground.kube, &text).await.unwrap();
        ground
    }

    pub(crate) async fn bare() -> Self {
        let plane = ControlPlane::start().await.unwrap();
        let kube = plane.client().await.unwrap();
        let ground = Self {
            plane,
            kube,
            folder: tempfile::tempdir().unwrap(),
        };
        for namespace in ["shop", "podgate"] {
            let namespaces: Api<Namespace> = Api::all(ground.kube.clone());
            let namespace = of(json!({"metadata": {"name": namespace}}));
            namespaces
                .create(&PostParams::default(), &namespace)
                .await
                .unwrap();
        }
        ground
    }

    pub(crate) fn explain(&self, pod: &str) -> Told {
        command::explain(&[], &self.plane.kubeconfig(), pod, &[])
    }

    /// The kubeconfig of somebody without a right.
    pub(crate) fn somebody(&self) -> PathBuf {
        let path = self.folder.path().join("somebody");
        let text = self.plane.kubeconfig_for("somebody", "people").unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    fn pods(&self, namespace: &str) -> Api<Pod> {
        Api::namespaced(self.kube.clone(), namespace)
    }

    pub(crate) async fn pod(&self, namespace: &str, name: &str, labels: Value, spec: Value) {
        let mut pod =
            json!({"metadata": {"name": name, "labels": labels}, "spec": {"nodeName": NODE_NAME}});
        pod["spec"]
            .as_object_mut()
            .unwrap()
            .extend(spec.as_object().unwrap().clone());
        self.pods(namespace)
            .create(&PostParams::default(), &of(pod))
            .await
            .unwrap();
    }

    pub(crate) async fn status(&self, namespace: &str, name: &str, status: Value) {
        let patch = Patch::Merge(json!({"status": status}));
        let pods = self.pods(namespace);
        pods.patch_status(name, &PatchParams::default(), &patch)
            .await
            .unwrap();
    }

    pub(crate) async fn component(&self, name: &str, args: &[&str]) {
        let labels =
            json!({"app.kubernetes.io/name": "podgate", "app.kubernetes.io/component": name});
        let spec = json!({"containers": [{"name": name, "image": "podgate:1", "args": args}]});
        self.pod("podgate", name, labels, spec).await;
    }

    pub(crate) async fn ready(&self, name: &str) {
        let condition = json!([{"type": "Ready", "status": "True"}]);
        self.status(
            "podgate",
            name,
            json!({"phase": "Running", "conditions": condition}),
        )
        .await;
    }
}

fn of<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

pub(crate) async fn label(ground: &Ground, value: &str) {
    let patch = Patch::Merge(json!({"metadata": {"labels": {"aadpodidbinding": value}}}));
    ground
        .pods("shop")
        .patch("web", &PatchParams::default(), &patch)
        .await
        .unwrap();
}

pub(crate) async fn lease(ground: &Ground, name: &str, renewed: &str) {
    let leases: Api<Lease> = Api::namespaced(ground.kube.clone(), "podgate");
    let spec =
        json!({"holderIdentity": "controller-0", "leaseDurationSeconds": 15, "renewTime": renewed});
    let lease = of(json!({"metadata": {"name": name}, "spec": spec}));
    leases.create(&PostParams::default(), &lease).await.unwrap();
}

pub(crate) async fn renew(ground: &Ground, name: &str) {
    let leases: Api<Lease> = Api::namespaced(ground.kube.clone(), "podgate");
    let patch = Patch::Merge(json!({"spec": {"renewTime": now()}}));
    leases
        .patch(name, &PatchParams::default(), &patch)
        .await
        .unwrap();
}

/// As MicroTime has it.
fn now() -> String {
    let output = Command::new("date")
        .args(["-u", "+%Y-%m-%dT%H:%M:%S.%6NZ"])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

pub(crate) async fn event(ground: &Ground, kind: &str, name: &str, message: &str) {
    let events: Api<Event> = Api::namespaced(ground.kube.clone(), "shop");
    let at = now();
    let event = json!({"metadata": {"name": format!("{name}.1")}, "type": "Warning", "reason": "binding apply error",
        "message": message, "source": {"component": "aadpodidentity.k8s.io"}, "lastTimestamp": format!("{}Z", at.split('.').next().unwrap()),
        "involvedObject": {"kind": kind, "namespace": "shop", "name": name}});
    events
        .create(&PostParams::default(), &of(event))
        .await
        .unwrap();
}
