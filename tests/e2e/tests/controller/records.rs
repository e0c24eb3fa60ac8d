//! AzureAssignedIdentity: podgate's own, the old controller's, and what people do to them.

use podgate_api::{
    ASSIGNED_FINALIZER, AssignedState, AzureAssignedIdentity, AzureIdentity, NODE_LABEL,
};
use serde_json::{Value, json};

use crate::objects::create;
use crate::process::Controller;
use crate::scene::Scene;

async fn with_pod() -> (Scene, Controller) {
    let scene = Scene::start().await;
    let controller = scene.leader(&[]).await;
    scene.cast("shop", "web", 1).await;
    scene.pod("shop", "p", 0, "web").await;
    scene.assigned(&["p-shop-web"]).await;
    (scene, controller)
}

/// What the old controller's gateways and the old controller itself look at.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn a_record_is_what_the_old_controller_would_have_written() {
    let (scene, _controller) = with_pod().await;
    let record = serde_json::to_value(scene.record("p-shop-web").await).unwrap();
    let node = &scene.nodes[0].name;
    assert_eq!(record["metadata"]["labels"], json!({NODE_LABEL: node}));
    assert_eq!(
        record["metadata"]["finalizers"],
        json!([ASSIGNED_FINALIZER])
    );
    let spec = &record["spec"];
    assert_eq!(
        (&spec["pod"], &spec["podNamespace"]),
        (&json!("p"), &json!("shop"))
    );
    assert_eq!(spec["nodename"], json!(node));
    for (field, kind) in [
        ("azureIdentityRef", "AzureIdentity"),
        ("azureBindingRef", "AzureIdentityBinding"),
    ] {
        let embedded = &spec[field];
        assert_eq!(embedded["kind"], kind);
        assert_eq!(embedded["apiVersion"], "aadpodidentity.k8s.io/v1");
        assert_eq!(embedded["metadata"]["name"], "web");
        assert_eq!(embedded["metadata"]["namespace"], "shop");
        assert!(
            embedded["metadata"]["resourceVersion"].is_string(),
            "it compares editions by it"
        );
    }
    let identity = scene.fleet.identity(1);
    assert_eq!(
        spec["azureIdentityRef"]["spec"]["resourceID"],
        identity.resource_id
    );
    assert_eq!(
        spec["azureIdentityRef"]["spec"]["clientID"],
        identity.client_id
    );
    assert_eq!(spec["azureBindingRef"]["spec"]["selector"], "web");
    assert_eq!(
        record["status"],
        json!({"status": "Assigned", "availableReplicas": 1})
    );
}

/// The record as aad-pod-identity 1.8 writes it.
fn old_record(record: &AzureAssignedIdentity, state: Option<&str>) -> Value {
    let mut old = serde_json::to_value(record).unwrap();
    let metadata = &record.metadata;
    old["metadata"] = json!({"name": metadata.name, "namespace": metadata.namespace, "labels": metadata.labels,
        "finalizers": [ASSIGNED_FINALIZER]});
    old["status"] = json!({"status": state, "availableReplicas": 1});
    if state.is_none() {
        old.as_object_mut().unwrap().remove("status");
    }
    old
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn records_of_the_old_controller_are_adopted_and_end_with_their_pod() {
    let (scene, controller) = with_pod().await;
    scene.pod("shop", "q", 1, "web").await;
    scene.assigned(&["p-shop-web", "q-shop-web"]).await;
    let records = [
        scene.record("p-shop-web").await,
        scene.record("q-shop-web").await,
    ];
    controller.kill();
    scene.bury().await;
    for (record, state) in records.iter().zip([Some("Assigned"), None]) {
        let unlock = json!({"metadata": {"finalizers": null}});
        let name = record.metadata.name.as_deref().unwrap();
        scene
            .edit::<AzureAssignedIdentity>("default", name, unlock)
            .await;
        scene.delete::<AzureAssignedIdentity>("default", name).await;
        create::<AzureAssignedIdentity>(&scene.kube, old_record(record, state)).await;
    }
    scene.sim.clear_calls();
    let before = scene.record("p-shop-web").await.metadata.resource_version;
    let _controller = scene.leader(&[]).await;
    scene.assigned(&["p-shop-web", "q-shop-web"]).await;
    assert_eq!(
        scene.record("p-shop-web").await.metadata.resource_version,
        before
    );
    assert_eq!(scene.patches().len(), 0);
    scene.delete_pods("shop").await;
    scene.assigned(&[]).await;
    assert!(scene.on(0).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn an_edit_of_metadata_alone_sends_nobody_back_to_created() {
    let (scene, _controller) = with_pod().await;
    let before = scene.record("p-shop-web").await.metadata.resource_version;
    let note = json!({"metadata": {"annotations": {"team": "shop"}, "labels": {"a": "b"}}});
    scene
        .edit::<AzureIdentity>("shop", "web", note.clone())
        .await;
    scene
        .edit::<podgate_api::AzureIdentityBinding>("shop", "web", note)
        .await;
    // What comes later is heard later.
    scene.pod("shop", "q", 0, "web").await;
    scene.assigned(&["p-shop-web", "q-shop-web"]).await;
    assert_eq!(
        scene.record("p-shop-web").await.metadata.resource_version,
        before
    );
    assert_eq!(scene.patches().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn a_record_that_somebody_deletes_comes_again_while_its_pod_needs_it() {
    let (scene, _controller) = with_pod().await;
    let uid = scene.record("p-shop-web").await.metadata.uid;
    scene
        .delete::<AzureAssignedIdentity>("default", "p-shop-web")
        .await;
    let unlock = json!({"metadata": {"finalizers": null}});
    scene
        .edit::<AzureAssignedIdentity>("default", "p-shop-web", unlock)
        .await;
    scene
        .until("another record", async || {
            let records = scene.records().await;
            records.iter().any(|record| {
                record.metadata.uid != uid
                    && record.metadata.deletion_timestamp.is_none()
                    && record.state() == AssignedState::Assigned
            })
        })
        .await;
    assert_eq!(scene.on(0), [1]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn a_record_that_is_deleted_without_a_controller_goes_with_its_pod_when_there_is_one_again() {
    let (scene, controller) = with_pod().await;
    controller.kill();
    scene.bury().await;
    scene
        .delete::<AzureAssignedIdentity>("default", "p-shop-web")
        .await;
    scene.delete_pod("shop", "p").await;
    let there = scene.record("p-shop-web").await;
    assert!(
        there.metadata.deletion_timestamp.is_some(),
        "the finalizer keeps it"
    );
    let _controller = scene.leader(&[]).await;
    scene.assigned(&[]).await;
    assert!(scene.on(0).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn orphans_of_pods_that_went_while_no_controller_was_there_are_cleaned_up() {
    let (scene, controller) = with_pod().await;
    scene.pod("shop", "q", 2, "web").await;
    scene.assigned(&["p-shop-web", "q-shop-web"]).await;
    controller.kill();
    scene.bury().await;
    scene.delete_pod("shop", "p").await;
    let _controller = scene.leader(&[]).await;
    scene.assigned(&["q-shop-web"]).await;
    assert_eq!((scene.on(0), scene.on(2)), (vec![], vec![1]));
}
