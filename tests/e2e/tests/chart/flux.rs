//! The example for Flux holds values that the chart takes.

use std::fs;

use podgate_testkit::ControlPlane;
use serde_json::Value;

use crate::helm::{RELEASE, helm, repository};

#[tokio::test]
#[ignore = "needs helm and the test control plane: cargo xtask test --only chart"]
async fn the_example_for_flux_installs() {
    let text = fs::read_to_string(repository("examples/flux/podgate.yaml")).unwrap();
    let documents = text
        .split("\n---")
        .map(|text| serde_saphyr::from_str::<Value>(text).unwrap());
    let release = documents
        .into_iter()
        .find(|document| document["kind"] == "HelmRelease")
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let values = folder.path().join("values.yaml");
    fs::write(&values, release["spec"]["values"].to_string()).unwrap();
    let plane = ControlPlane::start().await.unwrap();
    let values = values.to_str().unwrap();
    let told = helm(
        &plane,
        &[
            "install",
            RELEASE,
            "charts/podgate",
            "--create-namespace",
            "--values",
            values,
        ],
    );
    assert!(told.contains("managed mode"), "{told}");
}
