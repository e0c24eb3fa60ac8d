//! Secrets: which are read, when, and with which right.

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ListParams};
use podgate_e2e::demo;
use podgate_e2e::stage::VAULT;

use crate::scene::Scene;

const STORAGE: &str = "https://storage.azure.com";
const GRAPH: &str = "https://graph.microsoft.com";

async fn scene() -> Scene {
    Scene::start(&["--operation-mode=managed"]).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only cluster-source"]
async fn a_secret_is_read_only_while_a_pod_of_the_node_could_use_it_and_its_rotation_takes_effect()
{
    let scene = scene().await;
    scene.pod("web", "web", 40).await.unwrap();
    assert_eq!(scene.token(40, VAULT).await.unwrap().status, 200);
    assert!(
        scene.secrets().await.unwrap().is_empty(),
        "nobody needs one"
    );

    scene.pod("worker", "worker", 41).await.unwrap();
    let answer = scene.token(41, VAULT).await.unwrap();
    assert_eq!(
        scene.identity(&answer).unwrap(),
        demo::WORKER,
        "the first request waited for the Secret"
    );
    assert_eq!(scene.secrets().await.unwrap(), ["shop/worker-secret"]);

    scene
        .cluster
        .rotate("worker-secret", "wrong")
        .await
        .unwrap();
    scene
        .until("the new content", async || {
            Ok(scene.token(41, STORAGE).await?.status == 403)
        })
        .await
        .unwrap();
    scene
        .cluster
        .rotate("worker-secret", demo::SECRET)
        .await
        .unwrap();
    scene
        .until("the old content again", async || {
            Ok(scene.token(41, GRAPH).await?.status == 200)
        })
        .await
        .unwrap();

    scene.cluster.unbind("worker").await.unwrap();
    scene
        .until("its end", async || Ok(scene.secrets().await?.is_empty()))
        .await
        .unwrap();
    assert_eq!(scene.token(41, VAULT).await.unwrap().status, 400);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only cluster-source"]
async fn a_secret_without_its_right_refuses_the_pod_that_needs_it_and_names_the_right() {
    let scene = scene().await;
    scene.pod("ledger", "ledger", 42).await.unwrap();
    scene.pod("worker", "worker", 43).await.unwrap();
    scene
        .until("the refusal", async || {
            let refused = scene.token(42, VAULT).await?;
            let text = refused.text().to_string();
            Ok(refused.status == 403
                && text.contains("list and watch Secret shop/ledger-certificate")
                && text.contains("docs/rbac.md"))
        })
        .await
        .unwrap();
    assert_eq!(
        scene.token(43, VAULT).await.unwrap().status,
        200,
        "nobody else notices"
    );
    assert_eq!(scene.admin("/readyz").await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only cluster-source"]
async fn the_rights_of_the_page_are_for_one_secret_by_its_name() {
    let scene = scene().await;
    let secrets: Api<Secret> = Api::namespaced(scene.cluster.as_gateway().await.unwrap(), "shop");
    let by_name = |name: &str| ListParams::default().fields(&format!("metadata.name={name}"));
    assert_eq!(
        secrets
            .list(&by_name("worker-secret"))
            .await
            .unwrap()
            .items
            .len(),
        1
    );
    for refused in [
        secrets
            .list(&by_name("ledger-certificate"))
            .await
            .map(|_| ()),
        secrets.list(&ListParams::default()).await.map(|_| ()),
        secrets.get("worker-secret").await.map(|_| ()),
    ] {
        let Err(kube::Error::Api(status)) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(status.code, 403);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the control plane: cargo xtask test --only cluster-source"]
async fn a_secret_that_is_not_there_yet_is_named_and_used_when_it_comes() {
    let scene = scene().await;
    let secrets: Api<Secret> = Api::namespaced(scene.cluster.kube.clone(), "shop");
    let kept = secrets.get("worker-secret").await.unwrap();
    secrets
        .delete("worker-secret", &Default::default())
        .await
        .unwrap();
    scene.pod("worker", "worker", 44).await.unwrap();
    scene
        .until("the refusal", async || {
            let refused = scene.token(44, VAULT).await?;
            Ok(refused.status == 403
                && refused
                    .text()
                    .contains("Secret shop/worker-secret, which cannot be used: it does not exist"))
        })
        .await
        .unwrap();
    let again = Secret {
        metadata: kube::core::ObjectMeta {
            name: kept.metadata.name,
            ..Default::default()
        },
        ..kept
    };
    secrets.create(&Default::default(), &again).await.unwrap();
    scene
        .until("the token", async || {
            Ok(scene.token(44, VAULT).await?.status == 200)
        })
        .await
        .unwrap();
}
