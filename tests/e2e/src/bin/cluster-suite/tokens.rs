//! Who gets which token.

use anyhow::{Result, ensure};
use podgate_e2e::demo::{ARCHIVE, LEDGER, NODE, WEB, WORKER};
use podgate_e2e::node::Outcome;
use serde_json::json;

use crate::Promise;
use crate::objects;
use crate::scene::Scene;

pub(crate) const PROMISES: [Promise; 4] = [
    (
        "each kind of identity is given to its pod on every node",
        kinds,
    ),
    ("a pod that no binding selects gets nothing", stranger),
    ("an excepted pod gets the node's own identity", excepted),
    (
        "containers that run once have their tokens before they end",
        jobs,
    ),
];

/// What the cases ask for.
pub(crate) const RESOURCE: &str = "resource=https://vault.azure.net";
/// Pods of the Job: some on each node.
const JOBS: usize = 6;

fn kinds(scene: &mut Scene) -> Result<Outcome> {
    scene.installed()?;
    for (selector, client_id) in [
        ("web", WEB),
        ("archive", ARCHIVE),
        ("worker", WORKER),
        ("ledger", LEDGER),
    ] {
        let pods = scene.bound_everywhere(selector, selector)?;
        for pod in &pods {
            let got = scene.azure.client_id(&pod.token(RESOURCE)?)?;
            ensure!(got == client_id, "{selector} got the identity {got}");
        }
        scene.delete(pods, "shop")?;
    }
    Ok([("tokens asked of Azure", scene.azure.tokens() as f64)].into())
}

fn stranger(scene: &mut Scene) -> Result<Outcome> {
    scene.installed()?;
    let pod = scene.pod("shop", "stranger", "node1", &json!({}))?;
    for path in [
        format!("/metadata/identity/oauth2/token?api-version=2018-02-01&{RESOURCE}"),
        format!(
            "/metadata/identity/oauth2/token?api-version=2018-02-01&{RESOURCE}&client_id={WEB}"
        ),
    ] {
        let answer = pod.ask(&path)?;
        ensure!(answer.status == 400, "{}: {}", answer.status, answer.text());
    }
    ensure!(scene.azure.tokens() == 0, "somebody asked Azure for it");
    scene.delete(vec![pod], "shop")?;
    Ok(Outcome::new())
}

fn excepted(scene: &mut Scene) -> Result<Outcome> {
    scene.installed()?;
    scene.apply(&[objects::exception("shop", "team", "platform")])?;
    let pod = scene.pod("shop", "excepted", "node1", &json!({"team": "Platform"}))?;
    scene.until("the exception counts", || {
        Ok(scene.azure.client_id(&pod.token(RESOURCE)?)? == NODE)
    })?;
    // The one that the chart brings for the add-ons of AKS.
    let label = json!({"kubernetes.azure.com/managedby": "aks"});
    let addon = scene.pod("kube-system", "addon", "node1", &label)?;
    let got = scene.azure.client_id(&addon.token(RESOURCE)?)?;
    ensure!(got == NODE, "the add-on got the identity {got}");
    scene.delete(vec![pod], "shop")?;
    scene.delete(vec![addon], "kube-system")?;
    scene.kubectl("delete azurepodidentityexception excepted --namespace shop")?;
    Ok(Outcome::new())
}

/// In the init container already: it runs in the moment in which the pod gets its address.
fn jobs(scene: &mut Scene) -> Result<Outcome> {
    scene.installed()?;
    scene.apply(&[objects::job("once", JOBS)])?;
    let took = scene.until("the Job is done", || {
        let job = scene.get("job once --namespace shop")?;
        Ok(job["status"]["succeeded"] == JOBS)
    })?;
    let restarts = restarts(scene, "once")?;
    scene.kubectl("delete job once --namespace shop")?;
    ensure!(restarts == 0, "{restarts} containers had to try again");
    Ok([("done after ms", took.as_secs_f64() * 1e3)].into())
}

/// How often containers of a Job failed.
pub(crate) fn restarts(scene: &Scene, job: &str) -> Result<u64> {
    let pods = scene.get(&format!("pods --namespace shop --selector job={job}"))?;
    let statuses = ["initContainerStatuses", "containerStatuses"];
    let count = |pod: &serde_json::Value| -> u64 {
        let containers = statuses
            .iter()
            .filter_map(|kind| pod["status"][kind].as_array());
        let counts = containers.flatten().map(|one| &one["restartCount"]);
        counts.filter_map(serde_json::Value::as_u64).sum()
    };
    Ok(pods["items"]
        .as_array()
        .into_iter()
        .flatten()
        .map(count)
        .sum())
}
