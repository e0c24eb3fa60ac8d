//! The cluster itself.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use podgate_testkit::Cluster;

/// Where the owner that is killed says which folder its cluster has.
const OWNER: &str = "PODGATE_TEST_OWNER";

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
    let traces = Traces::of(&cluster);
    assert!(!traces.are_gone());
    drop(cluster);
    assert!(traces.are_gone(), "{traces:?}");
}

/// What is on its disk stays: images, and what the kubelet knew of its pods.
#[test]
#[ignore = "needs root and the test control plane: cargo xtask test --only cluster"]
fn a_killed_node_comes_back_with_its_disk_and_leaves_nothing_at_the_end() {
    let cluster = Cluster::start_with_grace(2, &[], 20).unwrap();
    let traces = Traces::of(&cluster);
    let images = ["ctr", "--namespace", "k8s.io", "images", "list", "--quiet"];
    let before = cluster.on("node2", &images).unwrap();
    cluster.kill_node("node2").unwrap();
    assert!(cluster.on("node2", &["true"]).is_err(), "it runs still");
    let is = |state: &str| {
        let condition = "jsonpath={.status.conditions[?(@.type=='Ready')].status}";
        let words = ["get", "node", "node2", "-o", condition];
        cluster.kubectl(&words).is_ok_and(|said| said == state)
    };
    until("it is missed", || is("Unknown"));
    cluster.start_node("node2").unwrap();
    until("it is back", || is("True"));
    assert_eq!(cluster.on("node2", &images).unwrap(), before);
    drop(cluster);
    assert!(traces.are_gone(), "{traces:?}");
}

/// This test's own program is the owner that is killed: it runs the test below, which never ends.
#[test]
#[ignore = "needs root and the test control plane: cargo xtask test --only cluster"]
fn a_killed_owner_leaves_nothing() {
    let says = std::env::temp_dir().join(format!("podgate-owner-{}", std::process::id()));
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "an_owner_that_never_ends"])
        .env(OWNER, &says)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("it has a cluster", || says.exists());
    let traces = Traces(std::fs::read_to_string(&says).unwrap().into());
    owner.kill().unwrap();
    owner.wait().unwrap();
    std::fs::remove_file(&says).unwrap();
    until("nothing is left", || traces.are_gone());
}

#[test]
#[ignore = "part of a_killed_owner_leaves_nothing"]
fn an_owner_that_never_ends() {
    if let Some(says) = std::env::var_os(OWNER) {
        let cluster = Cluster::start(1, &[]).unwrap();
        let unread = Path::new(&says).with_extension("new");
        std::fs::write(&unread, cluster.folder().to_str().unwrap()).unwrap();
        std::fs::rename(unread, says).unwrap();
        std::thread::sleep(Duration::from_secs(120));
    }
}

/// The script is what would take everything away, so the kernel and the next script have to.
#[test]
#[ignore = "needs root and the test control plane: cargo xtask test --only cluster"]
fn a_killed_script_takes_its_processes_along_and_the_next_one_what_else_is_left() {
    let cluster = Cluster::start(1, &[]).unwrap();
    let traces = Traces::of(&cluster);
    signal("KILL", &cluster);
    until("no process is left", || traces.processes() == 0);
    let next = Cluster::start(1, &[]).unwrap();
    assert!(traces.are_gone(), "{traces:?}");
    assert!(!Traces::of(&next).are_gone());
}

/// As `cargo xtask cluster down` ends it.
#[test]
#[ignore = "needs root and the test control plane: cargo xtask test --only cluster"]
fn a_signal_ends_it_while_its_owner_lives() {
    let cluster = Cluster::start(1, &[]).unwrap();
    let traces = Traces::of(&cluster);
    signal("TERM", &cluster);
    until("nothing is left", || traces.are_gone());
}

/// To the script.
fn signal(name: &str, cluster: &Cluster) {
    let script = std::fs::read_to_string(cluster.folder().join("owner")).unwrap();
    let sent = Command::new("kill")
        .args(["-s", name, script.trim()])
        .status();
    assert!(sent.unwrap().success());
}

/// What a cluster with this folder has on the machine.
#[derive(Debug)]
struct Traces(PathBuf);

impl Traces {
    fn of(cluster: &Cluster) -> Self {
        Self(cluster.folder().to_owned())
    }

    fn are_gone(&self) -> bool {
        !self.0.exists() && self.processes() == 0 && self.control_groups() == 0
    }

    /// Those with the folder in their command lines, as each of its daemons has it.
    fn processes(&self) -> usize {
        let folder = self.0.to_str().unwrap();
        let named = |entry: &std::fs::DirEntry| {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(folder)
        };
        entries(Path::new("/proc")).filter(named).count()
    }

    /// Of each hierarchy, or of the only one.
    fn control_groups(&self) -> usize {
        let root = Path::new("/sys/fs/cgroup");
        let name = self
            .0
            .file_name()
            .unwrap()
            .to_string_lossy()
            .replace('.', "-");
        let is_its = |folder: &Path| folder.join(format!("podgate-test-{name}")).exists();
        let hierarchies = entries(root).filter(|entry| is_its(&entry.path())).count();
        hierarchies + usize::from(is_its(root))
    }
}

fn entries(folder: &Path) -> impl Iterator<Item = std::fs::DirEntry> {
    std::fs::read_dir(folder).unwrap().flatten()
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(90), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
