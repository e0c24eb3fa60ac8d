//! Identities that cannot be assigned, and names that collide.

use podgate_api::AzureIdentity;
use serde_json::json;

use crate::objects::create;
use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn a_valid_identity_is_assigned_in_a_batch_with_invalid_ones() {
    let scene = Scene::start().await;
    // The role is missing for one, and the other is not there at all.
    let unassignable = scene.fleet.identity(2).resource_id;
    scene.sim.set_assignable(&unassignable, false);
    let absent = 99;
    for (name, number) in [("good", 1), ("role", 2), ("absent", absent)] {
        scene.cast("shop", name, number).await;
        scene.pod("shop", name, 0, name).await;
    }
    let _controller = scene.leader(&[]).await;
    scene
        .settled(&[
            ("default/absent-shop-absent", "Created"),
            ("default/good-shop-good", "Assigned"),
            ("default/role-shop-role", "Created"),
        ])
        .await;
    assert_eq!(scene.on(0), [1]);
    for name in ["role", "absent"] {
        let told = scene
            .event("AzureIdentityBinding", name, "binding apply error")
            .await;
        assert!(
            told.contains(&format!("AzureIdentity shop/{name}")),
            "{told}"
        );
    }
    let harmed = scene
        .events("AzureIdentityBinding", "good")
        .await
        .into_iter();
    assert_eq!(
        harmed
            .filter(|event| event.type_.as_deref() == Some("Warning"))
            .count(),
        0
    );
    // Somebody mends both.
    scene.sim.set_assignable(&unassignable, true);
    scene.sim.add_arm_identity(scene.fleet.identity(absent));
    scene
        .assigned(&["absent-shop-absent", "good-shop-good", "role-shop-role"])
        .await;
    println!("calls until all was well: {:?}", scene.sim.arm_calls());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn not_unassign_the_existing_identity_on_an_invalid_assignment() {
    let scene = Scene::start().await;
    let _controller = scene.leader(&[]).await;
    scene.cast("shop", "web", 1).await;
    scene.pod("shop", "p", 0, "web").await;
    scene.assigned(&["p-shop-web"]).await;
    scene.identity("shop", "absent", 99).await;
    scene.binding("shop", "absent", "absent", "web").await;
    scene
        .event("AzureIdentityBinding", "absent", "binding apply error")
        .await;
    let states = [
        ("default/p-shop-absent", "Created"),
        ("default/p-shop-web", "Assigned"),
    ];
    scene.settled(&states).await;
    assert_eq!(scene.on(0), [1]);
    for patch in scene.patches() {
        let ids = patch.body.unwrap()["identity"]["userAssignedIdentities"].clone();
        let ids = ids.as_object().unwrap().values();
        assert!(
            ids.into_iter().all(|id| !id.is_null()),
            "something was taken away"
        );
    }
    scene.delete_pod("shop", "p").await;
    scene.assigned(&[]).await;
    assert!(scene.on(0).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn same_names_in_two_namespaces_the_first_namespace_wins_and_the_other_is_told() {
    let scene = Scene::start().await;
    for (number, namespace) in [(1, "shop"), (2, "depot")] {
        scene.identity(namespace, "same", number).await;
        scene.binding(namespace, "same", "same", "x").await;
    }
    scene.pod("shop", "p", 0, "x").await;
    for _ in 0..3 {
        let controller = scene.leader(&[]).await;
        scene.assigned(&["p-shop-same"]).await;
        let record = scene.record("p-shop-same").await;
        let embedded = record.spec.azure_identity_ref.metadata;
        assert_eq!(embedded.namespace.as_deref(), Some("depot"));
        assert_eq!(scene.on(0), [2]);
        controller.kill();
        scene.bury().await;
    }
    let told = scene
        .event("AzureIdentityBinding", "same", "binding apply error")
        .await;
    assert!(told.contains("--forceNamespaced"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn a_bad_resource_id_is_told_of_and_a_good_one_accepted() {
    let scene = Scene::start().await;
    let _controller = scene.leader(&[]).await;
    let bad = json!({"apiVersion": "aadpodidentity.k8s.io/v1", "kind": "AzureIdentity",
        "metadata": {"namespace": "shop", "name": "web"},
        "spec": {"type": 0, "resourceID": "/subscriptions/s/nonsense", "clientID": scene.fleet.identity(1).client_id}});
    create::<AzureIdentity>(&scene.kube, bad).await;
    scene.binding("shop", "web", "web", "web").await;
    scene.pod("shop", "p", 0, "web").await;
    let told = scene
        .event("AzureIdentity", "web", "binding apply error")
        .await;
    assert!(told.contains("spec.resourceID"), "{told}");
    assert!(scene.states().await.is_empty());
    let good = json!({"spec": {"resourceID": scene.fleet.identity(1).resource_id}});
    scene.edit::<AzureIdentity>("shop", "web", good).await;
    scene.assigned(&["p-shop-web"]).await;
    assert_eq!(scene.on(0), [1]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only controller"]
async fn service_principal_records_are_assigned_and_azure_is_asked_nothing() {
    let scene = Scene::start().await;
    let _controller = scene.leader(&[]).await;
    let principal = json!({"apiVersion": "aadpodidentity.k8s.io/v1", "kind": "AzureIdentity",
        "metadata": {"namespace": "shop", "name": "sp"},
        "spec": {"type": 1, "tenantID": "t", "clientID": "1d000000-0000-4000-8000-00000000abcd",
            "clientPassword": {"name": "secret", "namespace": "shop"}}});
    create::<AzureIdentity>(&scene.kube, principal).await;
    scene.binding("shop", "sp", "sp", "sp").await;
    scene.pod("shop", "p", 0, "sp").await;
    scene.assigned(&["p-shop-sp"]).await;
    let password = scene
        .record("p-shop-sp")
        .await
        .spec
        .azure_identity_ref
        .spec
        .client_password;
    assert_eq!(
        password.unwrap().name.as_deref(),
        Some("secret"),
        "the gateway reads it there"
    );
    scene.delete_pod("shop", "p").await;
    scene.assigned(&[]).await;
    assert_eq!(scene.sim.arm_calls().all(), 0);
}
