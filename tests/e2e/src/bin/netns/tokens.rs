//! Each kind of identity, exceptions, namespaces, addresses.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use podgate_e2e::demo::{ARCHIVE, LEDGER, NODE, WEB, WORKER};
use podgate_e2e::node::{Outcome, PodObject, RunningPod, percentiles};
use podgate_e2e::stage::VAULT;

use crate::Promise;
use crate::scene::Scene;

/// What the rules are for.
pub(crate) const HOLE: &str = "without rules a pod reaches the real metadata service";

pub(crate) const PROMISES: [Promise; 8] = [
    (HOLE, hole),
    ("each kind of identity gives its token", kinds),
    ("an excepted pod gets the node's identity", excepted),
    ("a binding of another namespace gives nothing", namespaced),
    ("two pods that ask at once get their own tokens", two_pods),
    ("a reused address gives the new pod's token", reuse),
    (
        "an answer follows the assignment at once",
        assignment_latency,
    ),
    ("a hundred requests cost one call", cached),
];

/// A request for the vault's token.
pub(crate) fn resource() -> String {
    format!("resource={VAULT}")
}

/// Asserts that the pod gets a token of this identity.
pub(crate) fn gets(scene: &Scene, pod: &RunningPod, client_id: &str) -> Result<()> {
    let answer = pod.token(&resource())?;
    let got = scene.stage.client_id(&answer)?;
    ensure!(
        got == client_id,
        "pod {} got the token of {got}",
        pod.object.name
    );
    Ok(())
}

fn hole(scene: &mut Scene) -> Result<Outcome> {
    let pod = scene.bound_pod("early", "web")?;
    pod.token(&format!("{}&client_id={ARCHIVE}", resource()))?;
    ensure!(
        scene.stage.leaks().len() == 1,
        "the test's own measure does not work"
    );
    scene.stage.delete(pod)?;
    Ok(Outcome::new())
}

fn kinds(scene: &mut Scene) -> Result<Outcome> {
    for (selector, client_id) in [("web", WEB), ("worker", WORKER), ("ledger", LEDGER)] {
        let pod = scene.bound_pod(selector, selector)?;
        gets(scene, &pod, client_id)?;
        scene.stage.delete(pod)?;
    }
    Ok(Outcome::new())
}

fn excepted(scene: &mut Scene) -> Result<Outcome> {
    let ip = scene.free_ip();
    let label = "kubernetes.azure.com/managedby";
    let addon = PodObject::labelled("kube-system", "addon", label, "aks", ip);
    let addon = scene.stage.pod(addon)?;
    let answer = addon.token(&format!("{}&client_id={NODE}", resource()))?;
    ensure!(scene.stage.client_id(&answer)? == NODE);
    scene.stage.delete(addon)?;
    Ok(Outcome::new())
}

fn namespaced(scene: &mut Scene) -> Result<Outcome> {
    let ip = scene.free_ip();
    let stranger = PodObject::labelled("default", "stranger", "aadpodidbinding", "web", ip);
    let stranger = scene.stage.pod(stranger)?;
    let answer = stranger.token(&resource())?;
    ensure!(answer.status == 400, "{}: {}", answer.status, answer.text());
    scene.stage.delete(stranger)?;
    Ok(Outcome::new())
}

fn two_pods(scene: &mut Scene) -> Result<Outcome> {
    const ROUNDS: usize = 100;
    let (web, worker) = (
        scene.bound_pod("one", "web")?,
        scene.bound_pod("two", "worker")?,
    );
    let scene_ref: &Scene = scene;
    let ask = |pod: &RunningPod, client_id: &str| -> Result<()> {
        (0..ROUNDS).try_for_each(|_| gets(scene_ref, pod, client_id))
    };
    std::thread::scope(|scope| {
        let one = scope.spawn(|| ask(&web, WEB));
        let two = ask(&worker, WORKER);
        one.join()
            .map_err(|_| anyhow::anyhow!("a client panicked"))?
            .and(two)
    })?;
    scene.stage.delete(web)?;
    scene.stage.delete(worker)?;
    Ok([("requests", 2.0 * ROUNDS as f64)].into())
}

fn reuse(scene: &mut Scene) -> Result<Outcome> {
    let ip = scene.free_ip();
    for (round, (selector, client_id)) in [("web", WEB), ("worker", WORKER), ("web", WEB)]
        .into_iter()
        .enumerate()
    {
        let pod = scene.pod_at(ip, &format!("reuse-{round}"), selector)?;
        gets(scene, &pod, client_id)?;
        scene.stage.delete(pod)?;
    }
    Ok(Outcome::new())
}

/// The pod asks while its record is in state Created; the clock runs from the write of Assigned to the answer.
fn assignment_latency(scene: &mut Scene) -> Result<Outcome> {
    const ROUNDS: usize = 40;
    let mut series = Vec::new();
    for round in 0..ROUNDS {
        let ip = scene.free_ip();
        let pod = scene
            .stage
            .pod(PodObject::bound(&format!("wait-{round}"), "web", ip))?;
        let assign = |state| {
            scene
                .stage
                .block_on(pod.object.assign(&scene.stage.kube, "web", state))
        };
        assign("Created")?;
        series.push(waited(&pod, || assign("Assigned")).with_context(|| format!("round {round}"))?);
        scene.stage.delete(pod)?;
    }
    let figures = percentiles(series);
    // The budget is 50 ms, and the report has the figure. A poll instead of the watch would take a second.
    ensure!(figures["p50 ms"] < 500.0, "{figures:?}");
    Ok(figures)
}

/// The time from `assign` to the answer of a request that waits.
fn waited(pod: &RunningPod, assign: impl Fn() -> Result<()>) -> Result<Duration> {
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            pod.token(&resource())
                .map(|answer| (answer, Instant::now()))
        });
        // The request is on its way and waits.
        std::thread::sleep(Duration::from_millis(60));
        ensure!(!asking.is_finished(), "it did not wait for the assignment");
        let start = Instant::now();
        assign()?;
        let (answer, end) = asking
            .join()
            .map_err(|_| anyhow::anyhow!("the client panicked"))??;
        ensure!(answer.status == 200, "{}: {}", answer.status, answer.text());
        Ok(end.saturating_duration_since(start))
    })
}

fn cached(scene: &mut Scene) -> Result<Outcome> {
    let ip = scene.free_ip();
    let pod = scene.stage.pod(PodObject::bound("cached", "reports", ip))?;
    let stage = &scene.stage;
    stage.block_on(
        pod.object
            .assign(&stage.kube, "reports-archive", "Assigned"),
    )?;
    scene.stage.sim.clear_calls();
    let ask = || {
        pod.token(&format!(
            "resource=https://storage.azure.com&client_id={ARCHIVE}"
        ))
    };
    for _ in 0..100 {
        let answer = ask()?;
        ensure!(answer.status == 200, "{}", answer.text());
    }
    let calls = scene.stage.sim.calls().len();
    ensure!(calls == 1, "{calls} calls");
    scene.stage.delete(pod)?;
    Ok(Outcome::new())
}
