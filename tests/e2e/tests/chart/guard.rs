//! The admission policy of the startup taint: what RBAC cannot narrow, it does.

use std::time::Duration;

use http::Request;
use k8s_openapi::api::core::v1::Node;
use kube::Client;
use kube::api::{Api, PostParams};
use podgate_testkit::ControlPlane;
use serde_json::{Value, json};

use crate::helm::{RELEASE, helm};

const GATEWAY: &str = "system:serviceaccount:podgate:podgate-gateway";
const TAINT: &str = "podgate.io/not-ready";
/// A merge patch of a list replaces it.
const PATCH: &str = "application/merge-patch+json";

/// The taints that it has then besides podgate's: the API server adds one of its own.
async fn make_node(client: &Client, name: &str) -> Vec<Value> {
    let node = json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": { "name": name },
        "spec": { "taints": [
            { "key": TAINT, "effect": "NoSchedule" },
            { "key": "example.com/other", "effect": "NoSchedule" },
        ] },
    });
    let nodes: Api<Node> = Api::all(client.clone());
    let node = serde_json::from_value(node).unwrap();
    let made = nodes.create(&PostParams::default(), &node).await.unwrap();
    let taints = made.spec.unwrap().taints.unwrap();
    let others = taints.iter().filter(|taint| taint.key != TAINT);
    others
        .map(|taint| serde_json::to_value(taint).unwrap())
        .collect()
}

/// As the gateway of `own` node, whose token says so.
async fn patch(client: &Client, own: &str, node: &str, patch: &Value) -> Result<(), String> {
    let request = Request::patch(format!("/api/v1/nodes/{node}"))
        .header("Content-Type", PATCH)
        .header("Impersonate-User", GATEWAY)
        .header(
            "Impersonate-Extra-authentication.kubernetes.io%2fnode-name",
            own,
        )
        .body(patch.to_string().into_bytes())
        .unwrap();
    client
        .request_text(request)
        .await
        .map(drop)
        .map_err(|error| error.to_string())
}

/// A policy counts a moment after it is accepted.
async fn await_guard(client: &Client) {
    let change = json!({ "metadata": { "labels": { "probe": "1" } } });
    for _ in 0..100 {
        if patch(client, "probe", "probe", &change)
            .await
            .is_err_and(|error| error.contains("a gateway may"))
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the policy does not count after 10 s");
}

#[tokio::test]
#[ignore = "needs helm and the test control plane: cargo xtask test --only chart"]
async fn a_gateway_takes_one_taint_off_its_own_node_and_changes_nothing_else() {
    let plane = ControlPlane::start().await.unwrap();
    let client = plane.client().await.unwrap();
    make_node(&client, "probe").await;
    make_node(&client, "other").await;
    let left = make_node(&client, "own").await;
    let setting = ["--create-namespace", "--set", "startupTaint.enabled=true"];
    helm(
        &plane,
        &[&["install", RELEASE, "charts/podgate"], &setting[..]].concat(),
    );
    await_guard(&client).await;
    let untainted = json!({ "spec": { "taints": left } });
    let more: Vec<Value> = left
        .iter()
        .cloned()
        .chain([json!({ "key": "new", "effect": "NoExecute" })])
        .collect();
    for (node, change, words) in [
        ("other", untainted.clone(), "its own node only"),
        (
            "own",
            json!({ "spec": { "taints": [] } }),
            "and change no other",
        ),
        (
            "own",
            json!({ "spec": { "taints": more } }),
            "and change no other",
        ),
        (
            "own",
            json!({ "metadata": { "labels": { "a": "b" } }, "spec": { "taints": left } }),
            "nothing of its node",
        ),
        (
            "own",
            json!({ "spec": { "taints": left, "unschedulable": true } }),
            "nothing of its node",
        ),
    ] {
        let refused = patch(&client, "own", node, &change).await.unwrap_err();
        assert!(refused.contains(words), "{change}: {refused}");
    }
    patch(&client, "own", "own", &untainted).await.unwrap();
}
