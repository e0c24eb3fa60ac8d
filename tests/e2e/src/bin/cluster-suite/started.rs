//! Pods that start in the moment in which their node does: before podgate is on it.

use anyhow::{Result, ensure};
use podgate_e2e::node::Outcome;

use crate::Promise;
use crate::objects;
use crate::scene::Scene;
use crate::tokens::restarts;
use crate::uninstalled::gone;

pub(crate) const PROMISES: [Promise; 2] = [
    (
        "without a startup taint, pods that start with their node may come before the rules",
        untainted,
    ),
    (
        "with the startup taint none does, and all get their tokens",
        tainted,
    ),
];

/// Over all nodes.
const PODS: usize = 12;
const TAINT: &str = "podgate.io/not-ready=:NoSchedule";

/// The hole that the notes and the documents speak of, counted.
fn untainted(scene: &mut Scene) -> Result<Outcome> {
    scene.leaks_expected = true;
    together(scene, "untainted", &[])
}

fn tainted(scene: &mut Scene) -> Result<Outcome> {
    scene.kubectl(&format!("taint nodes --all {TAINT}"))?;
    let outcome = together(scene, "tainted", &["startupTaint.enabled=true"])?;
    for node in scene.get("nodes")?["items"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let taints = &node["spec"]["taints"];
        ensure!(taints.is_null(), "{taints} on {}", node["metadata"]["name"]);
    }
    Ok(outcome)
}

/// podgate and pods at once, on nodes that have nothing of it.
fn together(scene: &Scene, name: &str, settings: &[&str]) -> Result<Outcome> {
    if scene.helm.is_installed() {
        scene.helm.uninstall()?;
    }
    gone(scene)?;
    scene.apply(&objects::identities())?;
    scene.azure.clear();
    scene.apply(&[objects::job(name, PODS)])?;
    scene.helm.begin("install", settings)?;
    let took = scene.until("all pods have their tokens", || {
        let job = scene.get(&format!("job {name} --namespace shop"))?;
        Ok(job["status"]["succeeded"] == PODS)
    })?;
    let failures = restarts(scene, name)?;
    scene.kubectl(&format!("delete job {name} --namespace shop"))?;
    scene.installed()?;
    Ok([
        ("all done after ms", took.as_secs_f64() * 1e3),
        ("containers that tried again", failures as f64),
        ("leaks", scene.azure.leaks().len() as f64),
    ]
    .into())
}
