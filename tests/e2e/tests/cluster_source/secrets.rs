//! Secrets: which are read, when, and with which right.

use k8s_openapi::api::authorization::v1::{
    ResourceRule, SelfSubjectRulesReview, SelfSubjectRulesReviewSpec,
};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ListParams};
use podgate_e2e::demo;
use podgate_e2e::stage::VAULT;

use crate::scene::Scene;

const STORAGE: &str = "https://storage.azure.com";
const GRAPH: &str = "https://graph.microsoft.com";

/// What the API server says a client may do in the namespace `shop`, but for asking who it is and what it may.
async fn rights(kube: kube::Client) -> Vec<String> {
    let asked = SelfSubjectRulesReview {
        spec: SelfSubjectRulesReviewSpec {
            namespace: Some("shop".to_owned()),
        },
        ..Default::default()
    };
    let reviews: Api<SelfSubjectRulesReview> = Api::all(kube);
    let review = reviews.create(&Default::default(), &asked).await.unwrap();
    let rules = review.status.unwrap().resource_rules;
    let mut told: Vec<String> = rules.iter().map(right).collect();
    told.retain(|right| !right.starts_with("auth"));
    told.sort();
    told
}

fn right(rule: &ResourceRule) -> String {
    let joined = |words: &Option<Vec<String>>| words.clone().unwrap_or_default().join(" ");
    let group = match joined(&rule.api_groups) {
        group if group.is_empty() => group,
        group => format!("{group}/"),
    };
    let names = match joined(&rule.resource_names) {
        names if names.is_empty() => names,
        names => format!(" ({names})"),
    };
    let resources = joined(&rule.resources);
    format!("{group}{resources}{names}: {}", rule.verbs.join(" "))
}

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
async fn the_service_account_can_do_what_the_document_says_and_no_more() {
    let scene = scene().await;
    let kube = scene.cluster.as_gateway().await.unwrap();
    let expected = [
        "aadpodidentity.k8s.io/azureassignedidentities: list watch",
        "aadpodidentity.k8s.io/azureidentities azureidentitybindings azurepodidentityexceptions: list watch",
        "pods: list watch",
        "secrets (worker-secret): list watch",
    ];
    assert_eq!(rights(kube.clone()).await, expected);
    let secrets: Api<Secret> = Api::namespaced(kube, "shop");
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
