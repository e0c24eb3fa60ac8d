//! The sample manifests: a real API server takes them, and what is in one file belongs together.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{
    Api, DynamicObject, ObjectMeta, Patch, PatchParams, PostParams, ValidationDirective,
};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, ResourceExt};
use podgate_api::{AzureIdentity, AzureIdentityBinding, selects};
use podgate_testkit::ControlPlane;
use serde_json::Value;

use crate::helm::repository;

/// Those that the files name.
const NAMESPACES: [&str; 3] = ["demo", "payroll", "agents"];

fn files() -> Vec<PathBuf> {
    let folder = fs::read_dir(repository("examples/manifests")).unwrap();
    let mut files: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

fn documents(file: &PathBuf) -> Vec<Value> {
    serde_saphyr::from_multiple(&fs::read_to_string(file).unwrap()).unwrap()
}

fn of_kind<T: serde::de::DeserializeOwned>(documents: &[Value], kind: &str) -> Vec<T> {
    let found = documents.iter().filter(|document| document["kind"] == kind);
    found
        .map(|document| serde_json::from_value(document.clone()).unwrap())
        .collect()
}

/// The labels of a workload's pods, and its namespace.
fn pods(documents: &[Value]) -> Vec<(String, BTreeMap<String, String>)> {
    let templates = documents.iter().filter_map(|document| {
        let metadata = match document["kind"].as_str().unwrap() {
            "Pod" => "/metadata",
            "Deployment" | "Job" => "/spec/template/metadata",
            "CronJob" => "/spec/jobTemplate/spec/template/metadata",
            _ => return None,
        };
        let labels = document.pointer(metadata).unwrap()["labels"].clone();
        let namespace = document["metadata"]["namespace"].as_str().unwrap();
        Some((
            namespace.to_owned(),
            serde_json::from_value(labels).unwrap(),
        ))
    });
    templates.collect()
}

#[test]
fn each_files_binding_joins_its_identity_with_its_pods() {
    for file in files() {
        let documents = documents(&file);
        let identities: Vec<AzureIdentity> = of_kind(&documents, "AzureIdentity");
        let bindings: Vec<AzureIdentityBinding> = of_kind(&documents, "AzureIdentityBinding");
        assert_eq!(identities.len(), bindings.len(), "{}", file.display());
        for binding in &bindings {
            let named = identities.iter().find(|identity| {
                identity.name_any() == binding.spec.azure_identity
                    && identity.namespace() == binding.namespace()
            });
            assert!(named.is_some(), "{}", file.display());
        }
        for (namespace, labels) in pods(&documents) {
            let bound = bindings.iter().any(|binding| {
                binding.namespace().as_ref() == Some(&namespace) && selects(binding, &labels)
            });
            assert!(bound, "{}: {labels:?}", file.display());
        }
    }
}

#[test]
fn the_pods_run_the_demo_of_this_release() {
    let image = concat!("image: podgate/demo:", env!("CARGO_PKG_VERSION"));
    for file in files() {
        let text = fs::read_to_string(&file).unwrap();
        let images = text
            .lines()
            .map(str::trim)
            .filter(|line| line.starts_with("image:"));
        images.for_each(|line| assert_eq!(line, image, "{}", file.display()));
    }
}

async fn dry_run(client: &Client, document: Value) {
    let object: DynamicObject = serde_json::from_value(document).unwrap();
    let types = object.types.clone().unwrap();
    let resource = ApiResource::from_gvk(&GroupVersionKind::try_from(&types).unwrap());
    let namespace = object.namespace().unwrap();
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &resource);
    let parameters = PatchParams {
        dry_run: true,
        field_validation: Some(ValidationDirective::Strict),
        ..PatchParams::apply("podgate-e2e")
    };
    let name = object.name_any();
    let taken = api.patch(&name, &parameters, &Patch::Apply(&object)).await;
    taken.unwrap_or_else(|error| panic!("{} {name}: {error}", types.kind));
}

#[tokio::test]
#[ignore = "needs helm and the test control plane: cargo xtask test --only chart"]
async fn a_real_api_server_takes_every_sample_manifest() {
    let plane = ControlPlane::start().await.unwrap();
    plane.apply_crds().await.unwrap();
    let client = plane.client().await.unwrap();
    let namespaces: Api<Namespace> = Api::all(client.clone());
    for name in NAMESPACES {
        // As strict as a cluster can be: the samples are what people copy.
        let level = ("pod-security.kubernetes.io/enforce", "restricted");
        let metadata = ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some([(level.0.to_owned(), level.1.to_owned())].into()),
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
    for document in files().iter().flat_map(documents) {
        dry_run(&client, document).await;
    }
}
