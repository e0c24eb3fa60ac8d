//! What the machines of nodes hold, and what must stay there.

use std::time::Duration;

use podgate_testkit::{Compute, Fleet};
use tokio::time::sleep;

use crate::objects::create_node;
use crate::process::Controller;
use crate::scene::{Scene, small};

/// A pod `p` on the first node, with an identity that it has.
async fn with_pod(fleet: Fleet, flags: &[&str]) -> (Scene, Controller) {
    let scene = Scene::of(fleet).await;
    let controller = scene.leader(flags).await;
    scene.cast("shop", "web", 1).await;
    scene.pod("shop", "p", 0, "web").await;
    scene.assigned(&["p-shop-web"]).await;
    (scene, controller)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn not_delete_an_identity_used_by_another_pod_on_another_instance_of_the_scale_set() {
    let (scene, _controller) = with_pod(small(), &[]).await;
    scene.pod("shop", "q", 1, "web").await;
    scene.assigned(&["p-shop-web", "q-shop-web"]).await;
    scene.delete_pod("shop", "p").await;
    scene.assigned(&["q-shop-web"]).await;
    assert_eq!(scene.on(0), [1]);
    assert_eq!(scene.patches().len(), 1, "{:?}", scene.patches());
    scene.delete_pod("shop", "q").await;
    scene.assigned(&[]).await;
    assert!(scene.on(0).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn delete_the_assigned_identity_when_the_identity_is_unassigned_on_azure() {
    let (scene, _controller) = with_pod(small(), &[]).await;
    scene.by_hand(0, &[], &[1]);
    scene.delete_pod("shop", "p").await;
    scene.assigned(&[]).await;
    assert!(scene.on(0).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn not_alter_the_system_assigned_identity() {
    let fleet = small().system_assigned();
    let (scene, _controller) = with_pod(fleet, &[]).await;
    let before = scene
        .sim
        .compute(&scene.nodes[0].compute)
        .unwrap()
        .system_assigned;
    assert!(before.is_some());
    scene.delete_pod("shop", "p").await;
    scene.assigned(&[]).await;
    let after = scene
        .sim
        .compute(&scene.nodes[0].compute)
        .unwrap()
        .system_assigned;
    assert_eq!(after, before);
    for patch in scene.patches() {
        let kind = patch.body.unwrap()["identity"]["type"].clone();
        assert_eq!(kind, "SystemAssigned, UserAssigned");
    }
}

/// Nothing but the system-assigned one is left: the type itself changes.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn not_alter_the_system_assigned_identity_when_the_last_user_assigned_one_goes() {
    let scene = Scene::of(small()).await;
    let bare = Compute {
        id: format!("{}-bare", scene.fleet.scale_set(0)),
        location: "westeurope".to_owned(),
        system_assigned: Some(podgate_testkit::SystemIdentity {
            client_id: "5c000000-0000-4000-8000-00000000aaaa".to_owned(),
            object_id: "50000000-0000-4000-8000-00000000aaaa".to_owned(),
        }),
        identities: Vec::new(),
        state: "Succeeded".to_owned(),
    };
    assert!(scene.sim.add_compute(&bare));
    let provider = format!("azure://{}/virtualMachines/0", bare.id);
    create_node(&scene.kube, "bare", &provider).await;
    let _controller = scene.leader(&[]).await;
    scene.cast("shop", "web", 1).await;
    let pod = crate::objects::pod("shop", "p", "bare", "web");
    crate::objects::create::<k8s_openapi::api::core::v1::Pod>(&scene.kube, pod).await;
    scene.assigned(&["p-shop-web"]).await;
    let there = scene.sim.compute(&bare.id).unwrap();
    assert_eq!(
        (there.identities.len(), &there.system_assigned),
        (1, &bare.system_assigned)
    );
    scene.delete_pod("shop", "p").await;
    scene.assigned(&[]).await;
    assert_eq!(scene.sim.compute(&bare.id), Some(bare));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn not_alter_other_user_assigned_identities_on_the_machine() {
    let scene = Scene::start().await;
    scene.by_hand(0, &[7], &[]);
    let _controller = scene
        .leader(&["--identity-assignment-reconcile-interval=1s"])
        .await;
    scene.cast("shop", "web", 1).await;
    scene.pod("shop", "p", 0, "web").await;
    scene.assigned(&["p-shop-web"]).await;
    scene.by_hand(0, &[8], &[]);
    // Several reconcile passes.
    sleep(Duration::from_secs(3)).await;
    assert_eq!(scene.on(0), [1, 7, 8]);
    scene.delete_pod("shop", "p").await;
    scene.assigned(&[]).await;
    assert_eq!(scene.on(0), [7, 8]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn not_delete_an_immutable_identity() {
    let immutable = small().identity(1).client_id.to_uppercase();
    let flag = format!("--immutable-user-msis={immutable}, 1d000000-0000-4000-8000-00000000ffff");
    let (scene, _controller) = with_pod(small(), &[&flag]).await;
    scene.cast("shop", "other", 2).await;
    scene.pod("shop", "q", 1, "other").await;
    scene.assigned(&["p-shop-web", "q-shop-other"]).await;
    scene.delete_pod("shop", "p").await;
    scene.delete_pod("shop", "q").await;
    scene.assigned(&[]).await;
    assert_eq!(scene.on(0), [1]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn reconcile_if_manually_unassigned() {
    let (scene, _controller) =
        with_pod(small(), &["--identity-assignment-reconcile-interval=2s"]).await;
    scene.by_hand(0, &[], &[1]);
    let took = scene.holds(0, &[1]).await;
    assert!(took < Duration::from_secs(10), "{took:?}");
    scene.assigned(&["p-shop-web"]).await;
    let told = scene
        .event("AzureIdentityBinding", "web", "identity missing")
        .await;
    assert!(told.contains("AzureIdentity shop/web"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn not_delete_the_cluster_identity_though_a_pod_used_it() {
    let scene = Scene::start().await;
    let _controller = scene.leader(&[]).await;
    scene.cast("shop", "kubelet", 0).await;
    scene.cast("shop", "web", 1).await;
    scene.pod("shop", "p", 0, "kubelet").await;
    scene.pod("shop", "q", 0, "web").await;
    scene.assigned(&["p-shop-kubelet", "q-shop-web"]).await;
    scene.delete_pod("shop", "p").await;
    scene.delete_pod("shop", "q").await;
    scene.assigned(&[]).await;
    assert!(
        scene.on(0).is_empty(),
        "but for the kubelet's, which this looks for"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn a_deleted_node_releases_what_only_it_used() {
    let (scene, _controller) = with_pod(small(), &[]).await;
    scene.cast("shop", "other", 2).await;
    scene.pod("shop", "q", 1, "other").await;
    scene.pod("shop", "r", 4, "other").await;
    scene
        .assigned(&["p-shop-web", "q-shop-other", "r-shop-other"])
        .await;
    scene.sim.remove_compute(&scene.nodes[4].compute);
    for node in [0, 4] {
        scene.delete_node(node).await;
    }
    scene.assigned(&["q-shop-other"]).await;
    assert_eq!(scene.on(1), [2]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn scale_sets_of_one_name_in_two_groups_and_subscriptions_are_two() {
    let scene = Scene::start().await;
    let _controller = scene.leader(&[]).await;
    let here = scene.fleet.scale_set(0);
    let group = here.replace("MC_fleet-00", "mc_elsewhere");
    let subscription = here.replace("5ab50000-0000", "5ab50000-9999");
    for (name, id) in [("group", &group), ("subscription", &subscription)] {
        let compute = Compute {
            id: id.clone(),
            location: "westeurope".to_owned(),
            state: "Succeeded".to_owned(),
            ..Compute::default()
        };
        assert!(scene.sim.add_compute(&compute));
        let provider = format!("azure://{id}/virtualMachines/0");
        create_node(&scene.kube, name, &provider).await;
        scene
            .cast("shop", name, if name == "group" { 1 } else { 2 })
            .await;
        let pod = crate::objects::pod("shop", name, name, name);
        crate::objects::create::<k8s_openapi::api::core::v1::Pod>(&scene.kube, pod).await;
    }
    scene
        .assigned(&["group-shop-group", "subscription-shop-subscription"])
        .await;
    let held = |id: &str| scene.sim.compute(id).unwrap().identities.len();
    assert_eq!((held(&group), held(&subscription)), (1, 1));
    assert!(scene.on(0).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn a_node_without_a_provider_id_is_told_of_and_healed() {
    let scene = Scene::start().await;
    let _controller = scene.leader(&[]).await;
    create_node(&scene.kube, "late", "").await;
    scene.cast("shop", "web", 1).await;
    let pod = crate::objects::pod("shop", "p", "late", "web");
    crate::objects::create::<k8s_openapi::api::core::v1::Pod>(&scene.kube, pod).await;
    let told = scene.event("Node", "late", "binding apply error").await;
    assert!(told.contains("spec.providerID"), "{told}");
    assert!(scene.states().await.is_empty());
    let api: kube::Api<k8s_openapi::api::core::v1::Node> = kube::Api::all(scene.kube.clone());
    let provider = format!("azure://{}/virtualMachines/9", scene.fleet.scale_set(1));
    let patch = kube::api::Patch::Merge(serde_json::json!({"spec": {"providerID": provider}}));
    api.patch("late", &Default::default(), &patch)
        .await
        .unwrap();
    scene.assigned(&["p-shop-web"]).await;
    assert_eq!(scene.on(2), [1]);
}
