//! Whose identities a pod may have.

use podgate_api::{AzureIdentity, BEHAVIOR_ANNOTATION};
use serde_json::json;

use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn a_namespaced_controller_keeps_identities_and_records_in_their_namespace() {
    let scene = Scene::start().await;
    let _controller = scene.leader(&["--forceNamespaced"]).await;
    for (number, namespace) in [(1, "shop"), (2, "depot")] {
        scene.identity(namespace, "same", number).await;
        scene.binding(namespace, "same", "same", "x").await;
        scene.pod(namespace, "p", 0, "x").await;
    }
    let states = [
        ("depot/p-depot-same", "Assigned"),
        ("shop/p-shop-same", "Assigned"),
    ];
    scene.settled(&states).await;
    assert_eq!(scene.on(0), [1, 2]);
    for namespace in ["shop", "depot"] {
        scene.delete_pod(namespace, "p").await;
    }
    scene.settled(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn an_identity_with_the_annotation_is_for_its_own_namespace_only() {
    let scene = Scene::start().await;
    let _controller = scene.leader(&[]).await;
    scene.cast("shop", "web", 1).await;
    scene.pod("shop", "p", 0, "web").await;
    scene.pod("depot", "p", 2, "web").await;
    scene.assigned(&["p-depot-web", "p-shop-web"]).await;
    let mark = json!({"metadata": {"annotations": {BEHAVIOR_ANNOTATION: "namespaced"}}});
    scene.edit::<AzureIdentity>("shop", "web", mark).await;
    scene.settled(&[("shop/p-shop-web", "Assigned")]).await;
    scene.holds(2, &[]).await;
    assert_eq!(scene.on(0), [1]);
    let unmark = json!({"metadata": {"annotations": {BEHAVIOR_ANNOTATION: null}}});
    scene.edit::<AzureIdentity>("shop", "web", unmark).await;
    scene.assigned(&["p-depot-web", "p-shop-web"]).await;
}
