//! Whatever happens to the gateway and to the rules, no pod reaches the real metadata service.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use podgate_e2e::demo::WEB;
use podgate_e2e::load::under_load;
use podgate_e2e::node::{LISTENER, Outcome};

use crate::Promise;
use crate::scene::Scene;
use crate::tokens::{gets, resource};

pub(crate) const PROMISES: [Promise; 5] = [
    ("without a gateway a pod is refused at once", no_gateway),
    (
        "a flushed chain is back within a second and nothing leaked",
        flushed,
    ),
    ("a deleted table is back within a second", table_deleted),
    ("the rules stay when their keeper ends", keeper_gone),
    ("check tells whether the rules are in place", checked),
];

const BACK: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(100);

fn no_gateway(scene: &mut Scene) -> Result<Outcome> {
    let pod = scene.bound_pod("alone", "web")?;
    if let Some(gateway) = scene.gateway.take() {
        gateway.kill()?;
    }
    let start = Instant::now();
    ensure!(pod.token(&resource()).is_err(), "somebody answered");
    let refused = start.elapsed();
    scene.stage.delete(pod)?;
    Ok([("refused after ms", refused.as_secs_f64() * 1e3)].into())
}

/// Somebody flushes the redirect under load. Eight restores in a minute are immediate; more look like a war with
/// another program, which is fought more slowly.
fn flushed(scene: &mut Scene) -> Result<Outcome> {
    broken_by(scene, "nft flush chain inet podgate intercept", 5)
}

fn table_deleted(scene: &mut Scene) -> Result<Outcome> {
    broken_by(scene, "nft delete table inet podgate", 3)
}

fn broken_by(scene: &mut Scene, command: &str, times: usize) -> Result<Outcome> {
    let pod = scene.bound_pod("flushed", "web")?;
    let stage = &scene.stage;
    let (longest, seen) = under_load(&[&pod], 4, || {
        let mut longest = Duration::ZERO;
        for _ in 0..times {
            stage.node.namespace.run(command)?;
            let back = stage.until("the rules are back", BACK, || stage.rules_complete())?;
            longest = longest.max(back);
            std::thread::sleep(PAUSE);
        }
        Ok(longest)
    })
    .with_context(|| command.to_owned())?;
    gets(scene, &pod, WEB)?;
    scene.stage.delete(pod)?;
    let mut figures = seen.figures();
    figures.insert("back after ms", longest.as_secs_f64() * 1e3);
    Ok(figures)
}

fn keeper_gone(scene: &mut Scene) -> Result<Outcome> {
    let pod = scene.bound_pod("kept", "web")?;
    if let Some(watch) = scene.watch.take() {
        watch.terminate()?;
        watch.ended()?;
    }
    ensure!(scene.stage.rules_complete(), "SIGTERM took the rules away");
    gets(scene, &pod, WEB)?;
    scene.prepare("")?;
    if let Some(watch) = scene.watch.take() {
        watch.kill()?;
    }
    ensure!(scene.stage.rules_complete(), "SIGKILL took the rules away");
    gets(scene, &pod, WEB)?;
    scene.stage.delete(pod)?;
    Ok(Outcome::new())
}

fn checked(scene: &mut Scene) -> Result<Outcome> {
    let (good, text) = scene.stage.intercept("check", &[])?;
    ensure!(good, "{text}");
    if let Some(watch) = scene.watch.take() {
        watch.kill()?;
    }
    scene
        .stage
        .node
        .namespace
        .run("nft flush chain inet podgate intercept")?;
    let (good, text) = scene.stage.intercept("check", &[])?;
    ensure!(!good, "a missing rule was not seen: {text}");
    let (good, text) = scene.stage.intercept("apply", &[])?;
    ensure!(good, "{text}");
    let (good, text) = scene.stage.intercept("check", &[])?;
    ensure!(good, "{text}");
    let listed = scene.stage.node.namespace.run("ip addr show dev lo")?;
    ensure!(listed.contains(&LISTENER.ip().to_string()), "{listed}");
    Ok(Outcome::new())
}
