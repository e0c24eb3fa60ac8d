//! Every mode, installed into a real API server and taken away again.

use std::collections::BTreeSet;

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DynamicObject, ListParams, ObjectMeta, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, ResourceExt};
use podgate_testkit::ControlPlane;

use crate::helm::{NAMESPACE, RELEASE, helm, modes};

const GATEWAY: &str = "system:serviceaccount:podgate:podgate-gateway";
const CONTROLLER: &str = "system:serviceaccount:podgate:podgate-controller";

/// What Prometheus Operator would have brought.
const MONITORS: [(&str, &str); 2] = [
    ("podmonitors", "PodMonitor"),
    ("servicemonitors", "ServiceMonitor"),
];

/// What a release can consist of, besides what is in namespaces of others.
const KINDS: [(&str, &str, &str); 11] = [
    ("apps", "v1", "DaemonSet"),
    ("apps", "v1", "Deployment"),
    ("", "v1", "ConfigMap"),
    ("", "v1", "ServiceAccount"),
    ("batch", "v1", "Job"),
    ("coordination.k8s.io", "v1", "Lease"),
    ("policy", "v1", "PodDisruptionBudget"),
    ("rbac.authorization.k8s.io", "v1", "Role"),
    ("rbac.authorization.k8s.io", "v1", "RoleBinding"),
    ("rbac.authorization.k8s.io", "v1", "ClusterRole"),
    ("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding"),
];

async fn install_monitors(client: &Client) {
    let definitions: Api<DynamicObject> = Api::all_with(
        client.clone(),
        &ApiResource::from_gvk(&GroupVersionKind::gvk(
            "apiextensions.k8s.io",
            "v1",
            "CustomResourceDefinition",
        )),
    );
    for (plural, kind) in MONITORS {
        let name = format!("{plural}.monitoring.coreos.com");
        let schema = serde_json::json!({ "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } });
        let definition = serde_json::json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": { "name": name },
            "spec": {
                "group": "monitoring.coreos.com",
                "names": { "kind": kind, "plural": plural },
                "scope": "Namespaced",
                "versions": [{ "name": "v1", "served": true, "storage": true, "schema": schema }],
            },
        });
        definitions
            .create(
                &PostParams::default(),
                &serde_json::from_value(definition).unwrap(),
            )
            .await
            .unwrap();
    }
    // Served a moment after they are accepted.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
}

async fn make_namespaces(client: &Client, names: &[&str]) {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    for name in names {
        let metadata = ObjectMeta {
            name: Some((*name).to_owned()),
            ..ObjectMeta::default()
        };
        let namespace = Namespace {
            metadata,
            ..Namespace::default()
        };
        namespaces
            .create(&PostParams::default(), &namespace)
            .await
            .unwrap();
    }
}

/// Objects of the release, as KIND/NAME.
async fn objects(client: &Client) -> BTreeSet<String> {
    let of_release = ListParams::default().labels(&format!("app.kubernetes.io/instance={RELEASE}"));
    let mut found = BTreeSet::new();
    for (group, version, kind) in KINDS {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let all: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        let names = all.list(&of_release).await.unwrap().items;
        found.extend(
            names
                .iter()
                .map(|object| format!("{kind}/{}", object.name_any())),
        );
    }
    found
}

async fn may(
    client: &Client,
    user: &str,
    verb: &str,
    resource: (&str, &str),
    name: Option<&str>,
) -> bool {
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(user.to_owned()),
            resource_attributes: Some(ResourceAttributes {
                verb: Some(verb.to_owned()),
                group: Some(resource.0.to_owned()),
                resource: Some(resource.1.to_owned()),
                namespace: Some(NAMESPACE.to_owned()),
                name: name.map(str::to_owned),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let reviews: Api<SubjectAccessReview> = Api::all(client.clone());
    reviews
        .create(&PostParams::default(), &review)
        .await
        .unwrap()
        .status
        .unwrap()
        .allowed
}

#[tokio::test]
#[ignore = "needs helm and the test control plane: cargo xtask test --only chart"]
async fn every_mode_installs_and_leaves_only_the_right_to_see_its_end() {
    let plane = ControlPlane::start().await.unwrap();
    let client = plane.client().await.unwrap();
    make_namespaces(&client, &[NAMESPACE, "apps", "shop"]).await;
    install_monitors(&client).await;
    let kept = [
        "Role/NAME-gateway",
        "RoleBinding/NAME-gateway",
        "ServiceAccount/NAME-gateway",
    ];
    for mode in modes() {
        // `everything` has a name of its own, and helm needs the namespace before it can make one. Nothing runs here, and so
        // no Job ends.
        let settings = [
            "--set",
            "namespace.create=false,uninstall.retire=false",
            "--values",
            mode.to_str().unwrap(),
        ];
        helm(
            &plane,
            &[&["install", RELEASE, "charts/podgate"], &settings[..]].concat(),
        );
        let installed = objects(&client).await;
        assert!(
            installed
                .iter()
                .any(|object| object.starts_with("DaemonSet/")),
            "{}: {installed:?}",
            mode.display()
        );
        helm(
            &plane,
            &[&["upgrade", RELEASE, "charts/podgate"], &settings[..]].concat(),
        );
        helm(&plane, &["uninstall", RELEASE, "--wait"]);
        for object in objects(&client).await {
            let name = object
                .split('/')
                .nth(1)
                .unwrap()
                .trim_end_matches("-gateway")
                .to_owned();
            assert!(
                kept.contains(&object.replace(&name, "NAME").as_str()),
                "{}: {object} is left",
                mode.display()
            );
        }
    }
}

#[tokio::test]
#[ignore = "needs helm and the test control plane: cargo xtask test --only chart"]
async fn accounts_may_do_what_they_need_and_no_more() {
    let plane = ControlPlane::start().await.unwrap();
    let client = plane.client().await.unwrap();
    helm(
        &plane,
        &["install", RELEASE, "charts/podgate", "--create-namespace"],
    );
    let kinds = "aadpodidentity.k8s.io";
    for (user, verb, resource, name) in [
        (GATEWAY, "watch", ("", "pods"), None),
        (GATEWAY, "list", (kinds, "azureassignedidentities"), None),
        (
            GATEWAY,
            "get",
            ("apps", "daemonsets"),
            Some("podgate-gateway"),
        ),
        (
            CONTROLLER,
            "create",
            (kinds, "azureassignedidentities"),
            None,
        ),
        (
            CONTROLLER,
            "update",
            ("coordination.k8s.io", "leases"),
            Some("aad-pod-identity-mic"),
        ),
    ] {
        assert!(
            may(&client, user, verb, resource, name).await,
            "{user} may not {verb} {resource:?}"
        );
    }
    for (user, verb, resource, name) in [
        (GATEWAY, "list", ("", "secrets"), None),
        (GATEWAY, "get", ("", "secrets"), Some("any")),
        (
            GATEWAY,
            "create",
            (kinds, "azurepodidentityexceptions"),
            None,
        ),
        (GATEWAY, "patch", ("", "nodes"), None),
        (GATEWAY, "get", ("apps", "daemonsets"), Some("another")),
        (CONTROLLER, "list", ("", "secrets"), None),
        (CONTROLLER, "update", (kinds, "azureidentities"), None),
        (
            CONTROLLER,
            "update",
            ("coordination.k8s.io", "leases"),
            Some("another"),
        ),
    ] {
        assert!(
            !may(&client, user, verb, resource, name).await,
            "{user} may {verb} {resource:?}"
        );
    }
}

#[tokio::test]
#[ignore = "needs helm and the test control plane: cargo xtask test --only chart"]
async fn the_notes_name_the_mistakes_that_are_in_the_cluster() {
    let plane = ControlPlane::start().await.unwrap();
    plane.apply_crds().await.unwrap();
    let client = plane.client().await.unwrap();
    for (kind, object) in [
        (
            "AzureIdentity",
            serde_json::json!({ "metadata": { "name": "old-case" }, "spec": { "type": 0 } }),
        ),
        (
            "AzureIdentityBinding",
            serde_json::json!({ "metadata": { "name": "astray" }, "spec": { "azureIdentity": "elsewhere" } }),
        ),
    ] {
        let resource =
            ApiResource::from_gvk(&GroupVersionKind::gvk("aadpodidentity.k8s.io", "v1", kind));
        let mut object: DynamicObject = serde_json::from_value(object).unwrap();
        object.types = Some(kube::core::TypeMeta {
            api_version: resource.api_version.clone(),
            kind: kind.to_owned(),
        });
        let all: Api<DynamicObject> = Api::namespaced_with(client.clone(), "default", &resource);
        all.create(&PostParams::default(), &object).await.unwrap();
    }
    let told = helm(
        &plane,
        &["install", RELEASE, "charts/podgate", "--create-namespace"],
    );
    for words in [
        "AzureIdentity default/old-case has no clientID",
        "AzureIdentity default/old-case: its resourceID \"\" is not of the form",
        "AzureIdentityBinding default/astray names AzureIdentity \"elsewhere\", which is not in its namespace",
        "AzureIdentityBinding default/astray has no selector",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
}

#[tokio::test]
#[ignore = "needs helm and the test control plane: cargo xtask test --only chart"]
async fn the_notes_name_the_old_charts_values_that_do_nothing() {
    let plane = ControlPlane::start().await.unwrap();
    let values = [
        "--create-namespace",
        "--values",
        "tests/chart/values/old-chart-set.yaml",
    ];
    let told = helm(
        &plane,
        &[&["install", RELEASE, "charts/podgate"], &values[..]].concat(),
    );
    println!("{told}");
    for words in [
        "! image.repository=mirror.example.com/oss/azure/aad-pod-identity",
        "! nmi.ipTableUpdateTimeIntervalInSeconds",
        "! nmi.micNamespace",
        "! nmi.enableConntrackDeletion",
        "! mic.updateUserMSIMaxRetry",
        "! rbac.pspEnabled",
        "! installCRDs",
        "nothing of that was found.",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
}
