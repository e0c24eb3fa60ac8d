//! A real node: API server, kubelet and containerd between the command and the gateway.
//!
//! The gateway is the real program in the node's namespaces; the pod that stands for it in the API server shares the
//! node's network, as the chart's does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use podgate_e2e::demo;
use podgate_testkit::Cluster;
use tempfile::TempDir;

use crate::command::{self, Told, binary};

/// Much longer than anything takes.
const SOON: Duration = Duration::from_secs(90);

const PODS: &str = "
apiVersion: v1
kind: Namespace
metadata: { name: podgate }
---
apiVersion: v1
kind: Pod
metadata: { name: web, namespace: shop, labels: { aadpodidbinding: web } }
spec:
  terminationGracePeriodSeconds: 0
  containers: [{ name: app, image: 'podgate-test/tools:1', command: [sleep, '600'] }]
---
apiVersion: v1
kind: Pod
metadata:
  name: gateway
  namespace: podgate
  labels: { app.kubernetes.io/name: podgate, app.kubernetes.io/component: gateway }
spec:
  hostNetwork: true
  terminationGracePeriodSeconds: 0
  containers:
  - name: gateway
    image: podgate-test/tools:1
    command: [/bin/sh, -c, sleep 600, gateway]
    args: [--operation-mode=standard, --forceNamespaced=true, --http-probe-port=8185]
";

const RECORD: &str = "
apiVersion: aadpodidentity.k8s.io/v1
kind: AzureAssignedIdentity
metadata: { name: web-shop-web, namespace: shop, labels: { nodename: node1 } }
spec:
  azureIdentityRef:
    apiVersion: aadpodidentity.k8s.io/v1
    kind: AzureIdentity
    metadata: { name: web, namespace: shop }
    spec: { clientID: 11111111-1111-4111-8111-111111111111 }
  azureBindingRef:
    apiVersion: aadpodidentity.k8s.io/v1
    kind: AzureIdentityBinding
    metadata: { name: web, namespace: shop }
    spec: { azureIdentity: web, selector: web }
  pod: web
  podNamespace: shop
  nodename: node1
status: { status: Assigned }
";

/// Everything but the port-forward.
const RIGHTS: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: { name: somebody }
rules:
- apiGroups: ['', coordination.k8s.io]
  resources: [pods, nodes, events, leases]
  verbs: [get, list]
- apiGroups: [aadpodidentity.k8s.io]
  resources: ['*']
  verbs: [get, list]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: somebody }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: somebody }
subjects: [{ kind: User, apiGroup: rbac.authorization.k8s.io, name: somebody }]
";

/// The port-forward.
const FORWARD: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: { name: forward, namespace: podgate }
rules: [{ apiGroups: [''], resources: [pods/portforward], verbs: [get] }]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: { name: forward, namespace: podgate }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: Role, name: forward }
subjects: [{ kind: User, apiGroup: rbac.authorization.k8s.io, name: somebody }]
";

/// A cluster of one node, with podgate's kinds and the objects of the demo.
struct Ground {
    cluster: Cluster,
    folder: TempDir,
}

impl Ground {
    fn lay() -> Self {
        let ground = Self {
            cluster: Cluster::start(1, &[]).unwrap(),
            folder: tempfile::tempdir().unwrap(),
        };
        let crds: Vec<_> = podgate_api::crds()
            .iter()
            .map(|crd| serde_json::to_string(crd).unwrap())
            .collect();
        ground.apply(&crds.join("\n---\n"));
        let wait = [
            "wait",
            "--for=condition=Established",
            "crd",
            "--all",
            "--timeout=60s",
        ];
        ground.cluster.kubectl(&wait).unwrap();
        ground
            .cluster
            .kubectl(&["create", "namespace", "shop"])
            .unwrap();
        ground.apply(&fs::read_to_string(demo::manifests().join("identities.yaml")).unwrap());
        ground.until("the default service account", || {
            ground
                .cluster
                .kubectl(&["get", "serviceaccount", "default", "-n", "shop"])
                .is_ok()
        });
        ground.apply(PODS);
        ground
    }

    fn apply(&self, text: &str) {
        let path = self.folder.path().join("manifest.yaml");
        fs::write(&path, text).unwrap();
        // A new namespace has its service account a moment later.
        self.until("the manifest", || {
            self.cluster
                .kubectl(&["apply", "-f", path.to_str().unwrap()])
                .is_ok()
        });
    }

    fn until(&self, what: &str, mut there: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !there() {
            assert!(begun.elapsed() < SOON, "{what} never came");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn kubeconfig(&self) -> PathBuf {
        self.cluster.folder().join("pki/admin.kubeconfig")
    }

    fn explain(&self, kubeconfig: &Path) -> Told {
        let on = self.cluster.folder().join("on");
        command::explain(&[on.to_str().unwrap(), "hub"], kubeconfig, "web", &[])
    }

    /// Until it says this.
    fn says(&self, cause: &str) -> Told {
        let begun = Instant::now();
        loop {
            let told = self.explain(&self.kubeconfig());
            if told.report["cause"] == cause {
                return told;
            }
            assert!(begun.elapsed() < SOON, "{cause}: {:#}", told.report);
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// The real program, on the node.
    fn gateway(&self) -> Gateway {
        let log = fs::File::create(self.folder.path().join("gateway.log")).unwrap();
        let child = Command::new(self.cluster.folder().join("on"))
            .arg("node1")
            .arg(binary("podgate-gateway"))
            .args([
                "--node=node1",
                "--share-port=false",
                "--nmi-port=0",
                "--http-probe-port=8185",
            ])
            .arg(format!("--kubeconfig={}", self.kubeconfig().display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Gateway(child)
    }
}

/// Ends with this object; what nsenter leaves of it ends with the node.
struct Gateway(Child);

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "needs root and the test control plane: cargo xtask test --only cli-explain"]
fn the_gateway_of_the_pods_node_is_asked_through_the_api_server_and_its_kubelet() {
    let ground = Ground::lay();
    let away = ground.says("no-controller");
    away.is(
        1,
        "no-controller",
        &["what the gateway podgate/gateway answers", "8185"],
    );
    let _gateway = ground.gateway();
    let begun = Instant::now();
    let waits = loop {
        let told = ground.explain(&ground.kubeconfig());
        let answer = told.report["gateway"]["answer"]
            .as_str()
            .unwrap_or_default();
        if answer.contains("not assigned to its node yet") {
            break told;
        }
        assert!(begun.elapsed() < SOON, "{:#}", told.report);
        std::thread::sleep(Duration::from_millis(500));
    };
    waits.is(1, "no-controller", &["no controller is in the cluster"]);
    ground.apply(RECORD);
    ground.says("gets-tokens").is(
        0,
        "gets-tokens",
        &["a token would be asked for", "Assigned"],
    );
    let on = ground.cluster.folder().join("on");
    let text = command::run(
        &[on.to_str().unwrap(), "hub"],
        &ground.kubeconfig(),
        "web",
        &[],
    );
    println!("{}", String::from_utf8_lossy(&text.stdout));
    a_port_is_forwarded_for_whoever_may(&ground);
}

fn a_port_is_forwarded_for_whoever_may(ground: &Ground) {
    ground.apply(RIGHTS);
    let admin = fs::read_to_string(ground.kubeconfig()).unwrap();
    let mut admin: serde_json::Value = serde_saphyr::from_str(&admin).unwrap();
    admin["users"][0]["user"]["as"] = "somebody".into();
    let path = ground.folder.path().join("somebody");
    fs::write(&path, admin.to_string()).unwrap();
    let told = ground.explain(&path);
    let check = "kubectl auth can-i get pods/gateway --subresource=portforward -n podgate";
    told.is(
        2,
        "cannot-tell",
        &[
            "you may not get pods/portforward in namespace podgate",
            check,
        ],
    );
    let words: Vec<&str> = check
        .split_whitespace()
        .skip(1)
        .chain(["--as=somebody"])
        .collect();
    assert!(ground.cluster.kubectl(&words).is_err(), "no");
    ground.apply(FORWARD);
    ground.until("the right", || ground.explain(&path).code == 0);
}
