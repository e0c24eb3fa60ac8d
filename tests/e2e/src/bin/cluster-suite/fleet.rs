//! Many pods at once.

use std::time::Duration;

use anyhow::{Result, ensure};
use podgate_e2e::node::Outcome;

use crate::acts::Alone;
use crate::azure::OPERATION;
use crate::objects;
use crate::scene::Scene;
use crate::standard::no_records;
use crate::started::asked;

pub(crate) const HUNDRED: Alone = (
    "a hundred pods that start at once get their tokens within the old bar",
    hundred,
);

/// Over all nodes.
const PODS: usize = 100;
/// The old agent's own test gave 40 pods so long.
const BAR: Duration = Duration::from_secs(150);

/// Most of the time is kubelet's and containerd's, on a machine of two cores. What podgate takes is what a container that
/// does nothing but ask takes, and of that the part that is not ARM's.
fn hundred(scene: &mut Scene) -> Result<Outcome> {
    scene.installed()?;
    no_records(scene, "web")?;
    scene.on_all("the identity is off the nodes", |node| {
        !scene.azure.has(node, "web")
    })?;
    scene.azure.clear();
    scene.apply(&[objects::job("hundred", PODS, false)])?;
    let took = scene.succeeded("hundred", PODS, BAR)?;
    let asked = asked(scene, "hundred")?;
    let (tokens, changes) = (scene.azure.tokens(), scene.azure.changes());
    scene.kubectl("delete job hundred --namespace shop --wait=false")?;
    ensure!(
        asked.restarts == 0,
        "{} containers had to try again",
        asked.restarts
    );
    let beyond = asked.longest.saturating_sub(OPERATION);
    Ok([
        ("done after ms", took.as_secs_f64() * 1e3),
        ("longest wait for a token s", asked.longest.as_secs_f64()),
        ("of that beyond ARM's own time s", beyond.as_secs_f64()),
        ("tokens asked of Azure", tokens as f64),
        ("changes at ARM", changes as f64),
    ]
    .into())
}
