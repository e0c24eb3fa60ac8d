//! The control plane itself.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{ConfigMap, Node, Pod, Secret};
use kube::api::{Api, ListParams, ObjectMeta, PostParams};
use podgate_testkit::{ControlPlane, client_of};
use serde_json::{Value, json};

fn config_map(name: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        ..ConfigMap::default()
    }
}

#[tokio::test]
#[ignore = "needs etcd and kube-apiserver: cargo xtask test --only cluster"]
async fn it_starts_within_seconds_and_knows_who_may_do_what() {
    let start = Instant::now();
    let plane = ControlPlane::start().await.unwrap();
    println!("ready after {:?}", start.elapsed());
    plane.apply_crds().await.unwrap();
    let user = "system:serviceaccount:default:nobody";
    let nobody = client_of(
        &plane
            .kubeconfig_for(user, "system:serviceaccounts")
            .unwrap(),
    )
    .await
    .unwrap();
    let secrets: Api<Secret> = Api::default_namespaced(nobody);
    let refused = secrets.list(&ListParams::default()).await.unwrap_err();
    assert!(matches!(refused, kube::Error::Api(status) if status.code == 403));
}

#[tokio::test]
#[ignore = "needs etcd and kube-apiserver: cargo xtask test --only cluster"]
async fn an_outage_loses_nothing() {
    let plane = ControlPlane::start().await.unwrap();
    let maps: Api<ConfigMap> = Api::default_namespaced(plane.client().await.unwrap());
    maps.create(&PostParams::default(), &config_map("kept"))
        .await
        .unwrap();
    plane.stop_apiserver().await.unwrap();
    assert!(maps.get("kept").await.is_err());
    plane.start_apiserver().await.unwrap();
    assert!(maps.get("kept").await.is_ok());
}

#[tokio::test]
#[ignore = "needs etcd and kube-apiserver: cargo xtask test --only cluster"]
async fn a_frozen_api_server_answers_nobody_until_it_thaws() {
    let plane = ControlPlane::start().await.unwrap();
    let maps: Api<ConfigMap> = Api::default_namespaced(plane.client().await.unwrap());
    plane.freeze().unwrap();
    let asked = tokio::time::timeout(Duration::from_millis(500), maps.get_opt("none")).await;
    assert!(asked.is_err(), "{asked:?}");
    plane.thaw().unwrap();
    let asked = tokio::time::timeout(Duration::from_secs(10), maps.get_opt("none")).await;
    assert!(asked.unwrap().unwrap().is_none());
}

/// A pod comes of it only where the DaemonSet's controller runs; that the scheduler runs shows in its binding.
#[tokio::test]
#[ignore = "needs etcd and kube-apiserver: cargo xtask test --only cluster"]
async fn controllers_make_and_place_the_pods_of_a_daemon_set() {
    let plane = ControlPlane::start().await.unwrap();
    plane.start_controllers().await.unwrap();
    let kube = plane.client().await.unwrap();
    let nodes: Api<Node> = Api::all(kube.clone());
    nodes
        .create(&PostParams::default(), &from_json(node()))
        .await
        .unwrap();
    let sets: Api<DaemonSet> = Api::default_namespaced(kube.clone());
    sets.create(&PostParams::default(), &from_json(daemon_set()))
        .await
        .unwrap();
    let pods: Api<Pod> = Api::default_namespaced(kube);
    let start = Instant::now();
    while !is_placed(&pods).await {
        assert!(start.elapsed() < Duration::from_secs(60));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn is_placed(pods: &Api<Pod>) -> bool {
    let pods = pods.list(&ListParams::default()).await.unwrap();
    let on = |pod: &Pod| pod.spec.as_ref()?.node_name.clone();
    pods.iter().any(|pod| on(pod).as_deref() == Some("node1"))
}

fn node() -> Value {
    let room = json!({"pods": "10", "cpu": "1", "memory": "1Gi"});
    json!({"metadata": {"name": "node1"}, "status": {"capacity": room, "allocatable": room}})
}

/// It runs on nodes that are not ready, which one without a kubelet never is.
fn daemon_set() -> Value {
    json!({"metadata": {"name": "agent"}, "spec": {
        "selector": {"matchLabels": {"app": "agent"}},
        "template": {
            "metadata": {"labels": {"app": "agent"}},
            "spec": {
                "tolerations": [{"operator": "Exists"}],
                "containers": [{"name": "agent", "image": "agent:1"}]}}}})
}

fn from_json<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

#[tokio::test]
#[ignore = "needs etcd and kube-apiserver: cargo xtask test --only cluster"]
async fn two_stand_side_by_side() {
    let (one, other) = tokio::join!(ControlPlane::start(), ControlPlane::start());
    let (one, other) = (one.unwrap(), other.unwrap());
    let maps: Api<ConfigMap> = Api::default_namespaced(one.client().await.unwrap());
    maps.create(&PostParams::default(), &config_map("mine"))
        .await
        .unwrap();
    let theirs: Api<ConfigMap> = Api::default_namespaced(other.client().await.unwrap());
    assert!(theirs.get("mine").await.is_err());
}

/// This test's own program is the owner that is killed: it runs the test below, which never ends.
#[test]
#[ignore = "needs etcd and kube-apiserver: cargo xtask test --only cluster"]
fn a_killed_owner_leaves_no_process() {
    let this = std::env::current_exe().unwrap();
    let mark = format!("podgate-owner-{}", std::process::id());
    let mut owner = Command::new(this)
        .args(["--ignored", "--exact", "an_owner_that_never_ends"])
        .env("TMPDIR", folder(&mark))
        .env("PODGATE_TEST_OWNER", "1")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until("it has started", || processes(&mark) >= 2);
    owner.kill().unwrap();
    owner.wait().unwrap();
    until("they are gone", || processes(&mark) == 0);
    assert_eq!(files(&mark), 1, "nobody could take its folder away");
    next_owner(&mark);
    assert_eq!(files(&mark), 0, "the next one does");
    std::fs::remove_dir_all(folder(&mark)).unwrap();
}

/// Another owner in the same folder for temporary files, which comes to its end.
fn next_owner(mark: &str) {
    let mut next = Command::new(std::env::current_exe().unwrap());
    next.args(["--ignored", "--exact", "an_owner_that_ends"]);
    let ended = next
        .env("TMPDIR", folder(mark))
        .env("PODGATE_TEST_OWNER", "1")
        .stdout(Stdio::null());
    assert!(ended.status().unwrap().success());
}

fn files(mark: &str) -> usize {
    std::fs::read_dir(folder(mark)).unwrap().count()
}

#[tokio::test]
#[ignore = "part of a_killed_owner_leaves_no_process"]
async fn an_owner_that_ends() {
    if std::env::var_os("PODGATE_TEST_OWNER").is_some() {
        ControlPlane::start().await.unwrap();
    }
}

#[tokio::test]
#[ignore = "part of a_killed_owner_leaves_no_process"]
async fn an_owner_that_never_ends() {
    if std::env::var_os("PODGATE_TEST_OWNER").is_some() {
        let _plane = ControlPlane::start().await.unwrap();
        std::future::pending::<()>().await;
    }
}

fn folder(mark: &str) -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(mark);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// How many processes have the mark in their command lines, as etcd and kube-apiserver have it.
fn processes(mark: &str) -> usize {
    let named = |entry: &std::fs::DirEntry| {
        std::fs::read(entry.path().join("cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).contains(mark))
    };
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter(named)
        .count()
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
