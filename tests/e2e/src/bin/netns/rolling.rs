//! Gateways come and go under load.

use std::time::Duration;

use anyhow::{Result, ensure};
use podgate_e2e::load::under_load;
use podgate_e2e::node::Outcome;

use crate::Promise;
use crate::scene::{PROBE, Scene};

pub(crate) const PROMISES: [Promise; 3] = [
    ("a rolling restart loses no request", rolling),
    ("a rollback loses no request", rollback),
    ("a killed gateway opens nothing", killed),
];

const CLIENTS: usize = 8;
const ROLLS: u16 = 5;

/// The new gateway is ready before the old one is told to end, as a surge of a DaemonSet does it.
fn rolling(scene: &mut Scene) -> Result<Outcome> {
    let pod = scene.bound_pod("roller", "web")?;
    let mut current = scene.gateway.take();
    let stage = &scene.stage;
    let (last, seen) = under_load(&[&pod], CLIENTS, || {
        for roll in 0..ROLLS {
            let next = stage.gateway(PROBE + 1 + roll % 2, &[])?;
            if let Some(old) = current.replace(next) {
                old.terminate()?;
                old.ended()?;
            }
        }
        Ok(current)
    })?;
    scene.gateway = last;
    ensure!(seen.failed == 0, "{seen:?}");
    let calls = scene.stage.sim.calls().len();
    scene.stage.delete(pod)?;
    let mut figures = seen.figures();
    figures.extend([
        ("restarts", f64::from(ROLLS)),
        ("calls of the gateways", calls as f64),
    ]);
    Ok(figures)
}

/// The new gateway is the one that ends.
fn rollback(scene: &mut Scene) -> Result<Outcome> {
    let pod = scene.bound_pod("rollback", "web")?;
    let stage = &scene.stage;
    let ((), seen) = under_load(&[&pod], CLIENTS, || {
        for _ in 0..ROLLS {
            let next = stage.gateway(PROBE + 3, &[])?;
            std::thread::sleep(Duration::from_millis(100));
            next.terminate()?;
            next.ended()?;
        }
        Ok(())
    })?;
    ensure!(seen.failed == 0, "{seen:?}");
    scene.stage.delete(pod)?;
    Ok(seen.figures())
}

/// SIGKILL, and a new one: requests fail in between, and nothing leaks. The runner counts the leaks.
fn killed(scene: &mut Scene) -> Result<Outcome> {
    let pod = scene.bound_pod("survivor", "web")?;
    let first = scene.gateway.take();
    let stage = &scene.stage;
    let (last, seen) = under_load(&[&pod], CLIENTS, || {
        let mut current = first;
        for _ in 0..3 {
            if let Some(gateway) = current.take() {
                gateway.kill()?;
            }
            std::thread::sleep(Duration::from_millis(200));
            current = Some(stage.gateway(PROBE, &[])?);
        }
        Ok(current)
    })?;
    scene.gateway = last;
    ensure!(
        seen.failed > 0,
        "nobody noticed: the test does not do what it says"
    );
    scene.stage.delete(pod)?;
    Ok(seen.figures())
}
