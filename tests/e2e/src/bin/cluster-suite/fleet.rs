//! Many pods at once.

use std::time::Duration;

use anyhow::{Result, ensure};
use podgate_e2e::node::Outcome;

use crate::Promise;
use crate::objects;
use crate::scene::Scene;
use crate::tokens::restarts;

pub(crate) const PROMISES: [Promise; 1] = [(
    "a hundred pods that start at once get their tokens",
    hundred,
)];

/// Over all nodes.
const PODS: usize = 100;
/// The old agent's own test gave 40 pods so long.
const BAR: Duration = Duration::from_secs(150);

/// Two containers each, one after the other, that end with what they asked for.
pub(crate) fn hundred(scene: &mut Scene) -> Result<Outcome> {
    scene.installed()?;
    scene.azure.clear();
    scene.apply(&[objects::job("hundred", PODS)])?;
    let took = scene.within_time(BAR, "a hundred pods are done", || {
        let job = scene.get("job hundred --namespace shop")?;
        Ok(job["status"]["succeeded"] == PODS)
    })?;
    let restarts = restarts(scene, "hundred")?;
    let tokens = scene.azure.tokens();
    scene.kubectl("delete job hundred --namespace shop")?;
    ensure!(restarts == 0, "{restarts} containers had to try again");
    Ok([
        ("done after ms", took.as_secs_f64() * 1e3),
        ("tokens asked of Azure", tokens as f64),
    ]
    .into())
}
