//! A cluster from nothing to all Assigned, and then one pod more and one less.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

use super::book::{Book, RECORDS};
use super::floor;
use super::one_more::{self, Series};
use super::stage::{Stage, now};
use super::world::{SPARE, World};
use crate::bench::proc;
use crate::bench::report::Report;
use crate::process::ControllerProcess;

/// How long the processor time of a controller at rest is taken.
const REST: Duration = Duration::from_secs(10);

const CONTROLLER: &str = "controller";
const BARE: &str = "bare client";

/// What it took until all records were Assigned.
struct Start {
    took: Duration,
    first: Duration,
    cpu: Duration,
    rss_kib: u64,
    peak_kib: u64,
    patches: usize,
    gets: usize,
    throttled: usize,
    /// Of records, as the watch told of them.
    writes: usize,
}

/// What it takes while nothing happens.
struct Rest {
    /// Of one processor.
    share: f64,
    rss_kib: u64,
}

/// Measures one cluster, and answers with the processor time of one pod event; `small` is that of the cluster it is to be
/// compared with.
pub(super) async fn measure(
    report: &mut Report,
    world: World,
    rounds: usize,
    small: Option<(World, Duration)>,
) -> Result<Duration> {
    let stage = laid_out(world).await?;
    let mut records = Book::open(&stage.kube, RECORDS).await?;
    let (controller, start) = started(&stage, world, &mut records).await?;
    said(world, "all Assigned", start.took);
    let (controller, again) = restarted(&stage, controller).await?;
    said(world, "at rest after a restart", again);
    let rest = Rest::of(&controller).await?;
    let one_by_one = one_more::one_by_one(&stage, world, rounds, &controller, &mut records).await?;
    said(world, "one by one", one_by_one.took);
    let fresh = one_more::fresh(&stage, world, rounds, &mut records).await?;
    controller.stop().await?;
    let floor = floor::measure(&stage, world.pods, start.changes(world)).await?;
    said(world, "the bare client", floor.took);
    add_start(report, world, &start, floor);
    add_writes(report, world, &start);
    add_memory(report, world, &start, &rest);
    add_restart(report, world, again);
    add_events(report, world, &one_by_one, small);
    add_resting(report, world, &rest);
    add_latencies(report, world, &one_by_one, &fresh);
    Ok(one_by_one.cpu)
}

async fn laid_out(world: World) -> Result<Stage> {
    let begun = now();
    let stage = Stage::set(world.fleet()).await?;
    stage.cast(world.identities + SPARE).await?;
    stage.deploy(world.places()).await?;
    said(world, "laid out", now() - begun);
    Ok(stage)
}

/// A run takes minutes: this is for whoever waits.
fn said(world: World, what: &str, took: Duration) {
    eprintln!("{} pods: {what}, {:.1} s", world.pods, took.as_secs_f64());
}

async fn started(
    stage: &Stage,
    world: World,
    records: &mut Book,
) -> Result<(ControllerProcess, Start)> {
    let begun = now();
    let controller = stage.controller(&[]).await?;
    let first = records
        .until("the first record", world.patience(), |book| book.there > 0)
        .await;
    let first = first.with_context(|| stage.log())?;
    let all = |book: &Book| book.assigned >= world.pods;
    let last = records.until("all Assigned", world.patience(), all).await;
    let last = last.with_context(|| stage.log())?;
    let calls = stage.sim.arm_calls();
    let start = Start {
        took: last.saturating_sub(begun),
        first: first.saturating_sub(begun),
        cpu: proc::cpu(controller.pid)?,
        rss_kib: proc::rss(controller.pid)?,
        peak_kib: peak(controller.pid)?,
        patches: calls.patches,
        gets: calls.gets + calls.polls,
        throttled: calls.throttled,
        writes: records.writes,
    };
    Ok((controller, start))
}

/// Another controller takes over, and has nothing to do. It also has nothing to tell: the first one has Events for minutes,
/// which would be in each figure that follows.
async fn restarted(
    stage: &Stage,
    controller: ControllerProcess,
) -> Result<(ControllerProcess, Duration)> {
    controller.stop().await?;
    let begun = now();
    let controller = stage.controller(&[]).await?;
    let settled = stage.settled(&controller).await;
    let settled = settled.with_context(|| stage.log())?;
    stage.quiet().await?;
    Ok((controller, settled.saturating_sub(begun)))
}

/// The most resident memory so far, in KiB.
fn peak(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("reading memory")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|rest| rest.split_whitespace().next());
    Ok(number.context("VmHWM")?.parse()?)
}

impl Start {
    /// Writes that were no creations. A record that is changed twice counts as often for the bare client as it can.
    fn changes(&self, world: World) -> usize {
        self.writes.saturating_sub(world.pods).min(world.pods)
    }
}

impl Rest {
    async fn of(controller: &ControllerProcess) -> Result<Self> {
        let before = proc::cpu(controller.pid)?;
        tokio::time::sleep(REST).await;
        let used = proc::cpu(controller.pid)?.saturating_sub(before);
        Ok(Self {
            share: used.as_secs_f64() / REST.as_secs_f64(),
            rss_kib: proc::rss(controller.pid)?,
        })
    }
}

fn add_start(report: &mut Report, world: World, start: &Start, floor: floor::Cost) {
    let pods = world.pods;
    let budgets = world.budgets();
    let what = format!("{pods} pods, start to all Assigned");
    report.add(&what, BARE, floor.took.as_secs_f64(), "s");
    let figure = report.add(&what, CONTROLLER, start.took.as_secs_f64(), "s");
    figure.against(BARE, floor.took.as_secs_f64());
    figure.budget = budgets.assigned;
    let what = format!("{pods} pods, start to the first record");
    report.add(&what, CONTROLLER, start.first.as_secs_f64(), "s");
    let what = format!("{pods} pods, CPU to all Assigned");
    report.add(&what, BARE, floor.cpu.as_secs_f64(), "s");
    let figure = report.add(&what, CONTROLLER, start.cpu.as_secs_f64(), "s");
    figure.against(BARE, floor.cpu.as_secs_f64());
    let what = format!("{pods} pods, ARM PATCHes");
    report
        .add(&what, CONTROLLER, start.patches as f64, "")
        .budget = budgets.patches;
    let what = format!("{pods} pods, ARM GETs");
    report.add(&what, CONTROLLER, start.gets as f64, "");
    let what = format!("{pods} pods, ARM calls throttled");
    report.add(&what, CONTROLLER, start.throttled as f64, "");
}

fn add_writes(report: &mut Report, world: World, start: &Start) {
    let what = format!("{} pods, writes of records", world.pods);
    let bare = (world.pods + start.changes(world)) as f64;
    report.add(&what, BARE, bare, "");
    let figure = report.add(&what, CONTROLLER, start.writes as f64, "");
    figure.against(BARE, bare);
}

fn add_memory(report: &mut Report, world: World, start: &Start, rest: &Rest) {
    let mut line = |what: &str, kib: u64, budget| {
        let what = format!("{} pods, RSS {what}", world.pods);
        let mib = kib as f64 / 1024.0;
        report.add(&what, CONTROLLER, mib, "MiB").budget = budget;
    };
    line(
        "when all are Assigned",
        start.rss_kib,
        world.budgets().memory,
    );
    line("at the most", start.peak_kib, None);
    line("at rest, after a restart", rest.rss_kib, None);
}

fn add_restart(report: &mut Report, world: World, took: Duration) {
    let what = format!("{} pods, restart to rest", world.pods);
    report.add(&what, CONTROLLER, took.as_secs_f64(), "s");
}

fn add_events(
    report: &mut Report,
    world: World,
    series: &Series,
    small: Option<(World, Duration)>,
) {
    let what = format!("{} pods, CPU per pod event", world.pods);
    let figure = report.add(&what, CONTROLLER, millis(series.cpu), "ms");
    let budgets = world.budgets();
    figure.budget = budgets.event;
    if let Some((than, cost)) = small {
        figure.against(&format!("{} pods", than.pods), millis(cost));
        figure.budget = budgets.growth.or(budgets.event);
    }
}

fn add_resting(report: &mut Report, world: World, rest: &Rest) {
    let what = format!("{} pods, CPU at rest, per second", world.pods);
    report.add(&what, CONTROLLER, rest.share * 1e3, "ms");
}

fn add_latencies(report: &mut Report, world: World, one: &Series, fresh: &one_more::Fresh) {
    let mut line = |what: &str, subject: &str, times: &[Duration]| {
        let times = crate::node::percentiles(times.to_vec());
        for share in ["p50", "p99"] {
            let value = times.get(format!("{share} ms").as_str()).copied();
            let what = format!("{} pods, {what}, {share}", world.pods);
            report.add(&what, subject, value.unwrap_or_default(), "ms");
        }
    };
    line("a write, sent to seen", BARE, &one.bare);
    line("pod → record", CONTROLLER, &one.written);
    line("pod gone → record gone", CONTROLLER, &one.removed);
    line("pod → PATCH", CONTROLLER, &fresh.asked);
    line("pod → Assigned by PATCH", CONTROLLER, &fresh.assigned);
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
