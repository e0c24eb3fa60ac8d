//! helm, as `cargo xtask` has found or built it, against a test's own API server.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use podgate_testkit::ControlPlane;

pub(crate) const NAMESPACE: &str = "podgate";
pub(crate) const RELEASE: &str = "podgate";

/// A file of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

/// The modes of tests/chart/values.
pub(crate) fn modes() -> Vec<PathBuf> {
    let folder = std::fs::read_dir(repository("tests/chart/values")).unwrap();
    let mut files: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Runs helm; its output comes back, and a failure is the test's.
pub(crate) fn helm(plane: &ControlPlane, arguments: &[&str]) -> String {
    let output = try_helm(plane, arguments);
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "helm {arguments:?}: {}",
        said(&output.stderr)
    );
    said(&output.stdout)
}

pub(crate) fn try_helm(plane: &ControlPlane, arguments: &[&str]) -> Output {
    Command::new(program())
        .current_dir(repository("."))
        .args([
            "--kubeconfig",
            plane.kubeconfig().to_str().unwrap(),
            "--namespace",
            NAMESPACE,
        ])
        .args(arguments)
        .output()
        .unwrap()
}

/// The rule of xtask/src/chart/helm.rs: one built by it comes before the machine's own, which is of the same version.
fn program() -> PathBuf {
    let built = repository("target/helm/helm");
    if built.exists() {
        built
    } else {
        PathBuf::from("helm")
    }
}
