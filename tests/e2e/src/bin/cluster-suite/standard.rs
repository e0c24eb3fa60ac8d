//! With the controller: identities come onto the nodes with the pods that need them, and go with them.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use podgate_e2e::demo::WEB;
use podgate_e2e::node::Outcome;

use crate::Promise;
use crate::azure::OPERATION;
use crate::helm::RELEASE;
use crate::objects;
use crate::scene::Scene;
use crate::tokens::RESOURCE;
use crate::uninstalled::gone;
use crate::{fleet, updated, walkthrough};

pub(crate) const PROMISES: [Promise; 8] = [
    (
        "standard mode: helm installs the controllers, one of which leads",
        installed,
    ),
    (
        "standard mode: the demo logs its lines once its identity is on the node",
        assigned,
    ),
    (
        "standard mode: an identity goes with the last pod that used it",
        released,
    ),
    ("standard mode: a deleted binding ends the tokens", unbound),
    (
        "standard mode: a leader that is deleted meanwhile is succeeded",
        leaderless,
    ),
    ("standard mode: a hundred pods get their tokens", hundred),
    (
        "standard mode: upgrade and rollback lose no request",
        updated,
    ),
    (
        "standard mode: an uninstall leaves nothing on any node",
        uninstalled,
    ),
];

fn installed(scene: &mut Scene) -> Result<Outcome> {
    if scene.helm.is_installed() {
        scene.helm.uninstall()?;
        gone(scene)?;
    }
    scene.standard()?;
    let start = Instant::now();
    let notes = scene.helm.install(&[])?;
    let took = start.elapsed();
    ensure!(notes.contains("standard mode"), "{notes}");
    scene.apply(&objects::identities())?;
    let leader = leader(scene)?;
    ensure!(leader.starts_with("podgate-controller-"), "{leader} leads");
    Ok([("helm install ms", took.as_secs_f64() * 1e3)].into())
}

/// The pod that holds the Lease.
fn leader(scene: &Scene) -> Result<String> {
    scene.until("somebody leads", || Ok(!holder(scene)?.is_empty()))?;
    holder(scene)
}

fn holder(scene: &Scene) -> Result<String> {
    let lease = scene.get(&format!("lease aad-pod-identity-mic --namespace {RELEASE}"))?;
    let holder = lease["spec"]["holderIdentity"].as_str();
    // Beside the pod's name there is what tells it from an earlier one of that name.
    let pod = holder.and_then(|holder| holder.split('_').next());
    Ok(pod.unwrap_or_default().to_owned())
}

fn assigned(scene: &mut Scene) -> Result<Outcome> {
    for node in 0..scene.nodes.len() {
        ensure!(
            scene.azure.held(node).is_empty(),
            "identities are there already"
        );
    }
    let mut figures = walkthrough::newest(scene)?;
    let took = figures.values().sum::<f64>();
    let events = scene.kubectl("get events --namespace shop")?;
    ensure!(
        events.contains("binding applied"),
        "no Event says so: {events}"
    );
    figures.insert(
        "beyond ARM's own time ms",
        took - OPERATION.as_secs_f64() * 1e3,
    );
    figures.insert("changes at ARM", scene.azure.changes() as f64);
    Ok(figures)
}

fn released(scene: &mut Scene) -> Result<Outcome> {
    scene.installed()?;
    let pods = scene.bound_everywhere("user", "web")?;
    for pod in &pods {
        scene.until("it has its token", || {
            Ok(scene.azure.client_id(&pod.token(RESOURCE)?)? == WEB)
        })?;
    }
    let nodes = 0..scene.nodes.len();
    for node in nodes.clone() {
        ensure!(
            scene.azure.held(node).len() == 1,
            "node {node} has other identities"
        );
    }
    scene.delete(pods, "shop")?;
    let took = scene.until("the identity is off the nodes", || {
        Ok(nodes.clone().all(|node| scene.azure.held(node).is_empty()))
    })?;
    scene.until("no record is left", || Ok(records(scene)? == 0))?;
    Ok([("off after ms", took.as_secs_f64() * 1e3)].into())
}

/// AzureAssignedIdentities, whatever their state.
fn records(scene: &Scene) -> Result<usize> {
    let records = scene.get("azureassignedidentities --all-namespaces")?;
    Ok(records["items"].as_array().context("items")?.len())
}

fn unbound(scene: &mut Scene) -> Result<Outcome> {
    scene.installed()?;
    let pod = scene.bound("unbound", "node1", "archive")?;
    scene.until(
        "it has its token",
        || Ok(pod.token(RESOURCE)?.status == 200),
    )?;
    scene.kubectl("delete azureidentitybinding archive --namespace shop")?;
    let took = scene.until("it has none any more", || {
        Ok(pod.token(RESOURCE)?.status == 400)
    })?;
    scene.until("no record is left", || Ok(records(scene)? == 0))?;
    scene.delete(vec![pod], "shop")?;
    scene.apply(&objects::identities())?;
    Ok([("refused after ms", took.as_secs_f64() * 1e3)].into())
}

/// In the moment in which it has something to do.
fn leaderless(scene: &mut Scene) -> Result<Outcome> {
    scene.installed()?;
    let first = leader(scene)?;
    let name = "meanwhile";
    scene.apply(&[objects::job(name, scene.nodes.len())])?;
    scene.until("there is something to do", || Ok(records(scene)? > 0))?;
    scene.kubectl(&format!(
        "delete pod {first} --namespace {RELEASE} --wait=false"
    ))?;
    let took = scene.until("the Job is done", || {
        let job = scene.get(&format!("job {name} --namespace shop"))?;
        Ok(job["status"]["succeeded"] == scene.nodes.len())
    })?;
    let second = leader(scene)?;
    ensure!(second != first, "{first} leads still");
    scene.kubectl(&format!("delete job {name} --namespace shop"))?;
    Ok([("done after ms", took.as_secs_f64() * 1e3)].into())
}

fn hundred(scene: &mut Scene) -> Result<Outcome> {
    scene.until("no record is left", || Ok(records(scene)? == 0))?;
    let mut figures = fleet::hundred(scene)?;
    figures.insert("changes at ARM", scene.azure.changes() as f64);
    Ok(figures)
}

fn updated(scene: &mut Scene) -> Result<Outcome> {
    let mut figures = updated::upgrade(scene)?;
    for (name, value) in updated::rollback(scene)? {
        let both = figures.entry(name).or_default();
        *both = both.max(value);
    }
    Ok(figures)
}

/// By the commands of the notes, with pods that use identities. A controller that is taken away before its bindings
/// leaves its records, as the old one did: nobody else knows what it had put on which machine.
fn uninstalled(scene: &mut Scene) -> Result<Outcome> {
    scene.installed()?;
    let pods = scene.bound_everywhere("last", "web")?;
    scene.until("there are records", || Ok(records(scene)? == pods.len()))?;
    scene.kubectl("delete azureidentitybindings --all --all-namespaces")?;
    scene.kubectl(
        "wait --for=delete azureassignedidentities --all --all-namespaces --timeout=60s",
    )?;
    let nodes = 0..scene.nodes.len();
    scene.until("the identities are off the nodes", || {
        Ok(nodes.clone().all(|node| scene.azure.held(node).is_empty()))
    })?;
    scene.helm.uninstall()?;
    let took = gone(scene)?;
    scene.delete(pods, "shop")?;
    scene.kubectl("delete azureidentities --all --namespace shop --timeout 10s")?;
    Ok([("rules gone after ms", took)].into())
}
