//! A controller that cannot see the cluster, or not all of it: it leaves the lease to others, and takes nothing away.

use std::time::Duration;

use tokio::time::sleep;

use crate::scene::Scene;
use crate::witness::Witness;

const BINDINGS: &str = "azureidentitybindings";
const KINDS: [&str; 5] = [
    "azureidentities",
    BINDINGS,
    "azureassignedidentities",
    "nodes",
    "pods",
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn who_cannot_list_a_kind_leaves_a_free_lease_to_others() {
    let scene = Scene::start().await;
    let witness = Witness::before(&scene.kubeconfig(0)).await;
    witness.refuse(&[BINDINGS], 403).await;
    let blind = scene.spawn(0, &[]);
    scene
        .until("it tries on", async || witness.lists(BINDINGS, 403) >= 3)
        .await;
    assert_eq!(blind.health().await.as_deref(), Some("Not Active"));
    assert_eq!(scene.holder().await, None, "nobody has the lease");
    let sees = scene.spawn(1, &[]);
    scene.active(&sees).await;
    scene.cast("shop", "web", 1).await;
    scene.pod("shop", "p", 0, "web").await;
    scene.assigned(&["p-shop-web"]).await;
    witness.recover();
    scene
        .until("the whole list", async || witness.lists(BINDINGS, 200) > 0)
        .await;
    assert!(sees.is_active().await && !blind.is_active().await);
    assert!(sees.stop().await.success());
    scene.active(&blind).await;
    scene.pod("shop", "q", 2, "web").await;
    scene.assigned(&["p-shop-web", "q-shop-web"]).await;
}

/// A definition that is away, as while somebody replaces it, or an aggregated API whose server restarts.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn kinds_that_are_away_for_a_moment_cost_no_pod_its_identity() {
    let scene = Scene::start().await;
    let witness = Witness::before(&scene.kubeconfig(0)).await;
    let controller = scene.leader(&["--removal-linger=0s"]).await;
    scene.cast("shop", "web", 1).await;
    scene.pod("shop", "p", 0, "web").await;
    scene.assigned(&["p-shop-web"]).await;
    witness.refuse(&KINDS, 404).await;
    let away = |kind: &&str| witness.lists(kind, 404) >= 2;
    scene
        .until("all are away", async || KINDS.iter().all(away))
        .await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(scene.on(0), [1]);
    scene.assigned(&["p-shop-web"]).await;
    let before = KINDS.map(|kind| witness.lists(kind, 200));
    witness.recover();
    let pairs = KINDS.iter().zip(before);
    scene
        .until("whole lists", async || {
            pairs
                .clone()
                .all(|(kind, before)| witness.lists(kind, 200) > before)
        })
        .await;
    let metrics = controller.metrics().await;
    let counted = "podgate_watch_restarts_total{kind=\"AzureIdentity\",reason=\"refused\"}";
    assert!(metrics.contains(counted), "{metrics}");
    scene.pod("shop", "q", 2, "web").await;
    scene.assigned(&["p-shop-web", "q-shop-web"]).await;
    scene.delete_pod("shop", "p").await;
    scene.assigned(&["q-shop-web"]).await;
    scene.holds(0, &[]).await;
}
