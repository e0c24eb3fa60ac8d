//! A real API server, and objects in place of kubelets.

use std::path::Path;
use std::process::{Command, Stdio};

use podgate_e2e::node::{PodObject, apply};
use podgate_testkit::programs;
use serde_json::json;

use crate::command;
use crate::ground::{Ground, event, label, lease, renew};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only cli-explain"]
async fn each_thing_that_is_done_leads_to_the_next() {
    let ground = Ground::lay().await;
    ground
        .explain("web")
        .is(1, "no-such-pod", &["kubectl get pods -n shop"]);
    let app = json!({"containers": [{"name": "app", "image": "app:1"}]});
    ground.pod("shop", "web", json!({"app": "web"}), app).await;
    ground
        .explain("web")
        .is(1, "no-address", &["kubectl describe pod web -n shop"]);
    ground
        .status(
            "shop",
            "web",
            json!({"phase": "Running", "podIP": "10.244.1.7", "podIPs": [{"ip": "10.244.1.7"}]}),
        )
        .await;
    ground
        .explain("pod/web")
        .is(1, "no-label", &["web or worker"]);
    label(&ground, "Web").await;
    ground.explain("web").is(
        1,
        "no-binding",
        &["did you mean web", "aadpodidbinding=web"],
    );
    label(&ground, "web").await;
    ground
        .explain("web")
        .is(1, "no-gateway", &["no gateway of podgate is on node node1"]);
    ground
        .component(
            "gateway",
            &["--operation-mode=standard", "--http-probe-port=8085"],
        )
        .await;
    let waiting = json!([{"name": "gateway", "image": "podgate:1", "imageID": "", "ready": false, "restartCount": 3,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]);
    ground
        .status("podgate", "gateway", json!({"containerStatuses": waiting}))
        .await;
    ground.explain("web").is(
        1,
        "gateway-not-ready",
        &["container gateway: CrashLoopBackOff"],
    );
    ground.ready("gateway").await;
    ground
        .explain("web")
        .is(1, "no-controller", &["no controller is in the cluster"]);
    ground
        .component("controller", &["--leader-election-name=lock"])
        .await;
    ground.explain("web").is(
        1,
        "no-controller",
        &["no controller is ready: podgate/controller"],
    );
    ground.ready("controller").await;
    lease(&ground, "lock", "2020-01-01T00:00:00.000000Z").await;
    ground
        .explain("web")
        .is(1, "no-controller", &["nobody holds the controllers' Lease"]);
    renew(&ground, "lock").await;
    ground
        .explain("web")
        .is(1, "no-record", &["kubectl logs controller -n podgate"]);
    assign(&ground).await;
}

/// The controller begins, fails, and succeeds.
async fn assign(ground: &Ground) {
    let pod = PodObject::bound("web", "web", [10, 244, 1, 7].into());
    pod.assign(&ground.kube, "web", "Created").await.unwrap();
    ground.explain("web").is(
        1,
        "on-its-way",
        &[
            "Created since",
            "default/web-shop-web",
            "controller-0 works",
        ],
    );
    event(
        ground,
        "v1.AzureIdentityBinding",
        "web",
        "LinkedAuthorizationFailed on \u{1b}[31midentity",
    )
    .await;
    let told = ground.explain("web");
    told.is(
        1,
        "not-assigned",
        &["the controller said: LinkedAuthorizationFailed on  [31midentity"],
    );
    assert_eq!(
        told.report["events"][0]["about"],
        "AzureIdentityBinding/web"
    );
    pod.assign(&ground.kube, "web", "Assigned").await.unwrap();
    let told = ground.explain("web");
    // No kubelet is here that could forward a port.
    told.is(
        2,
        "cannot-tell",
        &["what the gateway podgate/gateway answers"],
    );
    assert_eq!(told.report["identities"][0]["state"], "Assigned");
    let output = command::run(&[], &ground.plane.kubeconfig(), "web", &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    println!("{text}");
    assert!(
        text.contains("Assigned since") && !text.contains('\u{1b}'),
        "{text}"
    );
}

/// Every fact that this person may not read is named, with a command that really says no.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only cli-explain"]
async fn a_right_that_is_missing_makes_one_fact_unknown_and_is_named() {
    let ground = Ground::lay().await;
    let somebody = ground.somebody();
    PodObject::bound("web", "web", [10, 244, 1, 7].into())
        .create(&ground.kube)
        .await
        .unwrap();
    let told = command::explain(&[], &somebody, "web", &[]);
    told.is(
        2,
        "cannot-tell",
        &["you may not get pods in namespace shop"],
    );
    assert!(
        told.checks()
            .contains(&"kubectl auth can-i get pods/web -n shop".to_owned())
    );
    grant(&ground).await;
    let told = command::explain(&[], &somebody, "web", &[]);
    told.is(
        2,
        "cannot-tell",
        &["the gateways of node node1: you may not list pods in all namespaces"],
    );
    assert_eq!(
        told.report["identities"][0]["identity"], "shop/web",
        "what may be read is read"
    );
    let checks = told.checks();
    for needed in [
        "list pods -A",
        "get nodes/node1",
        "get azureassignedidentities.aadpodidentity.k8s.io/web-shop-web -n shop",
        "list events -n shop",
        "list events -n default",
    ] {
        assert!(
            checks.contains(&format!("kubectl auth can-i {needed}")),
            "{needed}: {checks:?}"
        );
    }
    for check in checks {
        assert_eq!(kubectl(&somebody, &check), "no", "{check}");
    }
    let own = command::explain(&[], &somebody, "web", &["--podgate-namespace=podgate"]);
    own.is(
        2,
        "cannot-tell",
        &["kubectl auth can-i list pods -n podgate"],
    );
}

/// What `view` of the chart gives in one namespace, without Events and records.
async fn grant(ground: &Ground) {
    let rules = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: { name: somebody, namespace: shop }
rules:
- { apiGroups: [''], resources: [pods], verbs: [get] }
- apiGroups: [aadpodidentity.k8s.io]
  resources: [azureidentities, azureidentitybindings, azurepodidentityexceptions]
  verbs: [list]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: { name: somebody, namespace: shop }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: Role, name: somebody }
subjects: [{ kind: User, apiGroup: rbac.authorization.k8s.io, name: somebody }]
";
    apply(&ground.kube, rules).await.unwrap();
}

/// What it says, in a word.
fn kubectl(kubeconfig: &Path, command: &str) -> String {
    let output = Command::new(programs().unwrap().join("kubectl"))
        .args(command.split_whitespace().skip(1))
        .env("KUBECONFIG", kubeconfig)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only cli-explain"]
async fn fields_that_the_api_server_dropped_are_found_in_what_kubectl_applied() {
    let ground = Ground::lay().await;
    PodObject::bound("old", "old", [10, 244, 1, 8].into())
        .create(&ground.kube)
        .await
        .unwrap();
    let old = "
apiVersion: aadpodidentity.k8s.io/v1
kind: AzureIdentity
metadata: { name: old, namespace: shop }
spec: { type: 0, ClientID: 11111111-1111-4111-8111-111111111111, ResourceID: /subscriptions/s }
---
apiVersion: aadpodidentity.k8s.io/v1
kind: AzureIdentityBinding
metadata: { name: old, namespace: shop }
spec: { AzureIdentity: old, Selector: old }
";
    let manifest = ground.folder.path().join("old.yaml");
    std::fs::write(&manifest, old).unwrap();
    let apply = |path: &Path| {
        kubectl(
            &ground.plane.kubeconfig(),
            &format!("kubectl apply --validate=ignore -f {}", path.display()),
        )
    };
    assert!(apply(&manifest).contains("azureidentitybinding.aadpodidentity.k8s.io/old created"));
    ground.explain("old").is(
        1,
        "old-casing",
        &["AzureIdentityBinding shop/old", "Selector (now selector)"],
    );
    std::fs::write(
        &manifest,
        old.replace(
            "AzureIdentity: old, Selector",
            "azureIdentity: old, selector",
        ),
    )
    .unwrap();
    apply(&manifest);
    ground.explain("old").is(
        1,
        "old-casing",
        &["AzureIdentity shop/old", "ClientID (now clientID)"],
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only cli-explain"]
async fn where_podgates_kinds_are_not_even_defined_it_says_so() {
    let ground = Ground::bare().await;
    PodObject::bound("web", "web", [10, 244, 1, 7].into())
        .create(&ground.kube)
        .await
        .unwrap();
    ground
        .explain("web")
        .is(1, "not-installed", &["install podgate"]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only cli-explain"]
async fn an_api_server_that_is_away_is_no_diagnosis() {
    let ground = Ground::bare().await;
    ground.plane.stop_apiserver().await.unwrap();
    ground
        .explain("web")
        .is(2, "cannot-tell", &["Pod shop/web", "onnect"]);
}
