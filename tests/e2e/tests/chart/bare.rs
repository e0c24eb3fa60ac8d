//! `helm install podgate charts/podgate`, and nothing else: on nodes of Azure and on others.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Container, Node, PodSpec};
use kube::Client;
use kube::api::{Api, PostParams};
use podgate_testkit::{Client as HttpClient, ControlPlane};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::helm::{NAMESPACE, RELEASE, helm};

const AZURE: &str = "azure:///subscriptions/5ab50000-0000-4000-8000-000000000001/resourceGroups/nodes/providers/Microsoft.Compute/virtualMachines/node";
const FILE: &str = "/etc/kubernetes/azure.json";
const CONTROLLER: &str = "system:serviceaccount:podgate:podgate-controller";
/// Much longer than it takes.
const SOON: Duration = Duration::from_secs(60);

async fn make_node(client: &Client, name: &str, provider: &str) {
    let nodes: Api<Node> = Api::all(client.clone());
    let node = json!({"metadata": {"name": name}, "spec": {"providerID": provider}});
    let node = serde_json::from_value(node).unwrap();
    nodes.create(&PostParams::default(), &node).await.unwrap();
}

/// The pod of the controllers, by an install without a value, and the notes.
async fn installed(plane: &ControlPlane, client: &Client) -> (PodSpec, String) {
    let told = helm(
        plane,
        &["install", RELEASE, "charts/podgate", "--create-namespace"],
    );
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
    let deployment = deployments.get("podgate-controller").await.unwrap();
    (deployment.spec.unwrap().template.spec.unwrap(), told)
}

fn mounted(pod: &PodSpec) -> Vec<String> {
    let volumes = pod.volumes.iter().flatten();
    volumes
        .filter_map(|volume| Some(volume.host_path.as_ref()?.path.clone()))
        .collect()
}

/// The program with the arguments and the variables of its container, as its ServiceAccount.
struct Controller {
    child: Child,
    probes: std::net::SocketAddr,
}

impl Controller {
    fn start(container: &Container, kubeconfig: &Path) -> Self {
        let ours = |argument: &&String| !argument.contains("-port=");
        let arguments = container.args.iter().flatten().filter(ours);
        let variables = container.env.iter().flatten();
        let variables = variables.filter_map(|one| Some((&one.name, one.value.as_ref()?)));
        let mut child = Command::new(binary())
            .arg(format!("--kubeconfig={}", kubeconfig.display()))
            .args([
                "--admin-address=127.0.0.1",
                "--http-probe-port=0",
                "--prometheus-port=0",
            ])
            .args(arguments)
            .env_clear()
            .envs(variables)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut told = BufReader::new(child.stdout.take().unwrap());
        told.read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).expect("it ended at once");
        let probes = told["probes"].as_str().unwrap().parse().unwrap();
        Self { child, probes }
    }

    async fn asked(&self, path: &str) -> Option<(u16, String)> {
        let client = HttpClient::new(self.probes).deadline(Duration::from_secs(1));
        let host = self.probes.to_string();
        let answer = client.get(path, &[("Host", &host)]).await.ok()?;
        Some((answer.status, answer.text().to_string()))
    }

    async fn until(&self, path: &str, wanted: impl Fn(u16, &str) -> bool) -> Duration {
        let begun = Instant::now();
        let mut last = None;
        while begun.elapsed() < SOON {
            last = self.asked(path).await;
            if last
                .as_ref()
                .is_some_and(|(code, text)| wanted(*code, text))
            {
                return begun.elapsed();
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("{path}: {last:?}");
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Beside this program: cargo puts all programs of a profile into one folder.
fn binary() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let folder = this.parent().and_then(Path::parent).unwrap();
    folder.join("podgate-controller")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs helm and the test control plane: cargo xtask test --only chart"]
async fn without_a_node_of_azure_the_controller_comes_up_leads_at_once_and_the_notes_say_what_lacks()
 {
    let plane = ControlPlane::start().await.unwrap();
    let client = plane.client().await.unwrap();
    make_node(&client, "elsewhere", "kind://docker/kind/elsewhere").await;
    let (pod, told) = installed(&plane, &client).await;
    assert_eq!(mounted(&pod), Vec::<String>::new());
    assert_eq!(pod.security_context.unwrap().run_as_non_root, Some(true));
    for words in [
        "so the controller has no azure.json",
        "mic.cloudConfig=/etc/kubernetes/azure.json",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    let text = plane.kubeconfig_for(CONTROLLER, "system:serviceaccounts");
    fs::write(&kubeconfig, text.unwrap()).unwrap();
    let controller = Controller::start(&pod.containers[0], &kubeconfig);
    controller.until("/readyz", |code, _| code == 200).await;
    let led = controller
        .until("/healthz", |_, text| text.trim() == "Active")
        .await;
    assert!(
        led < Duration::from_secs(10),
        "the Lease was there: {led:?}"
    );
}

#[tokio::test]
#[ignore = "needs helm and the test control plane: cargo xtask test --only chart"]
async fn with_a_node_of_azure_the_controller_reads_the_nodes_azure_json() {
    let plane = ControlPlane::start().await.unwrap();
    let client = plane.client().await.unwrap();
    make_node(&client, "virtual-node", "").await;
    make_node(&client, "node", AZURE).await;
    let (pod, told) = installed(&plane, &client).await;
    assert_eq!(mounted(&pod), [FILE]);
    assert!(!told.contains("azure.json"), "{told}");
    let arguments = pod.containers[0].args.clone().unwrap();
    assert!(arguments.contains(&format!("--cloudconfig={FILE}")));
}

#[tokio::test]
#[ignore = "needs helm and the test control plane: cargo xtask test --only chart"]
async fn a_cluster_that_has_no_node_yet_counts_as_azures() {
    let plane = ControlPlane::start().await.unwrap();
    let client = plane.client().await.unwrap();
    let (pod, _) = installed(&plane, &client).await;
    assert_eq!(mounted(&pod), [FILE]);
}
