//! The Lease of the controllers: the first install need not wait for it, and no helm command takes it from its holder.

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::api::core::v1::Namespace;
use kube::Client;
use kube::api::{Api, DeleteParams, ObjectMeta, Patch, PatchParams, PostParams};
use podgate_testkit::ControlPlane;
use serde_json::json;

use crate::helm::{NAMESPACE, RELEASE, helm};

const NAME: &str = "aad-pod-identity-mic";
const CHART: &str = "charts/podgate";
/// The chart as it was one revision before.
const PREVIOUS: &str = "tests/chart/previous/podgate-0.1.0.tgz";
const HOLDER: &str = "podgate-controller-a_1";

fn leases(client: &Client) -> Api<Lease> {
    Api::namespaced(client.clone(), NAMESPACE)
}

async fn lease(client: &Client) -> Option<Lease> {
    leases(client).get_opt(NAME).await.unwrap()
}

async fn holder(client: &Client) -> Option<String> {
    lease(client).await?.spec?.holder_identity
}

/// As a controller takes it.
async fn take(client: &Client) {
    let held = json!({"spec": {"holderIdentity": HOLDER, "leaseDurationSeconds": 15}});
    let (leases, parameters, held) = (leases(client), PatchParams::default(), Patch::Merge(held));
    leases.patch(NAME, &parameters, &held).await.unwrap();
}

/// As a controller makes it where there is none.
async fn make(client: &Client) {
    let spec = LeaseSpec {
        holder_identity: Some(HOLDER.to_owned()),
        lease_duration_seconds: Some(15),
        ..LeaseSpec::default()
    };
    let metadata = ObjectMeta {
        name: Some(NAME.to_owned()),
        ..ObjectMeta::default()
    };
    let lease = Lease {
        metadata,
        spec: Some(spec),
    };
    let made = leases(client).create(&PostParams::default(), &lease).await;
    made.unwrap();
}

/// Nothing runs here, and so no Job would end.
fn uninstall(plane: &ControlPlane) {
    let quick = [
        "--reset-then-reuse-values",
        "--set",
        "uninstall.retire=false",
    ];
    helm(plane, &[&["upgrade", RELEASE, CHART], &quick[..]].concat());
    helm(plane, &["uninstall", RELEASE]);
}

async fn plane() -> (ControlPlane, Client) {
    let plane = ControlPlane::start().await.unwrap();
    let client = plane.client().await.unwrap();
    let metadata = ObjectMeta {
        name: Some(NAMESPACE.to_owned()),
        ..ObjectMeta::default()
    };
    let namespace = Namespace {
        metadata,
        ..Namespace::default()
    };
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let made = namespaces.create(&PostParams::default(), &namespace).await;
    made.unwrap();
    (plane, client)
}

#[tokio::test]
#[ignore = "needs helm and the test control plane: cargo xtask test --only chart"]
async fn an_install_brings_it_without_a_holder_and_no_upgrade_or_rollback_changes_the_holder() {
    let (plane, client) = plane().await;
    helm(&plane, &["install", RELEASE, CHART]);
    assert!(
        lease(&client)
            .await
            .unwrap()
            .spec
            .is_none_or(|spec| spec.holder_identity.is_none())
    );
    take(&client).await;
    let changed = ["upgrade", RELEASE, CHART, "--set", "mic.podLabels.a=b"];
    helm(&plane, &changed);
    assert_eq!(holder(&client).await.as_deref(), Some(HOLDER), "upgraded");
    helm(&plane, &["upgrade", RELEASE, CHART, "--force"]);
    assert_eq!(holder(&client).await.as_deref(), Some(HOLDER), "by force");
    helm(&plane, &["rollback", RELEASE, "1"]);
    assert_eq!(
        holder(&client).await.as_deref(),
        Some(HOLDER),
        "rolled back"
    );
    uninstall(&plane);
    assert!(lease(&client).await.is_none());
}

#[tokio::test]
#[ignore = "needs helm and the test control plane: cargo xtask test --only chart"]
async fn one_that_a_controller_made_hinders_neither_install_nor_the_upgrade_from_the_chart_before()
{
    let (plane, client) = plane().await;
    helm(&plane, &["install", RELEASE, PREVIOUS]);
    make(&client).await;
    helm(&plane, &["upgrade", RELEASE, CHART]);
    assert_eq!(holder(&client).await.as_deref(), Some(HOLDER), "upgraded");
    helm(
        &plane,
        &["upgrade", RELEASE, CHART, "--set", "mic.replicas=3"],
    );
    helm(&plane, &["rollback", RELEASE, "1"]);
    assert_eq!(
        holder(&client).await.as_deref(),
        Some(HOLDER),
        "rolled back"
    );
    helm(&plane, &["uninstall", RELEASE, "--no-hooks"]);
    helm(&plane, &["install", RELEASE, CHART]);
    assert_eq!(holder(&client).await.as_deref(), Some(HOLDER), "installed");
    uninstall(&plane);
    assert!(lease(&client).await.is_none(), "whoever made it");
}

#[tokio::test]
#[ignore = "needs helm and the test control plane: cargo xtask test --only chart"]
async fn one_that_was_deleted_under_its_holder_is_left_to_the_controllers_to_make() {
    let (plane, client) = plane().await;
    helm(&plane, &["install", RELEASE, CHART]);
    let deleted = leases(&client).delete(NAME, &DeleteParams::default()).await;
    deleted.unwrap();
    helm(&plane, &["upgrade", RELEASE, CHART]);
    assert!(lease(&client).await.is_none());
}
