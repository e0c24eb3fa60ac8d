//! Many pods and many identities.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use podgate_api::AzureIdentityBinding;
use podgate_testkit::Fleet;

use crate::objects::{create, each, pod};
use crate::scene::{Scene, small};

/// In eight changes, which is what Azure allows a scale set at once.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn add_in_order_and_remove_in_random_order_without_breaking_the_remaining() {
    let scene = Scene::start().await;
    let _controller = scene.leader(&[]).await;
    let mut there = Vec::new();
    for added in [&[1, 2][..], &[3], &[4], &[5]] {
        for number in added {
            let name = format!("web{number}");
            scene.cast("shop", &name, *number).await;
            scene.pod("shop", &format!("p{number}"), 0, &name).await;
        }
        there.extend_from_slice(added);
        each_has_its_own(&scene, &there).await;
    }
    for removed in [&[3][..], &[1], &[5], &[2, 4]] {
        there.retain(|number| !removed.contains(number));
        for number in removed {
            let name = format!("web{number}");
            scene.delete::<AzureIdentityBinding>("shop", &name).await;
        }
        each_has_its_own(&scene, &there).await;
    }
    for patch in scene.patches() {
        assert_eq!(patch.status, Some(200), "{patch:?}");
    }
}

async fn each_has_its_own(scene: &Scene, there: &[usize]) {
    let names: Vec<String> = there.iter().map(|n| format!("p{n}-shop-web{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    scene.assigned(&names).await;
    assert_eq!(scene.on(0), there);
}

/// A change takes ARM five seconds, as the fastest do.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn forty_pods_are_assigned_within_150_s_and_cost_a_patch_for_each_scale_set() {
    let fleet = Fleet::new().scale_sets(3).instances(2).identities(6);
    let scene = Scene::with(fleet, |arm| arm.operation_ms = 5_000).await;
    let _controller = scene.leader(&["--coalesce=1s"]).await;
    for number in 1..=5 {
        scene.cast("shop", &format!("web{number}"), number).await;
    }
    let (kube, nodes) = (scene.kube.clone(), scene.nodes.clone());
    each(40, move |number| {
        let selector = format!("web{}", 1 + number % 5);
        let object = pod(
            "shop",
            &format!("p{number}"),
            &nodes[number % 6].name,
            &selector,
        );
        let kube = kube.clone();
        async move { create::<Pod>(&kube, object).await }
    })
    .await;
    let names: Vec<String> = (0..40)
        .map(|n| format!("p{n}-shop-web{}", 1 + n % 5))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let took = scene.assigned(&names).await;
    println!(
        "40 pods, 3 scale sets, changes of 5 s: Assigned after {took:.1?}, {:?}",
        scene.sim.arm_calls()
    );
    assert!(took < Duration::from_secs(150));
    assert_eq!(scene.patches().len(), 3);
    for node in [0, 2, 4] {
        assert_eq!(scene.on(node), [1, 2, 3, 4, 5]);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn new_assigned_identity_when_the_pod_s_label_is_changed() {
    let scene = Scene::start().await;
    let _controller = scene.leader(&["--removal-linger=1h"]).await;
    scene.cast("shop", "a", 1).await;
    scene.cast("shop", "b", 2).await;
    scene.pod("shop", "p", 0, "a").await;
    scene.assigned(&["p-shop-a"]).await;
    scene.relabel("shop", "p", "b").await;
    scene.assigned(&["p-shop-b"]).await;
    assert_eq!(
        scene.on(0),
        [2],
        "who is there and not bound any more loses it at once"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn a_rolling_deployment_costs_no_patch_and_no_pod_waits() {
    let scene = Scene::of(small()).await;
    let _controller = scene.leader(&["--removal-linger=60s"]).await;
    scene.cast("shop", "web", 1).await;
    for number in 0..12 {
        scene
            .pod("shop", &format!("old{number}"), number % 4, "web")
            .await;
    }
    scene
        .until("12 records", async || all_assigned(&scene, 12).await)
        .await;
    scene.sim.clear_calls();
    let mut longest = Duration::ZERO;
    for number in 0..12 {
        scene.delete_pod("shop", &format!("old{number}")).await;
        let name = format!("new{number}");
        scene.pod("shop", &name, number % 4, "web").await;
        let record = format!("default/{name}-shop-web");
        let took = scene
            .until(&record, async || {
                scene
                    .states()
                    .await
                    .get(&record)
                    .is_some_and(|state| state == "Assigned")
            })
            .await;
        longest = longest.max(took);
    }
    println!("a pod of a rolling deployment is Assigned after at most {longest:.1?}");
    scene
        .until("the old records' end", async || {
            all_assigned(&scene, 12).await
        })
        .await;
    assert_eq!(
        scene.sim.arm_calls().all(),
        0,
        "{:?}",
        scene.sim.arm_calls()
    );
}

async fn all_assigned(scene: &Scene, count: usize) -> bool {
    let states = scene.states().await;
    states.len() == count && states.values().all(|state| state == "Assigned")
}
