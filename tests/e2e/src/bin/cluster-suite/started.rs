//! Pods that start in the moment in which their node does: before podgate is on it.

use std::time::Duration;

use anyhow::{Result, ensure};
use podgate_e2e::node::Outcome;
use serde_json::Value;

use crate::acts::Alone;
use crate::objects;
use crate::scene::{PATIENCE, Scene};

pub(crate) const TAINTED: Alone = (
    "with the startup taint no pod comes before the rules, and all get their tokens",
    tainted,
);

/// Over all nodes.
pub(crate) const PODS: usize = 12;
const TAINT: &str = "podgate.io/not-ready=:NoSchedule";
const JOB: &str = "tainted";

/// Nodes as they come, and pods that want to be on them.
pub(crate) fn wait_for_the_taint(scene: &Scene) -> Result<()> {
    scene.identities()?;
    scene.kubectl(&format!("taint nodes --all {TAINT}"))?;
    scene.apply(&[objects::job(JOB, PODS, false)])
}

fn tainted(scene: &mut Scene) -> Result<Outcome> {
    if scene.kube.object("jobs", "shop", JOB).is_err() {
        wait_for_the_taint(scene)?;
        scene.helm.install(&["startupTaint.enabled=true"])?;
    }
    let outcome = all_have_tokens(scene, JOB)?;
    untainted(scene)?;
    Ok(outcome)
}

/// Nothing keeps pods from any node.
pub(crate) fn untainted(scene: &Scene) -> Result<()> {
    for node in scene.kube.objects("nodes", "", "")? {
        let taints = &node["spec"]["taints"];
        ensure!(taints.is_null(), "{taints} on {}", node["metadata"]["name"]);
    }
    Ok(())
}

/// What it cost them is counted.
pub(crate) fn all_have_tokens(scene: &Scene, job: &str) -> Result<Outcome> {
    let took = scene.succeeded(job, PODS, PATIENCE)?;
    let asked = asked(scene, job)?;
    scene.kubectl(&format!("delete job {job} --namespace shop --wait=false"))?;
    Ok([
        ("all done after ms", took.as_secs_f64() * 1e3),
        ("containers that tried again", asked.restarts as f64),
        ("longest wait for a token s", asked.longest.as_secs_f64()),
        ("leaks", scene.azure.leaks().len() as f64),
    ]
    .into())
}

/// What the containers of a Job had to do for their tokens.
pub(crate) struct Asked {
    /// How often one failed and was started anew.
    pub(crate) restarts: u64,
    /// How long one ran that did nothing but ask; whole seconds, as the kubelet says it.
    pub(crate) longest: Duration,
}

pub(crate) fn asked(scene: &Scene, job: &str) -> Result<Asked> {
    let pods = scene.kube.objects("pods", "shop", &format!("job={job}"))?;
    let kinds = ["initContainerStatuses", "containerStatuses"];
    let containers = pods.iter().flat_map(|pod| {
        let statuses = kinds.map(|kind| pod["status"][kind].as_array());
        statuses.into_iter().flatten().flatten()
    });
    let mut asked = Asked {
        restarts: 0,
        longest: Duration::ZERO,
    };
    for container in containers {
        asked.restarts += container["restartCount"].as_u64().unwrap_or_default();
        let ended = &container["state"]["terminated"];
        let ran = seconds(&ended["finishedAt"]).saturating_sub(seconds(&ended["startedAt"]));
        asked.longest = asked.longest.max(Duration::from_secs(ran));
    }
    Ok(asked)
}

/// Of the day: `2026-11-21T12:34:56Z`; no case runs over midnight for longer than it may take.
fn seconds(time: &Value) -> u64 {
    let clock = time.as_str().and_then(|text| text.get(11..19));
    let parts = clock.unwrap_or_default().split(':');
    parts.fold(0, |sum, part| sum * 60 + part.parse::<u64>().unwrap_or(0))
}
