//! One pod: from its binding to its token, and back.

use podgate_api::{AzureIdentity, AzureIdentityBinding};
use serde_json::json;

use crate::gateway::Tokens;
use crate::scene::Scene;

/// A pod with an identity that it has, and the gateway of its node.
async fn scene() -> (Scene, crate::process::Controller, Tokens) {
    let scene = Scene::start().await;
    let controller = scene.leader(&[]).await;
    scene.cast("shop", "web", 1).await;
    scene.pod("shop", "p", 0, "web").await;
    scene.assigned(&["p-shop-web"]).await;
    assert_eq!(scene.on(0), [1], "Assigned before it is there");
    let tokens = Tokens::of(&scene).await;
    tokens.are_for(&scene, "shop", "p").await;
    let client_id = tokens.granted(&scene, "").await;
    assert_eq!(client_id, scene.fleet.identity(1).client_id);
    (scene, controller, tokens)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn pass_the_identity_validation_by_client_id_by_resource_id_and_by_neither() {
    let (scene, _controller, tokens) = scene().await;
    let identity = scene.fleet.identity(1);
    let queries = [
        String::new(),
        format!("&client_id={}", identity.client_id),
        format!("&msi_res_id={}", identity.resource_id),
    ];
    for query in queries {
        assert_eq!(
            tokens.granted(&scene, &query).await,
            identity.client_id,
            "{query}"
        );
    }
    let said = scene
        .event("AzureIdentityBinding", "web", "binding applied")
        .await;
    let node = &scene.nodes[0].name;
    assert_eq!(
        said,
        format!("Binding web applied on node {node} for pod p-shop-web")
    );
    let told = scene.event("Pod", "p", "IdentityAssigned").await;
    assert!(told.contains("AzureIdentity shop/web"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn delete_the_assigned_identity_if_the_pod_is_deleted_and_take_it_off_the_scale_set() {
    let (scene, _controller, _tokens) = scene().await;
    scene.delete_pod("shop", "p").await;
    scene.assigned(&[]).await;
    assert!(
        scene.on(0).is_empty(),
        "the record went before the identity"
    );
    let told = scene
        .event("AzureIdentityBinding", "web", "binding removed")
        .await;
    assert!(told.contains("p-shop-web"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn not_pass_the_validation_if_the_identity_is_deleted() {
    let (scene, _controller, tokens) = scene().await;
    scene.delete::<AzureIdentity>("shop", "web").await;
    scene.assigned(&[]).await;
    assert!(scene.on(0).is_empty());
    tokens.refused(&scene).await;
    scene.identity("shop", "web", 1).await;
    scene.assigned(&["p-shop-web"]).await;
    tokens.granted(&scene, "").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn not_pass_the_validation_if_the_binding_is_deleted() {
    let (scene, _controller, tokens) = scene().await;
    scene.delete::<AzureIdentityBinding>("shop", "web").await;
    scene.assigned(&[]).await;
    assert!(scene.on(0).is_empty());
    tokens.refused(&scene).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn update_the_assigned_identity_when_the_identity_s_fields_are_updated_and_the_pod_gets_the_new_one()
 {
    let (scene, _controller, tokens) = scene().await;
    let uid = scene.record("p-shop-web").await.metadata.uid;
    let other = scene.fleet.identity(2);
    let edit = json!({"spec": {"resourceID": other.resource_id, "clientID": other.client_id}});
    scene.edit::<AzureIdentity>("shop", "web", edit).await;
    scene.holds(0, &[2]).await;
    scene.assigned(&["p-shop-web"]).await;
    let record = scene.record("p-shop-web").await;
    let embedded = &record.spec.azure_identity_ref.spec;
    assert_eq!(
        embedded.client_id.as_deref(),
        Some(other.client_id.as_str())
    );
    assert_eq!(record.metadata.uid, uid, "edited in place");
    scene
        .until("the token of the new one", async || {
            tokens.granted(&scene, "").await == other.client_id
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn pass_with_the_correct_and_fail_with_the_wrong_identity_of_a_pod_with_two() {
    let (scene, _controller, tokens) = scene().await;
    scene.identity("shop", "other", 2).await;
    scene.binding("shop", "other", "other", "web").await;
    scene.assigned(&["p-shop-other", "p-shop-web"]).await;
    assert_eq!(scene.on(0), [1, 2]);
    for number in [1, 2] {
        let client_id = scene.fleet.identity(number).client_id;
        let query = format!("&client_id={client_id}");
        assert_eq!(tokens.granted(&scene, &query).await, client_id);
    }
    let stranger = scene.fleet.identity(3).client_id;
    let answer = tokens.ask(&format!("&client_id={stranger}")).await;
    assert!(answer.status >= 400, "{}", answer.text());
}
