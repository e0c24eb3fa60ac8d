//! What is on the machines, and whose it is.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use podgate_e2e::demo::{NODE, object_id};
use podgate_e2e::node::Outcome;

use crate::acts::{Alone, Beside};
use crate::azure::OTHERS;
use crate::objects;
use crate::people;
use crate::pods::figure;
use crate::scene::Scene;
use crate::single::with_identity;
use crate::standard::no_records;

pub(crate) const USED_ELSEWHERE: Beside = (
    "an identity stays while a pod on another instance of the scale set uses it",
    used_elsewhere,
);
pub(crate) const TAKEN_BY_HAND: Beside = (
    "a record goes with its pod although somebody took the identity off by hand",
    taken_by_hand,
);
pub(crate) const RESTORED: Beside = (
    "an identity that somebody took off by hand comes back to its pods",
    restored,
);
pub(crate) const IMMUTABLE: Beside = (
    "an immutable identity stays on the machine after its last pod",
    immutable,
);
pub(crate) const NOTHING_OF_OTHERS: Alone = (
    "system-assigned, foreign, immutable and the cluster's own identities are as they were",
    nothing_of_others,
);

fn used_elsewhere(scene: &Scene) -> Result<Outcome> {
    let first = with_identity(scene, "shared", "node1")?;
    let second = scene.bound("shared-too", "node2", "shared")?;
    let shared = people::client_id("shared");
    scene.gets(&second, "", &shared)?;
    let first_record = format!("{}-shop-shared", first.name);
    scene.delete([first])?;
    scene.until("the first pod's record is gone", || {
        let record = scene
            .kube
            .object("azureassignedidentities", "shop", &first_record);
        Ok(record.is_err())
    })?;
    ensure!(scene.azure.has(1, "shared"), "it was taken");
    scene.gets(&second, "", &shared)?;
    Ok(Outcome::new())
}

fn taken_by_hand(scene: &Scene) -> Result<Outcome> {
    let pod = with_identity(scene, "taken", "node2")?;
    scene.azure.take(1, "taken");
    scene.delete([pod])?;
    let took = no_records(scene, "taken")?;
    Ok(figure("no record after ms", took))
}

/// Within the time between two comparisons.
fn restored(scene: &Scene) -> Result<Outcome> {
    let pod = with_identity(scene, "restored", "node2")?;
    scene.azure.take(1, "restored");
    ensure!(!scene.azure.has(1, "restored"), "it was not taken");
    let took = scene.until("it is back", || Ok(scene.azure.has(1, "restored")))?;
    scene.gets(&pod, "", &people::client_id("restored"))?;
    Ok(figure("back after ms", took))
}

/// The last case of the mode sees whether it is still there.
fn immutable(scene: &Scene) -> Result<Outcome> {
    let pod = with_identity(scene, "lasting", "node1")?;
    scene.delete([pod])?;
    no_records(scene, "lasting")?;
    ensure!(scene.azure.has(0, "lasting"), "it was taken");
    Ok(Outcome::new())
}

/// Whatever was put there and taken off meanwhile.
fn nothing_of_others(scene: &mut Scene) -> Result<Outcome> {
    scene.installed()?;
    for namespace in ["shop", "depot"] {
        scene.kubectl(&format!(
            "delete pods --all --namespace {namespace} --now --wait=false"
        ))?;
    }
    for node in 0..scene.nodes.len() {
        let machine = scene.azure.machine(node).context("a machine")?;
        let own = machine.system_assigned.context("its own identity")?;
        ensure!(
            own.client_id == NODE && own.object_id == object_id(NODE),
            "{own:?}"
        );
        for other in OTHERS {
            ensure!(scene.azure.has(node, other), "{other} was taken");
        }
    }
    ensure!(scene.azure.has(0, "lasting"), "the immutable one was taken");
    let expected: BTreeSet<String> = ["lasting".to_owned()].into();
    scene.on_all("everything else is off", |node| {
        scene.azure.held(node).is_subset(&expected)
    })?;
    // And it is given to a pod again.
    let cast = objects::cast("shop", "lasting", "lasting", "lasting");
    scene.apply(&cast)?;
    let pod = scene.bound("lasting-again", "node1", "lasting")?;
    scene.gets(&pod, "", &people::client_id("lasting"))?;
    scene.delete([pod])?;
    Ok(Outcome::new())
}
