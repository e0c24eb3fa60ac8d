//! What is in the cluster besides podgate.

use podgate_e2e::demo::{self, ARCHIVE, LEDGER, TENANT, WEB, WORKER};
use serde_json::{Value, json};

use crate::azure::{
    Azure, CONTROLLER, GROUP as RESOURCES, SECRET, SUBSCRIPTION, TENANT as MACHINES,
};
use crate::helm::RELEASE;

/// The image of pods that sleep.
const TOOLS: &str = "podgate-test/tools:1";
/// The demonstration, as the chart's images are named.
const DEMO: &str = concat!("podgate/demo:", env!("CARGO_PKG_VERSION"));
/// ConfigMap with azure-sim's certificate authority.
const CA: &str = "azure-sim-ca";
const GROUP: &str = "aadpodidentity.k8s.io/v1";

/// The chart's values: only what leads to azure-sim, and the mode.
pub(crate) fn values(azure: &Azure) -> Value {
    json!({
        "operationMode": "managed",
        "image": {"imagePullPolicy": "Never"},
        "nmi": {"authority": azure.authority()},
        "trustedCA": {"configMap": CA},
        "rbac": {"secrets": [{"namespace": "shop", "names": ["worker-secret", "ledger-certificate"]}]},
    })
}

/// With the controller, which signs in as a service principal. What is set besides makes the cases shorter: nobody has to
/// wait half a minute until an identity goes.
pub(crate) fn standard(azure: &Azure) -> Value {
    let mut values = values(azure);
    values["operationMode"] = "standard".into();
    values["adminsecret"] = json!({"cloud": "AzurePublicCloud", "subscriptionID": SUBSCRIPTION,
        "resourceGroup": RESOURCES, "vmType": "vmss", "tenantID": MACHINES, "clientID": CONTROLLER,
        "clientSecret": SECRET});
    values["mic"] = json!({"extraArgs": [format!("--authority={}", azure.authority()),
        format!("--arm-url={}", azure.arm_url()), "--removal-linger=3s"]});
    values
}

/// What is there before podgate is.
pub(crate) fn before(azure: &Azure) -> Vec<Value> {
    let namespace =
        |name: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let authority = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": CA, "namespace": RELEASE}, "data": {"ca.crt": azure.ca_pem()}});
    vec![namespace(RELEASE), namespace("shop"), authority]
}

/// The identities of the demo, each with a binding of its name, and the Secrets that they name.
pub(crate) fn identities() -> Vec<Value> {
    let service_principal = |kind: u8, client_id: &str, secret: &str| {
        json!({"type": kind, "tenantID": TENANT, "clientID": client_id,
            "clientPassword": {"name": secret, "namespace": "shop"}})
    };
    let specs = [
        ("web", managed(WEB, "web")),
        ("archive", managed(ARCHIVE, "archive")),
        ("worker", service_principal(1, WORKER, "worker-secret")),
        ("ledger", service_principal(2, LEDGER, "ledger-certificate")),
    ];
    let pair = |(name, spec)| [identity(name, spec), binding(name, name)];
    let secrets = demo::secrets()["items"].clone();
    let secrets = secrets.as_array().cloned().unwrap_or_default();
    specs.into_iter().flat_map(pair).chain(secrets).collect()
}

fn managed(client_id: &str, name: &str) -> Value {
    json!({"type": 0, "clientID": client_id, "resourceID": demo::resource_id(name)})
}

fn identity(name: &str, spec: Value) -> Value {
    json!({"apiVersion": GROUP, "kind": "AzureIdentity",
        "metadata": {"name": name, "namespace": "shop"}, "spec": spec})
}

/// By a selector that is the identity's name.
fn binding(name: &str, identity: &str) -> Value {
    json!({"apiVersion": GROUP, "kind": "AzureIdentityBinding",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"azureIdentity": identity, "selector": identity}})
}

/// An exception for a label.
pub(crate) fn exception(namespace: &str, key: &str, value: &str) -> Value {
    json!({"apiVersion": GROUP, "kind": "AzurePodIdentityException",
        "metadata": {"name": "excepted", "namespace": namespace}, "spec": {"podLabels": {key: value}}})
}

/// A pod that does nothing.
pub(crate) fn sleeper(namespace: &str, name: &str, node: &str, labels: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"nodeName": node, "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "app", "image": TOOLS, "command": ["sleep", "100000"]}]}})
}

/// The pod of the old walkthrough, with podgate's image.
pub(crate) fn demo(name: &str, arguments: &[&str]) -> Value {
    let from = |path: &str| json!({"fieldRef": {"fieldPath": path}});
    json!({"apiVersion": "v1", "kind": "Pod",
    "metadata": {"name": name, "namespace": "shop", "labels": {"aadpodidbinding": "web"}},
    "spec": {"nodeSelector": {"kubernetes.io/os": "linux"}, "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "demo", "image": DEMO, "args": arguments, "env": [
            {"name": "MY_POD_NAME", "valueFrom": from("metadata.name")},
            {"name": "MY_POD_NAMESPACE", "valueFrom": from("metadata.namespace")},
            {"name": "MY_POD_IP", "valueFrom": from("status.podIP")},
        ]}]}})
}

/// So many pods of one Job, spread over the nodes, each of which has to get a token; one that does not is started anew.
pub(crate) fn job(name: &str, pods: usize) -> Value {
    let labels = json!({"aadpodidbinding": "web", "job": name});
    let spread = json!([{"maxSkew": 1, "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {"matchLabels": {"job": name}}}]);
    let ask = |name: &str| json!({"name": name, "image": DEMO, "args": ["--once", "--identity-client-id", WEB]});
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "namespace": "shop"},
        "spec": {"parallelism": pods, "completions": pods, "backoffLimit": 100, "template": {
            "metadata": {"labels": labels},
            "spec": {"restartPolicy": "OnFailure", "topologySpreadConstraints": spread,
                "initContainers": [ask("first")], "containers": [ask("second")]}}}})
}
