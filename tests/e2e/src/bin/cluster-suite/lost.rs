//! A node whose power is cut, and that comes back.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use podgate_e2e::node::Outcome;
use podgate_e2e::process::binary;
use serde_json::Value;

use crate::acts::Alone;
use crate::objects;
use crate::scene::Scene;
use crate::standard::states;
use crate::updated::{askers, load};

pub(crate) const NODE: Alone = (
    "a node that is killed takes nobody else's tokens or identities along, and its pods get theirs when it is back",
    node,
);

/// The pod whose node it is.
const SURVIVOR: &str = "survivor";
/// After the cluster has missed it, for whatever somebody might do about that.
const AWAY: Duration = Duration::from_secs(5);

/// The last one, which is a virtual machine of its own: nobody else's pods keep its identity there.
fn node(scene: &mut Scene) -> Result<Outcome> {
    scene.installed()?;
    let last = scene.nodes.last().cloned().context("a node")?;
    scene.apply(&[objects::persistent(SURVIVOR, &last)])?;
    let has_token = |scene: &Scene| {
        let log = scene.kube.log("shop", SURVIVOR, "")?;
        Ok(log.contains("successfully acquired"))
    };
    scene.until("its pod has a token", || has_token(scene))?;
    let (doomed, others): (Vec<_>, Vec<_>) = askers(scene, "witness")?
        .into_iter()
        .partition(|pod| pod.name.ends_with(&last));
    drop(doomed);
    scene.azure.clear();
    let mut figures = away(scene, &last, &others)?;
    // Pods start with their node again, and no taint keeps them from being there before the rules.
    scene.leaks_expected = true;
    scene.azure.clear();
    scene.cluster.start_node(&last)?;
    let ready = scene.until("the node is ready", || {
        Ok(condition(scene, &last)? == "True")
    })?;
    let served = scene.until("its pod has started and has a token", || {
        let pod = scene.kube.object("pods", "shop", SURVIVOR)?;
        let container = &pod["status"]["containerStatuses"][0];
        let started = container["restartCount"].as_u64() > Some(0)
            && !container["state"]["running"].is_null();
        Ok(started && has_token(scene)?)
    })?;
    scene.installed()?;
    let told = explain(scene, SURVIVOR)?;
    ensure!(told["cause"] == "gets-tokens", "{told:#}");
    let log = scene.kube.log("shop", SURVIVOR, "")?;
    let failures = log.lines().filter(|line| line.contains("ERROR")).count();
    scene.delete(others)?;
    scene.kubectl(&format!(
        "delete pod {SURVIVOR} witness-{last} --namespace shop --now --wait=false"
    ))?;
    figures.extend([
        ("ready again after ms", ready.as_secs_f64() * 1e3),
        ("token after ms", (ready + served).as_secs_f64() * 1e3),
        ("rounds of its pod that failed", failures as f64),
        ("leaks at its start", scene.azure.leaks().len() as f64),
    ]);
    Ok(figures)
}

/// Until it is missed, and a while longer.
fn away(scene: &Scene, last: &str, others: &[crate::pods::Pod]) -> Result<Outcome> {
    let seen = load(scene, others, |scene| {
        scene.cluster.kill_node(last)?;
        scene.until("the node is missed", || {
            Ok(condition(scene, last)? == "Unknown")
        })?;
        std::thread::sleep(AWAY);
        let told = explain(scene, SURVIVOR)?;
        ensure!(told["cause"] != "gets-tokens", "{told:#}");
        Ok(())
    })?;
    ensure!(seen.failed == 0, "{seen:?}");
    let leaks = scene.azure.leaks().len();
    ensure!(leaks == 0, "{leaks} leaks on the other nodes");
    for node in 0..scene.nodes.len() {
        ensure!(
            scene.azure.has(node, "web"),
            "the identity was taken off node {node}"
        );
    }
    let states = states(scene, "web")?;
    ensure!(
        states.len() == scene.nodes.len() + 1 && states.iter().all(|state| state == "Assigned"),
        "{states:?}"
    );
    Ok(seen.figures())
}

/// Whether a node is ready, in the API server's words.
fn condition(scene: &Scene, node: &str) -> Result<String> {
    let node = scene.kube.object("nodes", "", node)?;
    let conditions = node["status"]["conditions"].as_array();
    let ready = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == "Ready");
    let status = ready.and_then(|ready| ready["status"].as_str());
    Ok(status.unwrap_or_default().to_owned())
}

/// What `podgate explain` says of a pod of the namespace `shop`.
pub(crate) fn explain(scene: &Scene, pod: &str) -> Result<Value> {
    let output = Command::new(binary("podgate")?)
        .args(["explain", pod, "-n", "shop", "-o", "json", "--kubeconfig"])
        .arg(scene.cluster.folder().join("pki/admin.kubeconfig"))
        .stdin(Stdio::null())
        .output()
        .context("podgate explain")?;
    serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())
}
