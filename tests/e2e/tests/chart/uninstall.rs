//! `helm uninstall`, whose first step is a Job. The test ends it as Kubernetes would.

use std::fs;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use podgate_controller::retire::Retire;
use podgate_testkit::ControlPlane;
use serde_json::{Value, json};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep};

use crate::arguments::arguments;
use crate::helm::{NAMESPACE, RELEASE, helm, modes, repository, try_helm};

const SOON: Duration = Duration::from_secs(60);
const AT: &str = "2026-01-02T03:04:05Z";

/// The Job that helm has made by then.
async fn job(client: &Client) -> Job {
    let jobs: Api<Job> = Api::namespaced(client.clone(), NAMESPACE);
    let begun = Instant::now();
    loop {
        if let Some(job) = jobs.get_opt("podgate-retire").await.unwrap() {
            return job;
        }
        assert!(begun.elapsed() < SOON, "helm makes no Job");
        sleep(Duration::from_millis(100)).await;
    }
}

async fn end(client: &Client, status: Value) {
    let jobs: Api<Job> = Api::namespaced(client.clone(), NAMESPACE);
    let ended = Patch::Merge(json!({"status": status}));
    let parameters = PatchParams::default();
    jobs.patch_status("podgate-retire", &parameters, &ended)
        .await
        .unwrap();
}

fn condition(kind: &str, reason: &str) -> Value {
    json!({"type": kind, "status": "True", "reason": reason, "message": reason, "lastTransitionTime": AT, "lastProbeTime": AT})
}

async fn is_there(client: &Client) -> bool {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
    let there = deployments.get_opt("podgate-controller").await;
    there.unwrap().is_some()
}

/// A release in a cluster, and `helm uninstall`, which waits for the Job.
async fn begun() -> (Arc<ControlPlane>, Client, JoinHandle<Output>) {
    let plane = Arc::new(ControlPlane::start().await.unwrap());
    let client = plane.client().await.unwrap();
    helm(
        &plane,
        &["install", RELEASE, "charts/podgate", "--create-namespace"],
    );
    let own = Arc::clone(&plane);
    let uninstall = move || try_helm(&own, &["uninstall", RELEASE, "--timeout", "60s"]);
    (plane, client, spawn_blocking(uninstall))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs helm and the test control plane: cargo xtask test --only chart"]
async fn the_controller_goes_after_everything_was_undone_and_the_job_with_it() {
    let (_plane, client, helm) = begun().await;
    let job = job(&client).await;
    let pod = job.spec.unwrap().template.spec.unwrap();
    let container = &pod.containers[0];
    assert_eq!(
        container.args.as_ref().unwrap()[..2],
        ["retire", "--within=240s"]
    );
    assert_eq!(
        pod.service_account_name.as_deref(),
        Some("podgate-controller")
    );
    assert!(is_there(&client).await, "it waits");
    end(
        &client,
        json!({"startTime": AT, "completionTime": AT, "succeeded": 1,
        "conditions": [condition("SuccessCriteriaMet", "CompletionsReached"), condition("Complete", "CompletionsReached")]}),
    )
    .await;
    let ended = helm.await.unwrap();
    assert!(ended.status.success(), "{ended:?}");
    assert!(!is_there(&client).await);
    let jobs: Api<Job> = Api::namespaced(client, NAMESPACE);
    let left = jobs.get_opt("podgate-retire").await.unwrap();
    assert!(left.is_none_or(|job| job.metadata.deletion_timestamp.is_some()));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs helm and the test control plane: cargo xtask test --only chart"]
async fn where_not_everything_could_be_undone_nothing_is_removed_and_the_jobs_log_stays() {
    let (_plane, client, helm) = begun().await;
    job(&client).await;
    end(
        &client,
        json!({"startTime": AT, "failed": 1,
        "conditions": [condition("FailureTarget", "PodFailurePolicy"), condition("Failed", "PodFailurePolicy")]}),
    )
    .await;
    let ended = helm.await.unwrap();
    assert!(!ended.status.success(), "{ended:?}");
    assert!(is_there(&client).await);
    job(&client).await;
}

/// What the Job is told follows from the values.
#[test]
fn the_job_is_told_what_the_controller_is_told_and_how_long_to_try() {
    for mode in modes() {
        let name = mode.file_name().unwrap();
        let golden = fs::read_to_string(repository("tests/chart/golden").join(name)).unwrap();
        let (Some(controller), Some(retire)) = (
            arguments(&golden, "controller"),
            arguments(&golden, "retire"),
        ) else {
            let switched_off = ["managed.yaml", "workload-identity.yaml"];
            assert!(switched_off.iter().any(|off| *off == name), "{name:?}");
            continue;
        };
        let own = retire.len() - controller.len();
        assert_eq!(retire[own..], controller, "{name:?}");
        let words = ["podgate-controller retire".to_owned()].into_iter();
        let options = Retire::try_parse_from(words.chain(retire[1..].iter().cloned()));
        let options = options.unwrap_or_else(|error| panic!("{name:?}: {error}"));
        let forced = name == "everything.yaml";
        assert_eq!(options.force, forced, "{name:?}");
    }
}
