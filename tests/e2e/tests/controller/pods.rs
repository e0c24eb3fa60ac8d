//! Pods that end, move, and share names.

use serde_json::json;

use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn completed_and_failed_pods_release_their_identities() {
    let scene = Scene::start().await;
    let _controller = scene.leader(&[]).await;
    for (number, name) in [(1, "job"), (2, "crash"), (3, "web")] {
        scene.cast("shop", name, number).await;
        scene.pod("shop", name, 0, name).await;
    }
    scene
        .assigned(&["crash-shop-crash", "job-shop-job", "web-shop-web"])
        .await;
    scene
        .status("shop", "job", json!({"phase": "Succeeded"}))
        .await;
    scene
        .status("shop", "crash", json!({"phase": "Failed"}))
        .await;
    scene.assigned(&["web-shop-web"]).await;
    assert_eq!(scene.on(0), [3]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn completed_pods_keep_their_identities_where_that_is_asked_for() {
    let scene = Scene::start().await;
    let _controller = scene
        .leader(&["--keep-completed-pods", "--removal-linger=0s"])
        .await;
    for (number, name) in [(1, "job"), (2, "web")] {
        scene.cast("shop", name, number).await;
        scene.pod("shop", name, 0, name).await;
    }
    scene.assigned(&["job-shop-job", "web-shop-web"]).await;
    scene
        .status("shop", "job", json!({"phase": "Succeeded"}))
        .await;
    // What comes later is heard later: by its end the phase has been heard as well.
    scene.delete_pod("shop", "web").await;
    scene.assigned(&["job-shop-job"]).await;
    assert_eq!(scene.on(0), [1]);
    scene.delete_pod("shop", "job").await;
    scene.assigned(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn pods_of_one_name_in_two_namespaces_protect_each_other() {
    let scene = Scene::start().await;
    let _controller = scene.leader(&[]).await;
    scene.cast("shop", "web", 1).await;
    scene.pod("shop", "web-0", 0, "web").await;
    scene.pod("depot", "web-0", 1, "web").await;
    scene.assigned(&["web-0-depot-web", "web-0-shop-web"]).await;
    scene.delete_pod("shop", "web-0").await;
    scene.assigned(&["web-0-depot-web"]).await;
    assert_eq!(scene.on(0), [1]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn a_stateful_pod_that_comes_again_on_another_node_takes_its_identity_along() {
    let scene = Scene::start().await;
    let _controller = scene.leader(&["--removal-linger=1s"]).await;
    scene.cast("shop", "web", 1).await;
    scene.pod("shop", "web-0", 0, "web").await;
    scene.assigned(&["web-0-shop-web"]).await;
    scene.delete_pod("shop", "web-0").await;
    scene.pod("shop", "web-0", 2, "web").await;
    scene.holds(2, &[1]).await;
    scene.holds(0, &[]).await;
    scene.assigned(&["web-0-shop-web"]).await;
    let record = scene.record("web-0-shop-web").await;
    let node = &scene.nodes[2].name;
    assert_eq!(record.spec.node_name, *node);
    let labels = record.metadata.labels.unwrap();
    assert_eq!(
        labels[podgate_api::NODE_LABEL],
        *node,
        "the gateways look by it"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn pods_that_were_there_before_the_controller_are_served() {
    let scene = Scene::start().await;
    scene.cast("shop", "web", 1).await;
    for node in 0..5 {
        scene.pod("shop", &format!("p{node}"), node, "web").await;
    }
    // Without the label, or without a node: none of the controller's business.
    scene.pod("shop", "unbound", 0, "").await;
    scene.pod("shop", "nobody", 0, "nobody").await;
    let _controller = scene.leader(&[]).await;
    let names = [
        "p0-shop-web",
        "p1-shop-web",
        "p2-shop-web",
        "p3-shop-web",
        "p4-shop-web",
    ];
    scene.assigned(&names).await;
    assert_eq!(
        (scene.on(0), scene.on(2), scene.on(4)),
        (vec![1], vec![1], vec![1])
    );
    assert_eq!(scene.patches().len(), 3, "one for each machine");
}
