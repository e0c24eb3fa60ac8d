//! The cluster itself.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::process::Command;

use podgate_testkit::Cluster;

#[test]
#[ignore = "needs root and the test control plane: cargo xtask test --only cluster"]
fn two_nodes_run_pods_and_nothing_is_left_of_them() {
    let cluster = Cluster::start(2, &[]).unwrap();
    let nodes = cluster.kubectl(&["get", "nodes", "-o", "name"]).unwrap();
    assert_eq!(nodes.lines().count(), 2, "{nodes}");
    assert!(
        cluster
            .on("node2", &["ip", "addr", "show", "dev", "eth0"])
            .unwrap()
            .contains("192.168.77.12")
    );
    let smoke = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cluster/smoke.sh");
    let status = Command::new(smoke).arg(cluster.folder()).status().unwrap();
    assert!(
        status.success(),
        "pods, services, logs and interception: {status}"
    );
    let folder = cluster.folder().to_owned();
    drop(cluster);
    assert!(!folder.exists());
}
