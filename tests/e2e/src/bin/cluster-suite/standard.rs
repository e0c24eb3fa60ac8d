//! With the controller: identities come onto the nodes with the pods that need them, and go with them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use podgate_e2e::node::Outcome;
use serde_json::Value;

use crate::acts::Alone;
use crate::azure::OPERATION;
use crate::helm::RELEASE;
use crate::objects;
use crate::scene::{PATIENCE, Scene};
use crate::started::{PODS, all_have_tokens, untainted};
use crate::uninstalled::{gone, only_rights_are_left};
use crate::updated::{PREVIOUS, have_previous_images};
use crate::walkthrough;

pub(crate) const INSTALLED: Alone = (
    "the previous chart installs its controllers; without a startup taint pods may come before the rules",
    installed,
);
pub(crate) const WALKTHROUGH: Alone = (
    "the demo logs its lines once the controller has put its identity on the node",
    assigned,
);
pub(crate) const LEADERLESS: Alone = (
    "a leader that is deleted meanwhile is succeeded",
    leaderless,
);
pub(crate) const UNINSTALLED: Alone = (
    "an uninstall with bindings still there leaves nothing: no identity, no record, no rule, no taint",
    uninstalled,
);

const JOB: &str = "untainted";

/// podgate, and pods that want tokens, in the same second, on nodes that have nothing of it: the hole that the notes and
/// the documents speak of, counted. The controllers are among those pods.
fn installed(scene: &mut Scene) -> Result<Outcome> {
    scene.leaks_expected = true;
    have_previous_images(scene)?;
    scene.identities()?;
    scene.apply(&[objects::job(JOB, PODS, false)])?;
    let tag = format!("image.tag={PREVIOUS}");
    let notes = scene.helm.begin_with_previous(&[&tag])?;
    ensure!(notes.contains("standard mode"), "{notes}");
    let outcome = all_have_tokens(scene, JOB)?;
    scene.installed()?;
    let leader = leader(scene)?;
    ensure!(leader.starts_with("podgate-controller-"), "{leader} leads");
    Ok(outcome)
}

/// The pod that holds the Lease.
pub(crate) fn leader(scene: &Scene) -> Result<String> {
    scene.until("somebody leads", || Ok(!holder(scene)?.is_empty()))?;
    holder(scene)
}

fn holder(scene: &Scene) -> Result<String> {
    let lease = scene
        .kube
        .object("leases", RELEASE, "aad-pod-identity-mic")?;
    let holder = lease["spec"]["holderIdentity"].as_str();
    // Beside the pod's name there is what tells it from an earlier one of that name.
    let pod = holder.and_then(|holder| holder.split('_').next());
    Ok(pod.unwrap_or_default().to_owned())
}

fn assigned(scene: &mut Scene) -> Result<Outcome> {
    scene.installed()?;
    scene.on_all("the demo's identity is on no node", |node| {
        !scene.azure.has(node, "web")
    })?;
    scene.azure.clear();
    let mut figures = walkthrough::newest_as(scene, "demo-standard")?;
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

/// AzureAssignedIdentities of an AzureIdentity with this name.
fn records(scene: &Scene, identity: &str) -> Result<Vec<Value>> {
    let mut records = scene.kube.objects("azureassignedidentities", "", "")?;
    records.retain(|record| record["spec"]["azureIdentityRef"]["metadata"]["name"] == identity);
    Ok(records)
}

/// In which states they are.
pub(crate) fn states(scene: &Scene, identity: &str) -> Result<Vec<String>> {
    let records = records(scene, identity)?;
    let state = |record: &Value| record["status"]["status"].as_str().map(str::to_owned);
    Ok(records.iter().filter_map(state).collect())
}

pub(crate) fn no_records(scene: &Scene, identity: &str) -> Result<Duration> {
    scene.until(&format!("no record of {identity} is left"), || {
        Ok(records(scene, identity)?.is_empty())
    })
}

/// In the moment in which it has something to do.
fn leaderless(scene: &mut Scene) -> Result<Outcome> {
    scene.installed()?;
    no_records(scene, "web")?;
    let first = leader(scene)?;
    let (name, pods) = ("meanwhile", scene.nodes.len());
    scene.apply(&[objects::job(name, pods, true)])?;
    scene.until("there is something to do", || {
        Ok(!records(scene, "web")?.is_empty())
    })?;
    scene.kubectl(&format!(
        "delete pod {first} --namespace {RELEASE} --wait=false"
    ))?;
    let took = scene.succeeded(name, pods, PATIENCE)?;
    let second = leader(scene)?;
    ensure!(second != first, "{first} leads still");
    scene.kubectl(&format!("delete job {name} --namespace shop --wait=false"))?;
    Ok([("done after ms", took.as_secs_f64() * 1e3)].into())
}

/// Bindings and pods stay; what podgate put on the machines does not.
fn uninstalled(scene: &mut Scene) -> Result<Outcome> {
    scene.installed()?;
    let pods = crate::updated::askers(scene, "last")?;
    ensure!(
        !scene.azure.held(0).is_empty(),
        "there is nothing to take off"
    );
    let start = Instant::now();
    scene.helm.uninstall()?;
    let took = start.elapsed();
    for node in 0..scene.nodes.len() {
        let mut held = scene.azure.held(node);
        held.remove("lasting");
        ensure!(held.is_empty(), "{held:?} are on node {node}");
        ensure!(scene.azure.has(node, "foreign"), "the foreign one is gone");
    }
    let records = scene.kube.objects("azureassignedidentities", "", "")?;
    ensure!(records.is_empty(), "{} records are left", records.len());
    let clean = gone(scene)?;
    untainted(scene)?;
    only_rights_are_left(scene)?;
    scene.delete(pods)?;
    let bindings = scene.kube.objects("azureidentitybindings", "shop", "")?;
    ensure!(!bindings.is_empty(), "people's own bindings are gone");
    // And nothing keeps them from being deleted.
    scene
        .kubectl(
            "delete azureidentitybindings,azureidentities --all --all-namespaces --timeout 10s",
        )
        .context("people's own objects")?;
    Ok([
        ("uninstall ms", took.as_secs_f64() * 1e3),
        ("rules gone after ms", clean),
    ]
    .into())
}
