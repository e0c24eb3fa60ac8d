//! The API server goes away and comes back.

use std::time::Duration;

use anyhow::{Result, ensure};
use podgate_e2e::demo::{WEB, WORKER};
use podgate_e2e::node::{Outcome, PodObject};

use crate::Promise;
use crate::scene::{PROBE, Scene};
use crate::tokens::{gets, resource};

pub(crate) const PROMISES: [Promise; 1] = [(
    "an outage of the API server costs no known pod its token",
    outage,
)];

fn outage(scene: &mut Scene) -> Result<Outcome> {
    let pod = scene.bound_pod("known", "web")?;
    gets(scene, &pod, WEB)?;
    scene.stage.block_on(scene.stage.control.stop_apiserver())?;
    let outcome = without_api_server(scene, &pod);
    scene
        .stage
        .block_on(scene.stage.control.start_apiserver())?;
    outcome?;
    scene.stage.delete(pod)?;
    let newcomer = scene.bound_pod("after", "worker")?;
    let back = scene
        .stage
        .until("the watches are back", Duration::from_secs(60), || {
            gets(scene, &newcomer, WORKER).is_ok()
        })?;
    scene.stage.delete(newcomer)?;
    Ok([("watches back after ms", back.as_secs_f64() * 1e3)].into())
}

fn without_api_server(scene: &mut Scene, pod: &podgate_e2e::node::RunningPod) -> Result<()> {
    for _ in 0..20 {
        gets(scene, pod, WEB)?;
    }
    ensure!(
        scene.stage.admin(PROBE, "/readyz")?.status == 200,
        "an outage must not take the node out"
    );
    let ip = scene.free_ip();
    let stranger = scene
        .stage
        .network_only(PodObject::bound("unknown", "web", ip))?;
    let answer = stranger.token(&resource())?;
    ensure!(
        answer.status == 503,
        "an unknown address: {} {}",
        answer.status,
        answer.text()
    );
    Ok(())
}
