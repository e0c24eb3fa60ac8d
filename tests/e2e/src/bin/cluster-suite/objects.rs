//! What is in the cluster besides podgate.

use podgate_e2e::demo::{self, ARCHIVE, LEDGER, TENANT, WEB, WORKER};
use serde_json::{Value, json};

use crate::azure::{Azure, GROUP as RESOURCES, SUBSCRIPTION, TENANT as MACHINES};
use crate::helm::RELEASE;
use crate::people;

/// The image of pods that sleep.
const TOOLS: &str = "podgate-test/tools:1";
/// The demonstration, as the chart's images are named.
const DEMO: &str = concat!("podgate/demo:", env!("CARGO_PKG_VERSION"));
/// ConfigMap with azure-sim's certificate authority.
const CA: &str = "azure-sim-ca";
const GROUP: &str = "aadpodidentity.k8s.io/v1";

/// The chart's values: what leads to azure-sim, the mode, and that all nodes follow an upgrade at once: on each of them it
/// is the same, and a tenth at a time takes three times as long here.
pub(crate) fn managed(azure: &Azure) -> Value {
    json!({
        "operationMode": "managed",
        "image": {"imagePullPolicy": "Never"},
        "nmi": {
            "authority": azure.authority(),
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "100%", "maxUnavailable": 0}},
        },
        "trustedCA": {"configMap": CA},
        "rbac": {"secrets": [{"namespace": "shop", "names": ["worker-secret", "ledger-certificate"]}]},
    })
}

/// With the controller, which signs in as an identity of its nodes, as AKS has it. What is set besides makes the cases
/// shorter: nobody has to wait half a minute until an identity goes, or three until one is missed, and 10 s instead of 25
/// before the word to come back.
pub(crate) fn standard(azure: &Azure) -> Value {
    let mut values = managed(azure);
    values["operationMode"] = "standard".into();
    values["adminsecret"] = json!({"cloud": "AzurePublicCloud", "subscriptionID": SUBSCRIPTION,
        "resourceGroup": RESOURCES, "vmType": "vmss", "tenantID": MACHINES, "clientID": "msi",
        "clientSecret": "msi", "useMSI": true, "userAssignedMSIClientID": people::client_id("cluster")});
    values["nmi"]["retryAttemptsForCreated"] = "2".into();
    values["mic"] = json!({
        "immutableUserMSIs": [people::client_id("lasting")],
        "identityAssignmentReconcileInterval": "15s",
        "extraArgs": [format!("--authority={}", azure.authority()), format!("--arm-url={}", azure.arm_url()),
            "--removal-linger=3s"],
    });
    values
}

/// What is there before podgate is.
pub(crate) fn before(azure: &Azure) -> Vec<Value> {
    let namespace =
        |name: &&str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let authority = |namespace: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": CA, "namespace": namespace}, "data": {"ca.crt": azure.ca_pem()}})
    };
    let mut objects: Vec<Value> = [RELEASE, "shop", "depot"].iter().map(namespace).collect();
    objects.extend([RELEASE, "shop"].map(authority));
    objects
}

/// An identity of the cases and a binding of its name, in a namespace. Pods have it by this selector.
pub(crate) fn cast(namespace: &str, object: &str, person: &str, selector: &str) -> [Value; 2] {
    let person = people::identity(person);
    let spec = json!({"type": 0, "clientID": person.client_id, "resourceID": person.resource_id});
    [
        identity(namespace, object, spec),
        binding(namespace, object, object, selector),
    ]
}

/// One whose fields no machine can have.
pub(crate) fn misspelt(name: &str) -> [Value; 2] {
    let spec = json!({"type": 0, "clientID": people::client_id("mended"), "resourceID": "/subscriptions/x/mended"});
    [
        identity("shop", name, spec),
        binding("shop", name, name, name),
    ]
}

/// The identities of the demo, each with a binding of its name, and the Secrets that they name.
pub(crate) fn identities() -> Vec<Value> {
    let service_principal = |kind: u8, client_id: &str, secret: &str| {
        json!({"type": kind, "tenantID": TENANT, "clientID": client_id,
            "clientPassword": {"name": secret, "namespace": "shop"}})
    };
    let specs = [
        ("web", user_assigned(WEB, "web")),
        ("archive", user_assigned(ARCHIVE, "archive")),
        ("worker", service_principal(1, WORKER, "worker-secret")),
        ("ledger", service_principal(2, LEDGER, "ledger-certificate")),
    ];
    let pair = |(name, spec)| {
        [
            identity("shop", name, spec),
            binding("shop", name, name, name),
        ]
    };
    let secrets = demo::secrets()["items"].clone();
    let secrets = secrets.as_array().cloned().unwrap_or_default();
    specs.into_iter().flat_map(pair).chain(secrets).collect()
}

fn user_assigned(client_id: &str, name: &str) -> Value {
    json!({"type": 0, "clientID": client_id, "resourceID": demo::resource_id(name)})
}

fn identity(namespace: &str, name: &str, spec: Value) -> Value {
    json!({"apiVersion": GROUP, "kind": "AzureIdentity",
        "metadata": {"name": name, "namespace": namespace}, "spec": spec})
}

pub(crate) fn binding(namespace: &str, name: &str, identity: &str, selector: &str) -> Value {
    json!({"apiVersion": GROUP, "kind": "AzureIdentityBinding",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"azureIdentity": identity, "selector": selector}})
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

/// The pod of the old walkthrough, with podgate's image, and the certificate of the ARM that it may ask.
pub(crate) fn demo(name: &str, arguments: &[&str]) -> Value {
    let from = |path: &str| json!({"fieldRef": {"fieldPath": path}});
    json!({"apiVersion": "v1", "kind": "Pod",
    "metadata": {"name": name, "namespace": "shop", "labels": {"aadpodidbinding": "web"}},
    "spec": {"nodeSelector": {"kubernetes.io/os": "linux"}, "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "demo", "image": DEMO, "args": arguments,
            "volumeMounts": [{"name": "ca", "mountPath": "/ca"}], "env": [
            {"name": "MY_POD_NAME", "valueFrom": from("metadata.name")},
            {"name": "MY_POD_NAMESPACE", "valueFrom": from("metadata.namespace")},
            {"name": "MY_POD_IP", "valueFrom": from("status.podIP")},
        ]}],
        "volumes": [{"name": "ca", "configMap": {"name": CA}}]}})
}

/// So many pods of one Job, spread over the nodes, each of which has to get a token of `web`, in an init container too if
/// `twice`; one that does not is started anew.
pub(crate) fn job(name: &str, pods: usize, twice: bool) -> Value {
    let labels = json!({"aadpodidbinding": "web", "job": name});
    let spread = json!([{"maxSkew": 1, "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {"matchLabels": {"job": name}}}]);
    let ask = |name: &str| json!({"name": name, "image": DEMO, "args": ["--once", "--identity-client-id", WEB]});
    let first = match twice {
        true => json!([ask("first")]),
        false => json!([]),
    };
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "namespace": "shop"},
        "spec": {"parallelism": pods, "completions": pods, "backoffLimit": 100, "template": {
            "metadata": {"labels": labels},
            "spec": {"restartPolicy": "OnFailure", "topologySpreadConstraints": spread,
                "initContainers": first, "containers": [ask("second")]}}}})
}

/// A pod on a node that asks once for what a selector gives it, as an SDK does, and ends.
pub(crate) fn once(name: &str, node: &str, selector: &str, client_id: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "labels": {"aadpodidbinding": selector}},
        "spec": {"nodeName": node, "restartPolicy": "Never", "containers": [
            {"name": "demo", "image": DEMO, "args": ["--once", "--identity-client-id", client_id]}]}})
}

/// A workload's pods that start again with their node, each of which asks every two seconds.
pub(crate) fn persistent(name: &str, node: &str) -> Value {
    let mut pod = demo(name, &["--identity-client-id", WEB, "--period=2s"]);
    pod["spec"]["nodeName"] = node.into();
    pod
}
