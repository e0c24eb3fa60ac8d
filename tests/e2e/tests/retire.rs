//! `podgate-controller retire`, between a real API server and azure-sim's ARM, with the controller's rights: what an
//! uninstall leaves. It needs the test control plane and the controller's program.
#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

#[path = "controller/objects.rs"]
#[expect(dead_code, reason = "the controller's own tests use the rest")]
mod objects;
#[path = "controller/process.rs"]
#[expect(dead_code, reason = "the controller's own tests use the rest")]
mod process;
#[path = "controller/scene.rs"]
#[expect(dead_code, reason = "the controller's own tests use the rest")]
mod scene;

#[path = "retire/command.rs"]
mod command;

use std::time::Duration;

use command::retire;
use k8s_openapi::api::core::v1::Pod;
use podgate_api::{AzureAssignedIdentity, AzureIdentity, AzureIdentityBinding};
use podgate_testkit::{Fault, FaultKind, Target};
use process::Controller;
use scene::Scene;
use serde_json::json;
use tokio::time::{Instant, sleep};

/// Of everybody's leases here: a taker waits that long.
const DURATION: &str = "--leader-election-duration=3s";

/// Two pods on scale sets and one on a virtual machine, with identities that their machines hold, and one that somebody
/// put there by hand.
async fn used() -> (Scene, Controller) {
    let scene = Scene::start().await;
    let leader = scene.leader(&[DURATION]).await;
    scene.by_hand(0, &[7], &[]);
    for (name, number, node) in [("web", 1, 0), ("shop", 2, 2), ("depot", 3, 4)] {
        scene.cast("shop", name, number).await;
        scene.pod("shop", name, node, name).await;
    }
    scene
        .assigned(&["web-shop-web", "shop-shop-shop", "depot-shop-depot"])
        .await;
    assert_eq!(scene.on(0), [1, 7]);
    (scene, leader)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn with_bindings_and_pods_still_there_everything_of_ours_goes_and_nothing_else_does() {
    let (scene, mut leader) = used().await;
    let standby = scene.spawn(1, &[DURATION]);
    let retired = retire(&scene, &[DURATION]).await;
    assert!(retired.success, "{}", retired.told);
    scene.assigned(&[]).await;
    assert_eq!(
        (scene.on(0), scene.on(2), scene.on(4)),
        (vec![7], vec![], vec![])
    );
    assert!(!leader.ended().unwrap().success(), "it lost its lease");
    // Deployments start anew what ended.
    let successor = scene.spawn(0, &[DURATION]);
    sleep(Duration::from_secs(8)).await;
    for controller in [&standby, &successor] {
        assert!(!controller.is_active().await);
    }
    scene.assigned(&[]).await;
    for name in ["web", "shop", "depot"] {
        scene.keeps(name).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn what_azure_refuses_is_told_with_the_reason_and_the_controllers_go_on() {
    let (scene, _leader) = used().await;
    let standby = scene.spawn(1, &[DURATION]);
    let refused = Fault::new(Target::Arm, FaultKind::status(403)).for_method("PATCH");
    scene.sim.fail(refused);
    let retired = retire(&scene, &[DURATION, "--within=12s"]).await;
    assert_eq!(retired.code, Some(1), "{}", retired.told);
    for words in [
        "3 of them",
        "web-shop-web",
        "id-0001 on ",
        "Virtual Machine Contributor",
        "--force",
    ] {
        assert!(retired.told.contains(words), "{words}: {}", retired.told);
    }
    assert_eq!(
        scene.states().await.len(),
        3,
        "records speak of what is held"
    );
    scene.sim.recover();
    scene.active(&standby).await;
    scene
        .assigned(&["web-shop-web", "shop-shop-shop", "depot-shop-depot"])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn forced_the_records_go_whatever_azure_says_and_what_stays_is_told() {
    let (scene, leader) = used().await;
    leader.kill();
    let finalizers = json!({"metadata": {"finalizers": [
        "azureassignedidentity.finalizers.aadpodidentity.k8s.io", "example.com/mine"]}});
    scene
        .edit::<AzureAssignedIdentity>("default", "web-shop-web", finalizers)
        .await;
    let refused = Fault::new(Target::Arm, FaultKind::status(403)).for_method("PATCH");
    scene.sim.fail(refused);
    let retired = retire(&scene, &[DURATION, "--within=8s", "--force"]).await;
    assert!(retired.success, "{}", retired.told);
    assert!(retired.told.contains("id-0003 on "), "{}", retired.told);
    assert_eq!(scene.on(4), [3]);
    let left = scene.records().await;
    assert_eq!(
        left.len(),
        1,
        "somebody else's finalizer is somebody else's"
    );
    let metadata = &left[0].metadata;
    assert!(metadata.deletion_timestamp.is_some());
    assert_eq!(
        metadata.finalizers.as_deref(),
        Some(&["example.com/mine".to_owned()][..])
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn immutable_identities_stay_and_their_records_go() {
    let (scene, leader) = used().await;
    leader.kill();
    let client_id = scene.fleet.identity(1).client_id;
    let immutable = format!("--immutable-user-msis={client_id}");
    let retired = retire(&scene, &[DURATION, &immutable]).await;
    assert!(retired.success, "{}", retired.told);
    scene.assigned(&[]).await;
    assert_eq!((scene.on(0), scene.on(4)), (vec![1, 7], vec![]));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn where_there_is_no_record_nothing_is_needed_of_azure_and_it_takes_no_time() {
    let scene = Scene::start().await;
    std::fs::remove_file(scene.file("azure-0.json")).unwrap();
    let begun = Instant::now();
    let retired = retire(&scene, &[]).await;
    assert!(retired.success, "{}", retired.told);
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
    assert!(scene.sim.calls_to(Target::Arm).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn without_a_credential_the_records_stay_and_it_is_said_what_lacks() {
    let (scene, leader) = used().await;
    leader.kill();
    std::fs::write(
        scene.file("azure-0.json"),
        r#"{"cloud": "AzurePublicCloud"}"#,
    )
    .unwrap();
    let retired = retire(&scene, &[DURATION]).await;
    assert_eq!(retired.code, Some(1), "{}", retired.told);
    assert!(retired.told.contains("aadClientId"), "{}", retired.told);
    assert_eq!(scene.states().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn arguments_that_make_no_sense_are_refused_before_anything_is_done() {
    let scene = Scene::start().await;
    let retired = retire(&scene, &["--withn=3s"]).await;
    assert_eq!(retired.code, Some(64), "{}", retired.told);
    assert!(retired.told.contains("--within"), "{}", retired.told);
    assert_eq!(scene.holder().await, None, "the lease");
}

impl Scene {
    /// What people have written is theirs.
    async fn keeps(&self, name: &str) {
        let there = [
            self.exists::<AzureIdentity>("shop", name).await,
            self.exists::<AzureIdentityBinding>("shop", name).await,
            self.exists::<Pod>("shop", name).await,
        ];
        assert_eq!(there, [true; 3], "{name}");
    }

    async fn exists<K>(&self, namespace: &str, name: &str) -> bool
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
        K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
    {
        let api: kube::Api<K> = kube::Api::namespaced(self.kube.clone(), namespace);
        api.get_opt(name).await.unwrap().is_some()
    }
}
