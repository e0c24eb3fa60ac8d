//! The controller's rights: it has what it needs, and needs what it has.

use std::collections::BTreeSet;

use k8s_openapi::api::coordination::v1::Lease;
use podgate_api::AzureIdentity;
use serde_json::{Value, json};

use crate::scene::{LEASE, Scene, rbac};
use crate::witness::{Seen, Witness};

/// `RESOURCE VERB` of each right.
fn granted() -> BTreeSet<String> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(&rbac()).unwrap();
    let role = |one: &&Value| {
        one["kind"] == "ClusterRole" && one["metadata"]["name"] == "podgate-controller"
    };
    let role = documents.iter().find(role).unwrap();
    let words = |rule: &Value, field: &str| -> Vec<String> {
        let list = rule[field].as_array().unwrap().iter();
        list.map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    let mut granted = BTreeSet::new();
    for rule in role["rules"].as_array().unwrap() {
        for resource in words(rule, "resources") {
            for verb in words(rule, "verbs") {
                granted.insert(format!("{resource} {verb}"));
            }
        }
    }
    granted
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn every_right_is_used_and_no_other_is_asked_for() {
    let scene = Scene::start().await;
    let witness = Witness::before(&scene.kubeconfig(0)).await;
    let rival = scene.spawn(1, &["--leader-election-duration=3s"]);
    scene.active(&rival).await;
    let controller = scene.spawn(0, &["--leader-election-duration=3s"]);
    let watches = |one: &Seen| one.resource == "leases" && one.verb == "watch";
    scene
        .until("a standby", async || witness.seen().iter().any(watches))
        .await;
    assert!(rival.stop().await.success());
    scene.active(&controller).await;
    scene.cast("shop", "web", 1).await;
    scene.pod("shop", "p", 0, "web").await;
    scene.assigned(&["p-shop-web"]).await;
    let other = scene.fleet.identity(2);
    let edit = json!({"spec": {"resourceID": other.resource_id, "clientID": other.client_id}});
    scene.edit::<AzureIdentity>("shop", "web", edit).await;
    scene.holds(0, &[2]).await;
    scene.assigned(&["p-shop-web"]).await;
    scene.delete_pod("shop", "p").await;
    scene.assigned(&[]).await;
    scene
        .event("AzureIdentityBinding", "web", "binding removed")
        .await;
    scene.delete::<Lease>("default", LEASE).await;
    scene
        .until("another lease", async || scene.holder().await.is_some())
        .await;
    let seen = witness.seen();
    let refused: Vec<_> = seen.iter().filter(|one| one.status == Some(403)).collect();
    assert!(refused.is_empty(), "{refused:?}");
    let used: BTreeSet<String> = seen
        .iter()
        .map(|one| format!("{} {}", one.resource, one.verb))
        .collect();
    let granted = granted();
    assert_eq!(used, granted, "used, and granted");
}
