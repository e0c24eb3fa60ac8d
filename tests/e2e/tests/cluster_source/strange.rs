//! Clusters that are not as they should be.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps,
};
use kube::ResourceExt;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use kube::runtime::wait::{await_condition, conditions};
use podgate_e2e::demo;
use podgate_e2e::node::apply;
use podgate_e2e::stage::VAULT;
use serde_json::json;

use crate::scene::{Cluster, Scene};

const STORAGE: &str = "https://storage.azure.com";

async fn define(cluster: &Cluster, definition: &CustomResourceDefinition) {
    let api: Api<CustomResourceDefinition> = Api::all(cluster.kube.clone());
    api.create(&PostParams::default(), definition)
        .await
        .unwrap();
    let name = definition.name_any();
    await_condition(api, &name, conditions::is_crd_established())
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only cluster-source"]
async fn managed_mode_works_where_assigned_identities_are_not_even_defined() {
    let cluster = Cluster::bare().await.unwrap();
    for definition in podgate_api::crds().iter().skip(1) {
        assert_ne!(definition.spec.names.kind, "AzureAssignedIdentity");
        define(&cluster, definition).await;
    }
    cluster.cast().await.unwrap();
    let scene = Scene::of(cluster, &["--operation-mode=managed"])
        .await
        .unwrap();
    scene.pod("web", "web", 50).await.unwrap();
    let answer = scene.token(50, VAULT).await.unwrap();
    assert_eq!(scene.identity(&answer).unwrap(), demo::WEB);
    let standard = scene.cluster.gateway(&[]).await.unwrap();
    let named = async || {
        let ready = crate::scene::admin(&standard, "/readyz").await?;
        Ok(ready.status == 503
            && ready
                .text()
                .contains("azureassignedidentities.aadpodidentity.k8s.io is not installed"))
    };
    crate::scene::until(
        &standard,
        crate::scene::SOON,
        "the missing definition",
        named,
    )
    .await
    .unwrap();
}

/// The definition of AzureIdentity as somebody may have loosened it.
fn loose() -> CustomResourceDefinition {
    let mut definition = podgate_api::crds().remove(1);
    assert_eq!(definition.spec.names.kind, "AzureIdentity");
    for version in &mut definition.spec.versions {
        let schema = version.schema.as_mut().unwrap();
        schema.open_api_v3_schema = Some(JSONSchemaProps {
            type_: Some("object".to_owned()),
            x_kubernetes_preserve_unknown_fields: Some(true),
            ..Default::default()
        });
    }
    definition
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only cluster-source"]
async fn an_identity_that_cannot_be_read_harms_only_itself() {
    let cluster = Cluster::bare().await.unwrap();
    define(&cluster, &loose()).await;
    for definition in podgate_api::crds() {
        if definition.spec.names.kind != "AzureIdentity" {
            define(&cluster, &definition).await;
        }
    }
    cluster.cast().await.unwrap();
    let bad = json!({"apiVersion": "aadpodidentity.k8s.io/v1", "kind": "AzureIdentity",
        "metadata": {"name": "bad", "namespace": "shop"}, "spec": [1, 2]});
    apply(&cluster.kube, &bad.to_string()).await.unwrap();
    let scene = Scene::of(cluster, &["--operation-mode=managed"])
        .await
        .unwrap();
    scene.pod("web", "web", 51).await.unwrap();
    scene.pod("reports", "reports", 52).await.unwrap();
    assert_eq!(scene.token(51, VAULT).await.unwrap().status, 200);
    assert!(
        scene
            .metrics()
            .await
            .unwrap()
            .contains("podgate_source_errors_total 1\n")
    );

    spoil(&scene, "web").await;
    scene
        .until("the refusal", async || {
            let refused = scene.token(51, STORAGE).await?;
            Ok(refused.status == 403
                && refused
                    .text()
                    .contains("AzureIdentity shop/web cannot be used"))
        })
        .await
        .unwrap();
    let other = scene.token(52, VAULT).await.unwrap();
    assert_eq!(
        scene.identity(&other).unwrap(),
        demo::ARCHIVE,
        "the other one of its two"
    );
}

/// An edit that no gateway can read.
async fn spoil(scene: &Scene, name: &str) {
    let kind = GroupVersionKind::gvk("aadpodidentity.k8s.io", "v1", "AzureIdentity");
    let resource = ApiResource::from_gvk_with_plural(&kind, "azureidentities");
    let api: Api<DynamicObject> =
        Api::namespaced_with(scene.cluster.kube.clone(), "shop", &resource);
    let patch = Patch::Merge(json!({"spec": {"type": {"managed": true}}}));
    api.patch(name, &PatchParams::default(), &patch)
        .await
        .unwrap();
}
