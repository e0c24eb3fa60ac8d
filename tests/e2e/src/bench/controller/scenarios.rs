//! How often Azure is asked in standard scenarios.

use std::time::Duration;

use anyhow::{Context, Result};
use podgate_testkit::{ArmCalls, Fleet};
use tokio::time::sleep;

use super::book::{Book, Life, RECORDS};
use super::stage::{Stage, now, record_name};
use super::world::Place;
use crate::bench::report::Report;
use crate::process::ControllerProcess;

const CONTROLLER: &str = "controller";
/// The default of `--removal-linger`, and what a last removal takes on top.
const LINGER: Duration = Duration::from_secs(35);
/// Nothing here takes that long.
const PATIENCE: Duration = Duration::from_secs(180);
/// Of the scenario of a day: so often is looked for drift instead of [`DRIFT`].
const HURRIED: Duration = Duration::from_secs(2);
/// The default of `--identity-assignment-reconcile-interval`.
const DRIFT: Duration = Duration::from_secs(180);
const LOOKS: u32 = 8;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Measures.
pub(super) async fn measure(report: &mut Report) -> Result<()> {
    few(report).await?;
    many(report).await?;
    rolling(report).await?;
    day(report).await
}

/// A cluster with some pods, and the controller at work.
struct Scene {
    stage: Stage,
    records: Book,
    controller: ControllerProcess,
    nodes: usize,
    identities: usize,
    /// When the calls were last asked for.
    since: Duration,
}

/// The calls to ARM of a while, and how long it was: whatever comes slowly cannot be asked for together.
struct Asked {
    calls: ArmCalls,
    took: Duration,
}

impl Scene {
    /// No pods yet.
    async fn set(
        scale_sets: usize,
        nodes_of_each: usize,
        identities: usize,
        flags: &[&str],
    ) -> Result<Self> {
        let stage = furnished(scale_sets, nodes_of_each, identities).await?;
        let records = Book::open(&stage.kube, RECORDS).await?;
        let controller = stage.controller(flags).await?;
        Ok(Self {
            stage,
            records,
            controller,
            nodes: scale_sets * nodes_of_each,
            identities,
            since: now(),
        })
    }

    /// So many pods with their identities in turn, over the nodes so that neither goes with the other.
    fn places(&self, generation: usize, pods: usize) -> Vec<Place> {
        let place = |pod: usize| Place {
            name: format!("pod{pod}-{generation}"),
            node: (pod + generation * 7) % self.nodes,
            identity: 1 + (pod / self.nodes + pod) % self.identities,
        };
        (0..pods).map(place).collect()
    }

    /// Creates pods and waits until so many records in all are Assigned.
    async fn deploy(&mut self, places: Vec<Place>, in_all: usize) -> Result<()> {
        self.stage.deploy(places).await?;
        let all = |book: &Book| book.assigned >= in_all;
        let assigned = self.records.until("all Assigned", PATIENCE, all).await;
        assigned.with_context(|| self.stage.log())?;
        Ok(())
    }

    /// The calls since the last time.
    fn calls(&mut self) -> Asked {
        let calls = self.stage.sim.arm_calls();
        self.stage.sim.clear_calls();
        let before = std::mem::replace(&mut self.since, now());
        Asked {
            calls,
            took: self.since.saturating_sub(before),
        }
    }
}

async fn furnished(scale_sets: usize, nodes_of_each: usize, identities: usize) -> Result<Stage> {
    let fleet = Fleet::new().scale_sets(scale_sets).instances(nodes_of_each);
    let stage = Stage::set(fleet.identities(identities + 1)).await?;
    stage.cast(identities).await?;
    Ok(stage)
}

fn add(report: &mut Report, what: &str, asked: &Asked, budget: Option<&'static str>) {
    let Asked { calls, took } = asked;
    eprintln!("{what}: {calls:?}, {:.1} s", took.as_secs_f64());
    let mut line = |subject: &str, value: f64, unit| {
        let subject = format!("controller, {subject}");
        report.add(what, &subject, value, unit).budget =
            budget.filter(|_| subject.ends_with("PATCHes"));
    };
    line("PATCHes", calls.patches as f64, "");
    line("GETs", (calls.gets + calls.polls) as f64, "");
    line("throttled", calls.throttled as f64, "");
    line("failed", calls.failed as f64, "");
    line("time", took.as_secs_f64(), "s");
}

/// Four deployments of ten pods each come to a running controller.
async fn few(report: &mut Report) -> Result<()> {
    let mut scene = Scene::set(3, 4, 4, &[]).await?;
    let places = scene.places(0, 40);
    scene.deploy(places, 40).await?;
    add(
        report,
        "40 pods of 4 identities on 3 scale sets",
        &scene.calls(),
        None,
    );
    scene.controller.stop().await
}

/// A pod of each identity on each scale set: there when the controller starts, and coming while it works.
async fn many(report: &mut Report) -> Result<()> {
    const SETS: usize = 30;
    const IDENTITIES: usize = 100;
    let stage = furnished(SETS, 5, 2 * IDENTITIES).await?;
    let place = |first: usize, pod: usize| Place {
        name: format!("pod{first}-{pod}"),
        node: pod % SETS * 5 + pod / SETS % 5,
        identity: 1 + first + pod / SETS,
    };
    let pods = SETS * IDENTITIES;
    stage
        .deploy((0..pods).map(|pod| place(0, pod)).collect())
        .await?;
    let records = Book::open(&stage.kube, RECORDS).await?;
    let controller = stage.controller(&[]).await?;
    let mut scene = Scene {
        stage,
        records,
        controller,
        nodes: SETS * 5,
        identities: 2 * IDENTITIES,
        since: now(),
    };
    scene.deploy(Vec::new(), pods).await?;
    add(
        report,
        "100 identities on 30 scale sets, at the start",
        &scene.calls(),
        Some("30"),
    );
    let more = (0..pods).map(|pod| place(IDENTITIES, pod)).collect();
    scene.deploy(more, 2 * pods).await?;
    add(
        report,
        "100 more, pod by pod as fast as they come",
        &scene.calls(),
        None,
    );
    scene.controller.stop().await
}

/// Rolling updates by default linger.
async fn rolling(report: &mut Report) -> Result<()> {
    const PODS: usize = 450;
    let mut scene = Scene::set(6, 5, 6, &[]).await?;
    let first = scene.places(0, PODS);
    scene.deploy(first, PODS).await?;
    add(
        report,
        "450 pods of 6 identities on 6 scale sets",
        &scene.calls(),
        None,
    );
    scene.roll(0, PODS, 1).await?;
    add(report, "450 pods rolled, one by one", &scene.calls(), None);
    scene.roll(1, PODS, PODS / 4).await?;
    add(
        report,
        "450 pods rolled, a quarter at a time",
        &scene.calls(),
        None,
    );
    let (old, new) = (scene.places(2, PODS), scene.places(3, PODS));
    scene.stage.withdraw(old).await?;
    sleep(Duration::from_secs(5)).await;
    scene.replaced(new).await?;
    add(
        report,
        "450 pods gone, back after 5 s",
        &scene.calls(),
        None,
    );
    sleep(LINGER).await;
    add(
        report,
        "450 pods, once nothing lingers any more",
        &scene.calls(),
        None,
    );
    scene.controller.stop().await
}

impl Scene {
    /// New pods come and are waited for before as many old ones go.
    async fn roll(&mut self, generation: usize, pods: usize, at_a_time: usize) -> Result<()> {
        let (old, new) = (
            self.places(generation, pods),
            self.places(generation + 1, pods),
        );
        for (old, new) in old.chunks(at_a_time).zip(new.chunks(at_a_time)) {
            self.replaced(new.to_vec()).await?;
            self.stage.withdraw(old.to_vec()).await?;
        }
        Ok(())
    }

    /// These are there and Assigned, whatever becomes of the others.
    async fn replaced(&mut self, new: Vec<Place>) -> Result<()> {
        let names: Vec<String> = new.iter().map(record_name).collect();
        self.stage.deploy(new).await?;
        for name in names {
            let there = |book: &Book| book.life(&name).is_some_and(Life::is_assigned);
            let assigned = self.records.until(&name, PATIENCE, there).await;
            assigned.with_context(|| self.stage.log())?;
        }
        Ok(())
    }
}

/// 150 pods of 47 identities at rest, for which the old controller made 62,230 calls a day.
async fn day(report: &mut Report) -> Result<()> {
    let flag = format!(
        "--identity-assignment-reconcile-interval={}s",
        HURRIED.as_secs()
    );
    let mut scene = Scene::set(3, 5, 47, &[&flag]).await?;
    let places = scene.places(0, 150);
    scene.deploy(places, 150).await?;
    scene.calls();
    sleep(HURRIED * LOOKS).await;
    let calls = scene.calls().calls;
    eprintln!("{LOOKS} looks for drift: {calls:?}");
    let a_day = calls.all() as f64 / f64::from(LOOKS) * DAY.as_secs_f64() / DRIFT.as_secs_f64();
    report.add(
        "150 pods of 47 identities, 3 scale sets, a day",
        CONTROLLER,
        a_day,
        "calls",
    );
    scene.controller.stop().await
}
