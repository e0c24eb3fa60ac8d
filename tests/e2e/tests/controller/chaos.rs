//! An API server and an Azure that fail.

use std::collections::HashMap;
use std::time::Duration;

use podgate_testkit::{ArmBucket, ArmLimit, Fault, FaultKind, Fleet, StateChange, Target};
use tokio::time::{Instant, sleep};

use crate::kills::Deployment;
use crate::scene::{Scene, now_ms};

const DEPLOYMENT: Deployment = Deployment {
    pods: 60,
    identities: 6,
    pause: Duration::from_millis(50),
};

fn fleet() -> Fleet {
    Fleet::new().scale_sets(3).instances(2).identities(7)
}

/// A controller that survives it, since its lease is long.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn an_api_server_that_restarts_during_a_deployment_delays_it_and_no_more() {
    let scene = Scene::with(fleet(), |arm| arm.operation_ms = 1_000).await;
    let mut controller = scene.leader(&["--leader-election-duration=5m"]).await;
    DEPLOYMENT.cast(&scene).await;
    let deploying = DEPLOYMENT.begin(&scene);
    scene
        .until("a first record", async || !scene.states().await.is_empty())
        .await;
    for _ in 0..2 {
        scene.plane.stop_apiserver().await.unwrap();
        sleep(Duration::from_secs(1)).await;
        scene.plane.start_apiserver().await.unwrap();
    }
    deploying.await.unwrap();
    DEPLOYMENT.assigned(&scene).await;
    DEPLOYMENT.assert_held(&scene);
    assert!(controller.ended().is_none());
    assert!(
        controller.is_active().await,
        "{:?}",
        controller.health().await
    );
    scene.delete_pods("shop").await;
    scene.assigned(&[]).await;
}

/// One that cannot renew its lease ends in time, and whoever starts it again finishes the work.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn a_frozen_api_server_ends_the_leader_in_time_and_the_next_one_finishes() {
    const FLAGS: [&str; 1] = ["--leader-election-duration=6s"];
    let scene = Scene::with(fleet(), |arm| arm.operation_ms = 1_000).await;
    let mut controller = scene.leader(&FLAGS).await;
    DEPLOYMENT.cast(&scene).await;
    let deploying = DEPLOYMENT.begin(&scene);
    scene
        .until("a first record", async || !scene.states().await.is_empty())
        .await;
    scene.plane.freeze().unwrap();
    let begun = Instant::now();
    let limit = Duration::from_secs(6);
    while controller.ended().is_none() && begun.elapsed() < limit {
        sleep(Duration::from_millis(20)).await;
    }
    let took = begun.elapsed();
    let ended = controller.ended();
    let (ended_at, next) = (now_ms(), scene.spawn(0, &FLAGS));
    sleep(Duration::from_secs(3)).await;
    let asked = scene
        .patches()
        .iter()
        .filter(|patch| patch.at_ms > ended_at)
        .count();
    scene.plane.thaw().unwrap();
    println!("a frozen API server ends the leader after {took:.1?}");
    assert!(
        ended.is_some_and(|status| !status.success()),
        "within its lease: {ended:?}"
    );
    assert_eq!(asked, 0, "nobody leads");
    deploying.await.unwrap();
    scene.active(&next).await;
    DEPLOYMENT.assigned(&scene).await;
    DEPLOYMENT.assert_held(&scene);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn an_outage_of_arm_costs_few_calls_and_heals() {
    let scene = Scene::of(fleet()).await;
    let _controller = scene.leader(&[]).await;
    scene
        .sim
        .fail(Fault::new(Target::Arm, FaultKind::Down { ms: 12_000 }));
    DEPLOYMENT.cast(&scene).await;
    DEPLOYMENT.begin(&scene).await.unwrap();
    scene
        .until("all records, though Azure is away", async || {
            scene.states().await.len() == 60
        })
        .await;
    assert!(
        scene
            .states()
            .await
            .values()
            .all(|state| state == "Created")
    );
    let failed = scene.sim.arm_calls();
    let healed = DEPLOYMENT.assigned(&scene).await;
    DEPLOYMENT.assert_held(&scene);
    println!("12 s without ARM: {failed:?}; healed {healed:.1?} later");
    assert!(
        scene.sim.arm_calls().failed <= 3 * 6,
        "{:?}",
        scene.sim.arm_calls()
    );
}

/// The role is missing by which the controller may look at all: no change is ever tried, and somebody has to know why.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn what_azure_does_not_even_show_is_told_to_whoever_waits_for_it() {
    let scene = Scene::of(fleet()).await;
    let _controller = scene.leader(&[]).await;
    let blind = Fault::new(Target::Arm, FaultKind::status(403)).for_method("GET");
    scene.sim.fail(blind);
    scene.cast("shop", "web", 1).await;
    scene.pod("shop", "p", 0, "web").await;
    let told = scene
        .event("AzureIdentityBinding", "web", "binding apply error")
        .await;
    assert!(told.contains("AzureIdentity shop/web"), "{told}");
    scene.sim.recover();
    scene.assigned(&["p-shop-web"]).await;
}

/// Each call is refused for a while, with the time to stay away.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn a_storm_of_429_is_sat_out_for_as_long_as_arm_says() {
    const AWAY_MS: u64 = 3_000;
    let scene = Scene::of(fleet()).await;
    let _controller = scene.leader(&[]).await;
    scene
        .sim
        .fail(Fault::new(Target::Arm, FaultKind::throttled(3)).times(9));
    DEPLOYMENT.cast(&scene).await;
    DEPLOYMENT.begin(&scene).await.unwrap();
    let took = DEPLOYMENT.assigned(&scene).await;
    DEPLOYMENT.assert_held(&scene);
    let mut refused: HashMap<String, u64> = HashMap::new();
    for call in scene.sim.calls_to(Target::Arm) {
        if let Some(at_ms) = refused.remove(&call.path) {
            let away = call.at_ms - at_ms;
            assert!(
                away >= AWAY_MS - 50,
                "{} came again after {away} ms",
                call.path
            );
        }
        if call.status == Some(429) {
            refused.insert(call.path, call.at_ms);
        }
    }
    println!(
        "a storm of 429: all Assigned after {took:.1?}, {:?}",
        scene.sim.arm_calls()
    );
    assert_eq!(scene.sim.arm_calls().throttled, 9);
}

/// The buckets of a subscription that others use up as well: a change every three seconds.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn with_an_empty_bucket_everything_that_waits_goes_in_the_next_change() {
    let scene = Scene::with(fleet(), |arm| {
        arm.minute_ms = 3_000;
        let scarce = ArmBucket {
            capacity: 1,
            per_minute: 1,
        };
        arm.buckets = [(ArmLimit::ScaleSetUpdate, scarce)].into();
    })
    .await;
    let _controller = scene.leader(&[]).await;
    DEPLOYMENT.cast(&scene).await;
    DEPLOYMENT.begin(&scene).await.unwrap();
    let took = DEPLOYMENT.assigned(&scene).await;
    DEPLOYMENT.assert_held(&scene);
    let calls = scene.sim.arm_calls();
    println!("scarce changes: all Assigned after {took:.1?}, {calls:?}");
    assert!(calls.throttled <= calls.patches / 2 + 3, "{calls:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn somebody_else_s_operation_is_waited_for() {
    let scene = Scene::of(fleet()).await;
    let _controller = scene.leader(&[]).await;
    let state = |state: &str| StateChange {
        compute: scene.nodes[0].compute.clone(),
        state: state.to_owned(),
    };
    assert!(scene.sim.set_compute_state(&state("Updating")));
    scene.cast("shop", "web", 1).await;
    scene.pod("shop", "p", 0, "web").await;
    scene.pod("shop", "q", 2, "web").await;
    scene
        .settled(&[
            ("default/p-shop-web", "Created"),
            ("default/q-shop-web", "Assigned"),
        ])
        .await;
    sleep(Duration::from_secs(4)).await;
    assert!(scene.sim.set_compute_state(&state("Succeeded")));
    scene.assigned(&["p-shop-web", "q-shop-web"]).await;
    println!(
        "somebody else's operation of 4 s: {:?}",
        scene.sim.arm_calls()
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn a_metadata_service_that_fails_at_first_delays_the_first_assignment_and_no_more() {
    let scene = Scene::of(fleet()).await;
    scene
        .sim
        .fail(Fault::new(Target::Imds, FaultKind::status(500)).times(4));
    let _controller = scene.leader(&[]).await;
    scene.cast("shop", "web", 1).await;
    scene.pod("shop", "p", 0, "web").await;
    let took = scene.assigned(&["p-shop-web"]).await;
    println!("four failures of IMDS: Assigned after {took:.1?}");
    assert!(scene.sim.pending_faults().is_empty());
}

/// A scale set that goes with all its nodes, while its pods have identities.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn a_scale_set_that_is_deleted_leaves_no_record() {
    let scene = Scene::of(fleet()).await;
    let _controller = scene.leader(&[]).await;
    scene.cast("shop", "web", 1).await;
    for (name, node) in [("p", 0), ("q", 1), ("r", 2)] {
        scene.pod("shop", name, node, "web").await;
    }
    scene
        .assigned(&["p-shop-web", "q-shop-web", "r-shop-web"])
        .await;
    assert!(
        scene
            .sim
            .delete_compute(&scene.nodes[0].compute, Duration::from_secs(2))
    );
    for (name, node) in [("p", 0), ("q", 1)] {
        scene.delete_pod("shop", name).await;
        scene.delete_node(node).await;
    }
    scene.assigned(&["r-shop-web"]).await;
}
