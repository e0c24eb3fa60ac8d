//! Two controllers, of which one writes.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use serde_json::json;
use tokio::time::Instant;

use crate::kills::Deployment;
use crate::process::Controller;
use crate::scene::{LEASE, Scene, small};

/// The first one leads, the second one stands by.
async fn two(scene: &Scene, flags: &[&str]) -> (Controller, Controller) {
    let leader = scene.spawn(0, flags);
    scene.active(&leader).await;
    let standby = scene.spawn(1, flags);
    scene
        .until("a standby", async || {
            standby.health().await.as_deref() == Some("Not Active")
        })
        .await;
    (leader, standby)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn liveness_probe_says_active_of_the_leader_and_not_active_of_others() {
    let scene = Scene::start().await;
    let (leader, standby) = two(&scene, &[]).await;
    scene.cast("shop", "web", 1).await;
    scene.pod("shop", "p", 0, "web").await;
    scene.assigned(&["p-shop-web"]).await;
    assert_eq!(leader.health().await.as_deref(), Some("Active"));
    assert_eq!(standby.health().await.as_deref(), Some("Not Active"));
    assert_eq!(scene.patches().len(), 1);
    let elected = "aadpodidentity_mic_new_leader_election_count";
    let count = async |controller: &Controller| {
        let metrics = controller.metrics().await;
        let line = metrics.lines().find(|line| line.starts_with(elected));
        line.and_then(|line| line.rsplit_once(' '))
            .map(|(_, value)| value.to_owned())
    };
    assert_eq!(count(&leader).await.as_deref(), Some("1"));
    assert_eq!(count(&standby).await.as_deref(), Some("0"));
}

/// It says nothing about whoever held it, and that one may not know yet.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn a_lease_that_is_deleted_makes_no_two_leaders() {
    let scene = Scene::start().await;
    let (mut leader, mut standby) = two(&scene, &["--leader-election-duration=3s"]).await;
    let begun = Instant::now();
    scene.delete::<Lease>("default", LEASE).await;
    while begun.elapsed() < Duration::from_secs(8) {
        let both = leader.is_active().await && standby.is_active().await;
        // Asked one after the other, so the first one is asked again.
        assert!(!both || !leader.is_active().await);
    }
    assert!(leader.ended().is_none() || standby.ended().is_none());
    scene.cast("shop", "web", 1).await;
    scene.pod("shop", "p", 0, "web").await;
    scene.assigned(&["p-shop-web"]).await;
    assert_ne!(leader.is_active().await, standby.is_active().await);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn mic_leader_changed_while_pods_are_assigned_and_all_of_them_are() {
    const DURATION: Duration = Duration::from_secs(5);
    let scene = Scene::with(small(), |arm| arm.operation_ms = 2_000).await;
    let (leader, standby) = two(&scene, &["--leader-election-duration=5s"]).await;
    let deployment = Deployment {
        pods: 30,
        identities: 6,
        pause: Duration::from_millis(100),
    };
    deployment.cast(&scene).await;
    let deploying = deployment.begin(&scene);
    scene
        .until("a first record", async || !scene.states().await.is_empty())
        .await;
    let killed = Instant::now();
    leader.kill();
    scene.active(&standby).await;
    println!("the standby leads {:.1?} after the kill", killed.elapsed());
    assert!(killed.elapsed() < DURATION * 2);
    deploying.await.unwrap();
    deployment.assigned(&scene).await;
    deployment.assert_held(&scene);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn a_leader_that_is_told_to_stop_hands_over_at_once() {
    let scene = Scene::start().await;
    let (leader, standby) = two(&scene, &["--leader-election-duration=60s"]).await;
    let begun = Instant::now();
    assert!(leader.stop().await.success());
    scene.active(&standby).await;
    println!(
        "handed over within {:.1?}, with a lease of 60 s",
        begun.elapsed()
    );
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
    scene.cast("shop", "web", 1).await;
    scene.pod("shop", "p", 0, "web").await;
    scene.assigned(&["p-shop-web"]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn a_leader_whose_lease_is_another_s_ends_and_its_successor_waits() {
    let scene = Scene::start().await;
    let mut leader = scene.spawn(0, &["--leader-election-duration=4s"]);
    scene.active(&leader).await;
    let stolen = json!({"spec": {"holderIdentity": "somebody", "leaseDurationSeconds": 8}});
    scene.edit::<Lease>("default", LEASE, stolen).await;
    scene
        .until("the leader's end", async || leader.ended().is_some())
        .await;
    assert!(
        !leader.ended().unwrap().success(),
        "who starts it again is to see why"
    );
    let successor = scene.spawn(0, &["--leader-election-duration=4s"]);
    scene.cast("shop", "web", 1).await;
    scene.pod("shop", "p", 0, "web").await;
    scene
        .until("its probe", async || successor.health().await.is_some())
        .await;
    assert_eq!(scene.holder().await.as_deref(), Some("somebody"));
    assert!(
        scene.states().await.is_empty(),
        "somebody else is in charge"
    );
    let took = scene.active(&successor).await;
    println!("taken over from somebody who is not heard of, after {took:.1?}");
    assert!(took > Duration::from_secs(3), "{took:?}");
    scene.assigned(&["p-shop-web"]).await;
}
